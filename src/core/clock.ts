/**
 * Time as a port. Durations inside a process use `monotonic`; only durable due times and the
 * time stamps people read use `now` (docs/architecture, "Time").
 */
export interface Clock {
  /** Wall time in milliseconds since the epoch, whole. May step in either direction. */
  now(): number
  /** Milliseconds since an arbitrary start; never steps backward. */
  monotonic(): number
  /** Runs `callback` once after at least `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer
  /** Keeps the process alive until cancelled. */
  keepAlive(): Timer
}

export interface Timer {
  /** Idempotent; after it the callback is never called. */
  cancel(): void
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout

  constructor(delayMs: number, callback: () => void) {
    this.#handle = setTimeout(callback, delayMs)
    this.#handle.unref()
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }
}

/** The longest delay that timers take. */
const farAwayMs = 2 ** 31 - 1

class Hold implements Timer {
  readonly #handle = setInterval(() => undefined, farAwayMs)

  cancel(): void {
    clearInterval(this.#handle)
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, callback) => new SystemTimer(delayMs, callback),
  keepAlive: () => new Hold(),
}
