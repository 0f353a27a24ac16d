import type { Clock, Timer } from '../core/clock.ts'
import type { Lane } from './lane.ts'

/** Timers cannot wait longer (2^31 − 1 ms). */
const longestTimerMs = 2_147_483_647

/** Lanes that wait for their next attempt: a heap by due time, and one timer for all of them. */
export class HoldQueue {
  readonly #clock: Clock
  readonly #due: (lane: Lane) => void
  readonly #drained: () => void
  readonly #heap: Lane[] = []
  #timer: Timer | null = null
  #timerMs = Number.POSITIVE_INFINITY

  /** `due` is called for each lane whose time has come, `drained` once after all of them. */
  constructor(clock: Clock, due: (lane: Lane) => void, drained: () => void) {
    this.#clock = clock
    this.#due = due
    this.#drained = drained
  }

  add(lane: Lane, delayMs: number): void {
    lane.dueMs = this.#clock.monotonic() + delayMs
    lane.place = this.#heap.length
    this.#heap.push(lane)
    this.#rise(lane)
    this.#arm()
  }

  remove(lane: Lane): void {
    const place = lane.place
    if (place < 0) return
    lane.place = -1
    const last = this.#heap.pop()
    if (last === undefined || last === lane) return
    last.place = place
    this.#heap[place] = last
    this.#rise(last)
    this.#sink(last)
  }

  close(): void {
    this.#timer?.cancel()
    for (const lane of this.#heap) lane.place = -1
    this.#heap.length = 0
  }

  #arm(): void {
    const first = this.#heap[0]
    // A timer that comes early finds nothing due and is set again.
    if (first === undefined || this.#timerMs <= first.dueMs) return
    this.#timer?.cancel()
    this.#timerMs = first.dueMs
    const delayMs = Math.min(Math.max(first.dueMs - this.#clock.monotonic(), 0), longestTimerMs)
    this.#timer = this.#clock.after(delayMs, this.#fire)
  }

  readonly #fire = (): void => {
    this.#timer = null
    this.#timerMs = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= now; first = this.#heap[0]) {
      this.remove(first)
      this.#due(first)
    }
    this.#arm()
    this.#drained()
  }

  #rise(lane: Lane): void {
    const heap = this.#heap
    while (lane.place > 0) {
      const above = heap[(lane.place - 1) >>> 1]
      if (above.dueMs <= lane.dueMs) return
      this.#swap(lane, above)
    }
  }

  #sink(lane: Lane): void {
    const heap = this.#heap
    for (;;) {
      const left = heap[2 * lane.place + 1]
      if (left === undefined) return
      const right = heap[2 * lane.place + 2]
      const below = right !== undefined && right.dueMs < left.dueMs ? right : left
      if (lane.dueMs <= below.dueMs) return
      this.#swap(lane, below)
    }
  }

  #swap(a: Lane, b: Lane): void {
    const place = a.place
    a.place = b.place
    b.place = place
    this.#heap[a.place] = a
    this.#heap[b.place] = b
  }
}
