import { isHoldfastError } from '../core/errors.ts'

/** The user asked for something that makes no sense; ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A failure of the command itself, in words for people; ends with exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly advice: string | undefined

  constructor(message: string, options: { readonly advice?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.advice = options.advice
  }
}

/** An error for people: message, advice, and the stack only where it was asked for or a bug is likely. */
export function describeError(error: unknown, verbose: boolean): string[] {
  if (!(error instanceof Error)) return [String(error)]
  const lines = [error.message === '' ? error.name : error.message]
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  if (cause !== undefined && cause !== '' && !error.message.includes(cause)) lines.push(`cause: ${cause}`)
  const advice = isHoldfastError(error) || error instanceof CommandError ? error.advice : undefined
  if (advice !== undefined) lines.push(advice)
  if (verbose) lines.push(...stackOf(error))
  else if (!isExpected(error)) lines.push('This looks like a bug; --verbose shows where it happened.')
  return lines
}

/** True for errors that a user, a disk or a full table can cause: their stack helps nobody. */
function isExpected(error: Error): boolean {
  return (
    isHoldfastError(error) ||
    error instanceof CommandError ||
    error instanceof UsageError ||
    typeof (error as NodeJS.ErrnoException).syscall === 'string'
  )
}

function stackOf(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n')
  if (error.cause instanceof Error) lines.push(`caused by ${error.cause.stack ?? error.cause.message}`)
  return lines
}
