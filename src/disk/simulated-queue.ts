import type { Clock } from '../core/clock.ts'
import { below, chance, type Random } from '../core/random.ts'

/** One operation under way in a simulated disk. */
export interface Operation {
  /** Changes or reads the disk; throws the operating system's error. */
  run(): void
  /** Reports to the caller, once, after `run`. */
  settle(error: NodeJS.ErrnoException | null): void
  /** Whether it takes the time of a sync. */
  readonly slow: boolean
  /**
   * The first half of `run`, where a power cut between the halves matters: a write without its sync.
   * Writes that return the same key may share one sync, as they do on the real disk.
   */
  readonly half?: { readonly key: unknown; run(): void }
}

/** Runs operations one after the other, each in a later microtask, or after the time a sync takes. */
export class OperationQueue {
  readonly #clock: Clock | undefined
  readonly #latencyMs: number
  #waiting: Operation[] = []
  #next = 0
  #isRunning = false
  #isDead = false

  constructor(clock: Clock | undefined, latencyMs: number) {
    this.#clock = clock
    this.#latencyMs = latencyMs
  }

  add(operation: Operation): void {
    if (this.#isDead) return
    this.#waiting.push(operation)
    if (!this.#isRunning) this.#schedule()
  }

  /**
   * The process dies now. A random part of what it had asked for was carried out all the same, and
   * nobody will hear of it.
   */
  die(random: Random): void {
    this.#isDead = true
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = []
    if (waiting.length === 0) return
    const whole = below(random, waiting.length + 1)
    try {
      for (const operation of waiting.slice(0, whole)) operation.run()
      const key = waiting[whole]?.half?.key
      for (const { half } of waiting.slice(whole)) {
        if (half === undefined || half.key !== key || chance(random, 0.3)) return
        half.run()
      }
    } catch {
      // It failed, and what came behind it was never tried.
    }
  }

  #schedule(): void {
    this.#isRunning = true
    const operation = this.#waiting[this.#next] as Operation
    if (operation.slow && this.#clock !== undefined && this.#latencyMs > 0) {
      this.#clock.after(this.#latencyMs, this.#step)
    } else queueMicrotask(this.#step)
  }

  readonly #step = (): void => {
    if (this.#isDead) return
    const operation = this.#waiting[this.#next++] as Operation
    if (this.#next === this.#waiting.length) {
      this.#waiting = []
      this.#next = 0
    }
    let error: NodeJS.ErrnoException | null = null
    try {
      operation.run()
    } catch (thrown) {
      error = thrown as NodeJS.ErrnoException
    }
    // The next one is on its way before the caller hears of this one, whatever the caller does.
    if (this.#next < this.#waiting.length) this.#schedule()
    else this.#isRunning = false
    operation.settle(error)
  }
}

/** The same as a promise, which stays pending for ever when the process dies first. */
export function enqueue<T>(queue: OperationQueue, run: () => T, slow = false): Promise<T> {
  return new Promise((resolve, reject) => {
    let value: T
    queue.add({
      run: () => {
        value = run()
      },
      settle: (error) => (error === null ? resolve(value) : reject(error)),
      slow,
    })
  })
}
