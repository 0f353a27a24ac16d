import type { Clock, Timer } from '../../src/core/clock.ts'

interface Entry {
  readonly due: number
  readonly callback: () => void
}

const startMs = 1_700_000_000_000

/** Simulated time of one directory, through all deaths of the processes that use it. Runs one timer at a time. */
export class CrashClock implements Clock {
  #elapsed = 0
  /** In the order they are due. */
  #timers: Entry[] = []

  now(): number {
    return Math.floor(startMs + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry: Entry = { due: this.#elapsed + Math.max(delayMs, 0), callback }
    let at = this.#timers.length
    while (at > 0 && this.#timers[at - 1].due > entry.due) at--
    this.#timers.splice(at, 0, entry)
    return {
      cancel: () => {
        const found = this.#timers.indexOf(entry)
        if (found >= 0) this.#timers.splice(found, 1)
      },
    }
  }

  keepAlive(): Timer {
    return { cancel: () => undefined }
  }

  /** Moves on to the next timer due by `target` and runs it; false when there is none. */
  runNext(target: number): boolean {
    const next = this.#timers[0]
    if (next === undefined || next.due > target) return false
    this.#timers.shift()
    this.#elapsed = Math.max(this.#elapsed, next.due)
    next.callback()
    return true
  }

  moveTo(elapsed: number): void {
    this.#elapsed = Math.max(this.#elapsed, elapsed)
  }

  /** The process died, and its timers with it. */
  clear(): void {
    this.#timers = []
  }
}
