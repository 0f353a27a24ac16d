/** Which topics and groups there are. Their settings are fixed when they are created. */
import type { Order, TopicOptions } from '../../core/engine.ts'
import { HoldfastError } from '../../core/errors.ts'
import { Ledger } from '../../core/ledger.ts'
import { embeddedCapabilities } from './options.ts'
import { EngineRecord, type GroupRecord, jsonRecord, type TopicRecord } from './records.ts'
import { Group, type Topic } from './state.ts'
import type { Store } from './store.ts'

/** Null when the log has no room for its record now. */
export function addTopic(store: Store, name: string, options: TopicOptions, nowMs: number): Topic | null {
  const { state, log } = store
  const settings: TopicRecord = {
    name,
    partitions: options.partitions ?? embeddedCapabilities.defaultPartitions,
    retentionMs: options.retentionMs ?? 0,
    maxBytes: options.maxBytes ?? null,
    createdAtMs: nowMs,
  }
  const number = state.nextTopicNumber()
  if (!log.append([jsonRecord(EngineRecord.topic, settings, number)], false)) return null
  return state.addTopic(number, settings)
}

/** The group, created when it is missing; null when the log has no room for its record now. */
export function groupFor(
  store: Store,
  topic: Topic,
  name: string,
  order: Order,
  nowMs: number,
): Group | null {
  const known = topic.groupNamed(name)
  if (known !== undefined) {
    if (known.settings.order === order) return known
    throw new HoldfastError(
      'group_mismatch',
      `group ${name} of ${topic.name} has order '${known.settings.order}', not '${order}'`,
    )
  }
  const { state, log } = store
  const settings: GroupRecord = { name, order, generation: 0, createdAtMs: nowMs }
  const group = new Group(state.nextGroupNumber(), topic, settings)
  const records = [jsonRecord(EngineRecord.group, settings, topic.number, group.number)]
  for (const own of group.partitions) {
    if (own.partition.next === 0) continue
    own.settled = alreadyGone(store, topic.number, own.partition.number, own.partition.durable)
    records.push(own.record())
  }
  // One batch: a group that is there knows what it can no longer get.
  if (!log.append(records, false)) return null
  return state.addGroup(group)
}

/** What is no longer stored cannot be delivered to a new group: everything outside the live segments. */
function alreadyGone(store: Store, topic: number, partition: number, end: number): Ledger {
  const gone = new Ledger()
  let from = 0
  for (const segment of store.log.segments) {
    const index = segment.index.of(topic, partition)
    if (index === undefined) continue
    if (index.first > from) gone.addRange(from, index.first)
    from = Math.max(from, index.last + 1)
  }
  if (from < end) gone.addRange(from, end)
  return gone
}

/** Rejects what was asked for and is not what is stored. */
export function requireSameTopic(topic: Topic, options: TopicOptions): void {
  const { partitions, retentionMs, maxBytes } = topic.settings
  const same =
    (options.partitions ?? partitions) === partitions &&
    (options.retentionMs ?? retentionMs) === retentionMs &&
    (options.maxBytes ?? maxBytes) === maxBytes
  if (same) return
  throw new HoldfastError(
    'topic_mismatch',
    `topic ${topic.name} has ${partitions} partitions, retentionMs ${retentionMs}, maxBytes ${maxBytes ?? 'unlimited'}`,
  )
}
