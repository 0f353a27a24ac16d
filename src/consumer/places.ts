import type { Clock, Timer } from '../core/clock.ts'
import type { Attempt } from './context.ts'

/** Timers cannot wait longer (2^31 − 1 ms). */
const longestTimerMs = 2_147_483_647

/** A place per handler that may run at once, and one timer that watches the deadlines of all. */
export class Places {
  private readonly clock: Clock
  private readonly timeoutMs: number
  private readonly expire: (attempt: Attempt) => void
  private readonly attempts: (Attempt | null)[]
  private readonly free: number[]
  private timer: Timer | null = null

  constructor(clock: Clock, count: number, timeoutMs: number, expire: (attempt: Attempt) => void) {
    this.clock = clock
    this.timeoutMs = timeoutMs
    this.expire = expire
    this.attempts = new Array<Attempt | null>(count).fill(null)
    this.free = Array.from({ length: count }, (_, i) => count - 1 - i)
  }

  get allFree(): boolean {
    return this.free.length === this.attempts.length
  }

  /** Undefined: all are taken. */
  take(): number | undefined {
    return this.free.pop()
  }

  put(place: number, attempt: Attempt): void {
    this.attempts[place] = attempt
    // Each new deadline is later than the one the timer is set for, and an extended one too: it comes early, never late.
    this.timer ??= this.clock.after(this.timeoutMs, this.onTimer)
  }

  release(place: number): void {
    this.attempts[place] = null
    this.free.push(place)
  }

  running(): Attempt[] {
    return this.attempts.filter((attempt) => attempt !== null && !attempt.over) as Attempt[]
  }

  /** Watches no deadline any more. */
  close(): void {
    this.timer?.cancel()
  }

  private readonly onTimer = (): void => {
    this.timer = null
    const now = this.clock.monotonic()
    let earliest = Number.POSITIVE_INFINITY
    for (const attempt of this.running()) {
      if (attempt.expired) continue
      if (attempt.deadlineMs <= now) this.expire(attempt)
      else earliest = Math.min(earliest, attempt.deadlineMs)
    }
    if (earliest === Number.POSITIVE_INFINITY) return
    this.timer ??= this.clock.after(Math.min(earliest - now, longestTimerMs), this.onTimer)
  }
}
