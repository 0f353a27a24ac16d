/** The state in the words of the port. */
import type { GroupInfo, TopicInfo } from '../../core/engine.ts'
import type { Group, Topic } from './state.ts'

export function describeTopic(topic: Topic): TopicInfo {
  const { name, partitions, retentionMs, maxBytes, createdAtMs } = topic.settings
  return {
    topic: name,
    partitions,
    retentionMs,
    maxBytes,
    createdAtMs,
    messages: topic.storedMessages,
    bytes: topic.storedBytes,
    groups: topic.groups.map((group) => group.settings.name),
  }
}

export function describeGroup(group: Group, inFlight: number): GroupInfo {
  const partitions = group.partitions.map((own) => ({
    partition: own.partition.number,
    floor: own.settled.floor,
    end: own.partition.next,
    lag: own.lag,
    retrying: own.failures.size,
  }))
  return {
    topic: group.topic.name,
    group: group.settings.name,
    order: group.settings.order,
    createdAtMs: group.settings.createdAtMs,
    lag: partitions.reduce((sum, partition) => sum + partition.lag, 0),
    inFlight,
    retrying: partitions.reduce((sum, partition) => sum + partition.retrying, 0),
    dead: group.partitions.reduce((sum, own) => sum + own.dead.size, 0),
    partitions,
  }
}
