import { isHoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'

/**
 * Failures that no caller is told: of one-way sends, and of sends whose caller stopped waiting. The logger gets one line for all
 * of a tick, because they come by the thousand when a store fails.
 */
export class FailureLog {
  readonly #logger: Logger
  readonly #producer: string
  #first: Error | null = null
  #count = 0

  constructor(logger: Logger, producer: string) {
    this.#logger = logger
    this.#producer = producer
  }

  add(error: Error): void {
    this.#count++
    if (this.#first !== null) return
    this.#first = error
    process.nextTick(() => this.#write(error))
  }

  #write(err: Error): void {
    const count = this.#count
    this.#first = null
    this.#count = 0
    const more = count === 1 ? '' : ` (and ${count - 1} more)`
    const advice = isHoldfastError(err) ? `; ${err.advice}` : ''
    this.#logger.error(
      { producer: this.#producer, err, count },
      `a send failed: ${err.message}${more}${advice}`,
    )
  }
}
