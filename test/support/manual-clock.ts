import type { Clock, Timer } from '../../src/core/clock.ts'

interface Entry {
  readonly due: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #elapsed = 0
  #wallOffset: number
  #order = 0
  readonly #timers = new Set<Entry>()

  constructor(startMs = 1_700_000_000_000) {
    this.#wallOffset = startMs
  }

  now(): number {
    return Math.floor(this.#wallOffset + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, callback: () => void): Timer {
    // As setTimeout: what is not a positive delay is the shortest one.
    const due = this.#elapsed + Math.max(delayMs, 0)
    const entry: Entry = { due, order: this.#order++, callback }
    this.#timers.add(entry)
    return { cancel: () => void this.#timers.delete(entry) }
  }

  /** Tests keep themselves alive. */
  keepAlive(): Timer {
    return { cancel: () => undefined }
  }

  /** Runs the timers that come due within `ms`, in due order; the clock stands at each due time. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`advance: ${ms} is not a duration`)
    const target = this.#elapsed + ms
    for (let next = this.#earliest(); next !== null && next.due <= target; next = this.#earliest())
      this.#run(next)
    this.#elapsed = target
  }

  /** Moves to the next timer and runs it; false when there is none. */
  runNext(): boolean {
    const next = this.#earliest()
    if (next === null) return false
    this.#run(next)
    return true
  }

  /** Somebody sets the wall clock; timers and durations do not notice. */
  stepWall(ms: number): void {
    this.#wallOffset += ms
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size
  }

  #earliest(): Entry | null {
    let first: Entry | null = null
    for (const entry of this.#timers) {
      if (first === null || entry.due < first.due || (entry.due === first.due && entry.order < first.order)) {
        first = entry
      }
    }
    return first
  }

  #run(entry: Entry): void {
    this.#timers.delete(entry)
    this.#elapsed = entry.due
    entry.callback()
  }
}
