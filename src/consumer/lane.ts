import type { Delivery } from '../core/engine.ts'

/** A message in hand: delivered and not settled. */
export class Work {
  readonly delivery: Delivery
  /** The next message of the same key. */
  next: Work | null = null
  /** Attempts that failed and count. */
  failures: number
  /** Wall time; 0: none. */
  firstFailureMs: number
  /** Monotonic time before which it must not run, from an attempt before it was delivered; 0: at once. */
  notBeforeMs = 0
  /** It gave its credit back and counts against `maxHeld`, until it is settled. */
  held = false

  constructor(delivery: Delivery) {
    this.delivery = delivery
    this.failures = delivery.failures
    this.firstFailureMs = delivery.firstFailureMs
  }
}

/**
 * The messages of one key in hand, in order: the first runs, the others wait behind it. A message without a key is alone in
 * its lane. Lists are linked through their members because this is the hottest data there is: a message costs no
 * array, and leaving a list costs no search.
 */
export class Lane {
  readonly key: string | null
  head: Work | null
  tail: Work
  /** The first message that still has its credit; all behind it have theirs. */
  firstCredited: Work | null
  /** A handler holds it, perhaps past its deadline. */
  running = false
  /** A message of it failed and is not settled yet: what arrives is held too. */
  held = false
  nextReady: Lane | null = null
  /** Monotonic time of the next attempt, while it waits in the hold queue. */
  dueMs = 0
  /** Its place in the hold queue; −1: it is not there. */
  place = -1

  constructor(key: string | null, work: Work) {
    this.key = key
    this.head = work
    this.tail = work
    this.firstCredited = work
  }

  append(work: Work): void {
    if (this.head === null) this.head = work
    else this.tail.next = work
    this.tail = work
    this.firstCredited ??= work
  }

  /** Takes the first message out. */
  shift(work: Work): void {
    this.head = work.next
    if (this.firstCredited === work) this.firstCredited = work.next
  }
}

/** Lanes that may run, first come first served. */
export class ReadyLanes {
  #first: Lane | null = null
  #last: Lane | null = null

  get isEmpty(): boolean {
    return this.#first === null
  }

  push(lane: Lane): void {
    if (this.#last === null) this.#first = lane
    else this.#last.nextReady = lane
    this.#last = lane
  }

  shift(): Lane | null {
    const lane = this.#first
    if (lane === null) return null
    this.#first = lane.nextReady
    if (this.#first === null) this.#last = null
    lane.nextReady = null
    return lane
  }
}
