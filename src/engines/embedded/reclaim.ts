/** Gives segments back in which nothing is needed any more. */
import type { Clock, Timer } from '../../core/clock.ts'
import { publish } from '../../core/diagnostics.ts'
import type { Segment } from '../../log/segment.ts'
import type { Store } from './store.ts'

const soonMs = 100
/** The wall clock may step, and timers are bounded: a time to wait is looked at again after so long. */
const longestWaitMs = 3_600_000

/** Looks when something came to rest, and when the time is over for which something at rest is kept; at no other time. */
export class Reclaimer {
  readonly #directory: string
  readonly #clock: Clock
  readonly #store: () => Store
  #timer: Timer | null = null
  #dueMs = 0
  #isStopped = false

  constructor(options: { readonly directory: string; readonly clock: Clock }, store: () => Store) {
    this.#directory = options.directory
    this.#clock = options.clock
    this.#store = store
  }

  /** A segment may have become free. */
  soon(): void {
    this.#lookAfter(soonMs)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #lookAfter(ms: number): void {
    const dueMs = this.#clock.monotonic() + ms
    if (this.#isStopped || (this.#timer !== null && this.#dueMs <= dueMs)) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = this.#clock.after(ms, this.#look)
  }

  readonly #look = (): void => {
    this.#timer = null
    const store = this.#store()
    if (store.isFailed) return
    const { released, againAfterMs } = releaseSegments(store, this.#clock.now())
    for (const { path } of released) publish('segmentReleased', { directory: this.#directory, segment: path })
    if (againAfterMs !== null) this.#lookAfter(Math.min(againAfterMs, longestWaitMs))
  }
}

/** Releases what it can, and says after which time there is more, if nothing happens; null: then there is nothing. */
function releaseSegments(store: Store, nowMs: number): { released: Segment[]; againAfterMs: number | null } {
  const { log, state } = store
  const released: Segment[] = []
  let againAfterMs = Number.POSITIVE_INFINITY
  for (const segment of [...log.segments]) {
    if (segment === log.current) continue
    const waitMs = keptForMs(store, segment, nowMs)
    if (waitMs > 0) {
      againAfterMs = Math.min(againAfterMs, waitMs)
      continue
    }
    // Free, but the log needs it a moment longer, or has no room to say so.
    if (!log.isReleasable(segment) || !log.release(segment)) {
      againAfterMs = Math.min(againAfterMs, soonMs)
      continue
    }
    for (const index of segment.index.partitions.values()) {
      const topic = state.topics.get(index.topic)
      if (topic === undefined) continue
      topic.storedBytes -= index.bytes
      topic.storedMessages -= index.messages
    }
    released.push(segment)
  }
  return { released, againAfterMs: Number.isFinite(againAfterMs) ? againAfterMs : null }
}

/** 0: nothing in it is needed; infinite: something has to happen first. */
function keptForMs(store: Store, segment: Segment, nowMs: number): number {
  let waitMs = 0
  for (const index of segment.index.partitions.values()) {
    const topic = store.state.topics.get(index.topic)
    if (topic === undefined) continue
    // A topic without a group keeps everything: its first group shall have it.
    if (topic.groups.length === 0) return Number.POSITIVE_INFINITY
    for (const group of topic.groups) {
      const { settled } = group.partitions[index.partition]!
      if (settled.floor <= index.last && !settled.containsRange(index.first, index.last + 1))
        return Number.POSITIVE_INFINITY
    }
    waitMs = Math.max(waitMs, segment.index.newestAtMs + topic.settings.retentionMs - nowMs)
  }
  return waitMs
}
