import { type HoldfastError, isHoldfastError } from '../core/errors.ts'
import type { Receipt } from '../core/message.ts'
import { type Line, readLines } from './lines.ts'
import { BrokenLine, type LineFormat, type LineMessage, parseLine } from './message-line.ts'
import { Window } from './window.ts'

/** The default limit of a body; a longer line could not be sent anyway. */
export const maxLineBytes = 8 * 1024 * 1024
const windowLimits = { messages: 4096, bytes: 16 * 1024 * 1024 }
const maxListed = 100

export interface LineProblem {
  readonly line: number
  readonly problem: string
}

/** What became of an input. Lists hold the first hundred; the counts are complete. */
export interface SendReport {
  /** Lines looked at, empty ones included. */
  lines: number
  confirmed: number
  /** Confirmed before, under the same id; part of `confirmed`. */
  duplicates: number
  /** Lines kept out or refused: nothing of them was stored. */
  failed: number
  /** Lines whose outcome nobody knows yet. */
  pending: number
  readonly failures: LineProblem[]
  readonly unknown: LineProblem[]
  /** False when the input was not read to its end. */
  complete: boolean
}

export interface LineSenderOptions {
  readonly send: (message: LineMessage) => Promise<Receipt>
  readonly format: LineFormat
  /** Stop at the first broken line. */
  readonly strict: boolean
  readonly onProblem: (problem: LineProblem) => void
  readonly onProgress: (report: SendReport) => void
}

/** Errors that say something about one message; any other would meet the next message too. */
const aboutOneMessage: ReadonlySet<string> = new Set([
  'invalid_message',
  'invalid_body',
  'message_too_large',
  'id_conflict',
])

/** Sends lines, a bounded number of them at a time, and keeps account of each. */
export class LineSender {
  readonly #options: LineSenderOptions
  readonly #window = new Window(windowLimits)
  readonly #report: SendReport = {
    lines: 0,
    confirmed: 0,
    duplicates: 0,
    failed: 0,
    pending: 0,
    failures: [],
    unknown: [],
    complete: false,
  }
  #stopped = false

  constructor(options: LineSenderOptions) {
    this.#options = options
  }

  /** Resolves when the source is exhausted, or a failure ended it, and every line sent has its outcome. */
  async run(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SendReport> {
    this.#report.complete = await this.#read(source, signal)
    await this.#window.idle()
    return this.#report
  }

  async #read(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<boolean> {
    for await (const lines of readLines(source, maxLineBytes)) {
      for (const line of lines) {
        if (this.#stopped || signal.aborted) return false
        this.#report.lines = line.number
        await this.#take(line)
      }
      this.#options.onProgress(this.#report)
    }
    return !this.#stopped && !signal.aborted
  }

  async #take(line: Line): Promise<void> {
    let message: LineMessage | null
    try {
      if (line.bytes === null) throw new BrokenLine(`longer than ${maxLineBytes} bytes`)
      message = parseLine(line.bytes, this.#options.format)
    } catch (error) {
      if (!(error instanceof BrokenLine)) throw error
      this.#refuse(line.number, error.message)
      return
    }
    if (message === null) return
    await this.#window.take(line.length)
    if (this.#stopped) this.#window.give(line.length)
    else void this.#send(line, message)
  }

  async #send(line: Line, message: LineMessage): Promise<void> {
    try {
      const receipt = await this.#options.send(message)
      this.#report.confirmed++
      if (receipt.duplicate) this.#report.duplicates++
    } catch (error) {
      this.#failed(line.number, error as Error)
    } finally {
      this.#window.give(line.length)
    }
  }

  #failed(line: number, error: Error): void {
    if (isHoldfastError(error) && error.outcome === 'unknown') {
      this.#stopped = true
      this.#report.pending++
      this.#list(this.#report.unknown, { line, problem: describe(error) })
      return
    }
    const onlyThis = isHoldfastError(error) ? aboutOneMessage.has(error.code) : error instanceof TypeError
    if (!onlyThis) this.#stopped = true
    this.#refuse(line, isHoldfastError(error) ? describe(error) : error.message)
  }

  #refuse(line: number, problem: string): void {
    this.#report.failed++
    if (this.#options.strict) this.#stopped = true
    this.#list(this.#report.failures, { line, problem })
  }

  #list(list: LineProblem[], problem: LineProblem): void {
    if (list.length >= maxListed) return
    list.push(problem)
    this.#options.onProblem(problem)
  }
}

function describe(error: HoldfastError): string {
  return `${error.message} (${error.code}: ${error.advice})`
}
