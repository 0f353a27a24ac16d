import { murmur2 } from '../core/partition.ts'

const deadLetterBrand = Symbol.for('holdfast.dead-letter')
const retryBrand = Symbol.for('holdfast.retry')

/** Thrown by a handler: this message can never be handled. It becomes a dead letter at once, without further attempts. */
export class DeadLetter extends Error {
  override readonly name = 'DeadLetter'

  /** `reason` is stored with the dead letter; the stack of `cause` too. */
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause })
    Object.defineProperty(this, deadLetterBrand, { value: true })
  }
}

export interface RetryOptions {
  /** Wait so long before the next attempt, milliseconds. Default: the next step of `backoffMs`. */
  readonly afterMs?: number
  /** False: `maxAttempts` does not count this attempt, until `maxRetryAgeMs` have passed. Default true. */
  readonly countsAsAttempt?: boolean
  /** For logs, and for the dead letter if it comes to that. Default: the message of `cause`. */
  readonly reason?: string
  readonly cause?: unknown
}

/**
 * Thrown by a handler: not now. The key waits in place and is tried again. A restart of the process cuts the wait to
 * the last step of `backoffMs`.
 */
export class Retry extends Error {
  override readonly name = 'Retry'
  readonly afterMs: number | undefined
  readonly countsAsAttempt: boolean

  constructor(options: RetryOptions = {}) {
    const { afterMs, countsAsAttempt = true, cause } = options
    if (afterMs !== undefined && !(Number.isFinite(afterMs) && afterMs >= 0)) {
      throw new TypeError(
        `Retry: afterMs must be a number of milliseconds, 0 or more, not ${String(afterMs)}`,
      )
    }
    const reason = options.reason ?? (cause instanceof Error ? cause.message : 'retry requested')
    super(reason, cause === undefined ? undefined : { cause })
    this.afterMs = afterMs
    this.countsAsAttempt = countsAsAttempt
    Object.defineProperty(this, retryBrand, { value: true })
  }
}

/** What the error of a handler asks for. */
export type Verdict =
  | { readonly kind: 'failed' }
  | { readonly kind: 'dead' }
  | { readonly kind: 'retry'; readonly afterMs: number | undefined; readonly countsAsAttempt: boolean }

const failed: Verdict = { kind: 'failed' }
const dead: Verdict = { kind: 'dead' }

/** Goes by brand, not by class: the error may come from another copy of this package. */
export function verdictOf(error: unknown): Verdict {
  if (typeof error !== 'object' || error === null) return failed
  if (deadLetterBrand in error) return dead
  if (!(retryBrand in error)) return failed
  const { afterMs, countsAsAttempt } = error as Partial<Retry>
  return { kind: 'retry', afterMs, countsAsAttempt: countsAsAttempt !== false }
}

/** An error in words that can be stored. */
export interface Description {
  readonly reason: string
  readonly stack: string
  /** Equal for failures of the same class, place and message, numbers in it aside; 32 bits, unsigned. */
  readonly fingerprint: number
}

/** The envelope of a dead letter has room for 16 KiB. */
const maxReasonBytes = 4096
const maxStackBytes = 4096
const maxCauses = 4

/** Never throws, whatever was thrown. */
export function describe(error: unknown): Description {
  try {
    if (!(error instanceof Error)) return describeValue(String(error))
    const reason = error.message === '' ? error.name : error.message
    const stack = stackOf(error)
    const topFrame = /^\s+at .*$/m.exec(stack)?.[0].trim() ?? ''
    const trait = `${error.constructor.name}\n${reason.replace(/\d+/g, '')}\n${topFrame}`
    return {
      reason: cutBytes(reason, maxReasonBytes),
      stack: cutBytes(stack, maxStackBytes),
      fingerprint: murmur2(trait) >>> 0,
    }
  } catch {
    return describeValue('an error that cannot be described')
  }
}

function describeValue(text: string): Description {
  const fingerprint = murmur2(text.replace(/\d+/g, '')) >>> 0
  return { reason: cutBytes(text, maxReasonBytes), stack: '', fingerprint }
}

function stackOf(error: Error): string {
  let text = String(error.stack ?? '')
  let cause = error.cause
  for (let depth = 0; depth < maxCauses && cause instanceof Error; depth++) {
    text += `\ncaused by: ${cause.stack ?? cause.message}`
    cause = cause.cause
  }
  return text
}

/** The longest beginning of `text` that fits into `maxBytes` of UTF-8. */
export function cutBytes(text: string, maxBytes: number): string {
  // A UTF-16 unit takes at most three bytes.
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text
  const bytes = Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes)
  // Streaming, the decoder keeps an incomplete last character for later: that is the cut.
  return new TextDecoder().decode(bytes, { stream: true })
}
