/** Gives segments back in which nothing is needed any more. */
import type { Segment } from '../../log/segment.ts'
import type { Topic } from './state.ts'
import type { Store } from './store.ts'

/** Releases what it can; returns the segments given up. */
export function releaseSegments(store: Store, nowMs: number): Segment[] {
  const { log, state } = store
  const released: Segment[] = []
  for (const segment of [...log.segments]) {
    if (!log.isReleasable(segment) || !isFree(store, segment, nowMs)) continue
    if (!log.release(segment)) break
    for (const index of segment.index.partitions.values()) {
      const topic = state.topics.get(index.topic)
      if (topic === undefined) continue
      topic.storedBytes -= index.bytes
      topic.storedMessages -= index.messages
    }
    released.push(segment)
  }
  return released
}

function isFree(store: Store, segment: Segment, nowMs: number): boolean {
  for (const index of segment.index.partitions.values()) {
    const topic = store.state.topics.get(index.topic)
    if (topic === undefined) continue
    if (isRetained(topic, segment, nowMs)) return false
    for (const group of topic.groups) {
      const { settled } = group.partitions[index.partition]!
      if (settled.floor <= index.last && !settled.containsRange(index.first, index.last + 1)) return false
    }
  }
  return true
}

/** A topic without a group keeps everything: its first group shall have it. */
function isRetained(topic: Topic, segment: Segment, nowMs: number): boolean {
  return topic.groups.length === 0 || segment.index.newestAtMs + topic.settings.retentionMs > nowMs
}
