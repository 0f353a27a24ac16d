/**
 * Everything the engine knows, rebuilt from the log and nothing else: topics, groups, producers, and per partition and group
 * what came to rest. It changes only by records, at the moment they are appended or read back.
 */
import { Ledger } from '../../core/ledger.ts'
import { RecordType } from '../../log/format.ts'
import { placeOf } from '../../log/record.ts'
import {
  EngineRecord,
  type FailureState,
  type GroupRecord,
  groupPartitionRecord,
  jsonRecord,
  parseFailure,
  parseGroupPartition,
  parseJson,
  parsePartition,
  parseSettled,
  parseU64,
  partitionRecord,
  payloadOf,
  producerRecord,
  SettledAs,
  type SettledState,
  type TopicRecord,
  u64Record,
} from './records.ts'

export class Partition {
  readonly topic: Topic
  readonly number: number
  /** The offset the next message gets. */
  next = 0
  /** Below it everything is durable and may be delivered. */
  durable = 0
  /** Messages ever stored, those already reclaimed included. */
  sentMessages = 0

  constructor(topic: Topic, number: number) {
    this.topic = topic
    this.number = number
  }
}

export class Topic {
  readonly number: number
  readonly settings: TopicRecord
  readonly partitions: Partition[]
  readonly groups: Group[] = []
  /** Bytes of its messages in the log. */
  storedBytes = 0
  storedMessages = 0

  constructor(number: number, settings: TopicRecord) {
    this.number = number
    this.settings = settings
    this.partitions = Array.from({ length: settings.partitions }, (_, i) => new Partition(this, i))
  }

  get name(): string {
    return this.settings.name
  }

  groupNamed(name: string): Group | undefined {
    return this.groups.find((group) => group.settings.name === name)
  }
}

/** What one group knows of one partition. */
export class GroupPartition {
  readonly group: Group
  readonly partition: Partition
  /** Messages at rest, however they came there. */
  settled = new Ledger()
  dead = new Ledger()
  discarded = new Ledger()
  readonly failures = new Map<number, FailureState>()
  /** Messages below may have been handed out. */
  window = 0
  /** Messages below may have been handed out by a consumer that is gone. */
  suspectBelow = 0

  constructor(group: Group, partition: Partition) {
    this.group = group
    this.partition = partition
  }

  settle(from: number, to: number, state: SettledState): void {
    this.settled.addRange(from, to)
    if (state === SettledAs.dead) this.dead.addRange(from, to)
    if (state === SettledAs.discarded) this.discarded.addRange(from, to)
    if (this.failures.size > 0) for (let offset = from; offset < to; offset++) this.failures.delete(offset)
  }

  /** Messages not at rest. */
  get lag(): number {
    return this.partition.next - this.settled.countBelow(this.partition.next)
  }

  record(): Uint8Array {
    return groupPartitionRecord(this.group.number, this.partition.number, {
      window: this.window,
      settled: this.settled.encode(),
      dead: this.dead.encode(),
      discarded: this.discarded.encode(),
      failures: this.failures,
    })
  }
}

export class Group {
  readonly number: number
  readonly topic: Topic
  readonly settings: GroupRecord
  readonly partitions: GroupPartition[]

  constructor(number: number, topic: Topic, settings: GroupRecord) {
    this.number = number
    this.topic = topic
    this.settings = settings
    this.partitions = topic.partitions.map((partition) => new GroupPartition(this, partition))
  }
}

export interface ProducerEpoch {
  readonly number: number
  /** 16 bytes. */
  readonly epoch: Uint8Array
  readonly epochText: string
  readonly label: string
  /** The segment that was current when it ended; null while it is open. */
  closedInSegment: number | null
}

export class State {
  readonly topics = new Map<number, Topic>()
  readonly topicsByName = new Map<string, Topic>()
  readonly groups = new Map<number, Group>()
  readonly producers = new Map<number, ProducerEpoch>()
  #lastTopic = 0
  #lastGroup = 0
  #lastProducer = 0

  nextTopicNumber(): number {
    return ++this.#lastTopic
  }
  nextGroupNumber(): number {
    return ++this.#lastGroup
  }
  nextProducerNumber(): number {
    return ++this.#lastProducer
  }

  /** Applies a record as it stands in a frame. What the snapshot has not named yet is left to the snapshot. */
  apply(frame: Buffer, at: number, length: number, type: number): void {
    const number = frame.readUInt32LE(at + 8)
    const partition = frame.readUInt32LE(at + 12)
    const payload = payloadOf(frame, at, length)
    switch (type) {
      case RecordType.message:
        this.#message(placeOf(frame, at))
        return
      case EngineRecord.topic:
        this.addTopic(number, parseJson<TopicRecord>(payload))
        return
      case EngineRecord.group:
        this.#group(number, partition, parseJson<GroupRecord>(payload))
        return
      case EngineRecord.producer:
        this.addProducer(number, new Uint8Array(payload.subarray(0, 16)), payload.toString('utf8', 16))
        return
      case EngineRecord.producerClosed: {
        const producer = this.producers.get(number)
        if (producer !== undefined) producer.closedInSegment = parseU64(payload)
        return
      }
      case EngineRecord.partition: {
        const found = this.topics.get(number)?.partitions[partition]
        if (found !== undefined) Object.assign(found, parsePartition(payload))
        return
      }
      default: {
        const found = this.groups.get(number)?.partitions[partition]
        if (found !== undefined) applyToGroup(found, type, payload)
      }
    }
  }

  addTopic(number: number, settings: TopicRecord): Topic {
    const known = this.topics.get(number)
    if (known !== undefined) return known
    const topic = new Topic(number, settings)
    this.topics.set(number, topic)
    this.topicsByName.set(settings.name, topic)
    this.#lastTopic = Math.max(this.#lastTopic, number)
    return topic
  }

  addGroup(group: Group): Group {
    this.groups.set(group.number, group)
    group.topic.groups.push(group)
    this.#lastGroup = Math.max(this.#lastGroup, group.number)
    return group
  }

  addProducer(number: number, epoch: Uint8Array, label: string): void {
    const known = this.producers.get(number)
    if (known !== undefined) {
      known.closedInSegment = null
      return
    }
    const epochText = Buffer.from(epoch).toString('base64url')
    this.producers.set(number, { number, epoch, epochText, label, closedInSegment: null })
    this.#lastProducer = Math.max(this.#lastProducer, number)
  }

  /**
   * Nobody continues an epoch of a process that is gone; its messages lie in segments up to this one, to which those of the
   * segment before are copied.
   */
  closeProducers(segment: number): void {
    for (const producer of this.producers.values()) {
      const closed = producer.closedInSegment
      if (closed === null || closed >= segment - 1) producer.closedInSegment = segment
    }
  }

  /** Windows and acknowledgements were lost: any message may have been handed out. */
  suspectAll(): void {
    for (const group of this.groups.values()) {
      for (const own of group.partitions) own.window = Math.max(own.window, own.partition.next)
    }
  }

  /** Epochs that ended before the oldest live segment have no message left whose id they make. */
  forgetProducers(oldestSegment: number): void {
    for (const producer of this.producers.values()) {
      if (producer.closedInSegment !== null && producer.closedInSegment < oldestSegment) {
        this.producers.delete(producer.number)
      }
    }
  }

  /** Records that rebuild the state, each as of the moment it is taken. */
  *snapshot(): Generator<Uint8Array, void> {
    for (const producer of this.producers.values()) {
      yield producerRecord(producer.number, producer.epoch, producer.label)
      if (producer.closedInSegment !== null) {
        yield u64Record(EngineRecord.producerClosed, producer.closedInSegment, producer.number)
      }
    }
    for (const topic of this.topics.values()) {
      yield jsonRecord(EngineRecord.topic, topic.settings, topic.number)
      for (const group of topic.groups)
        yield jsonRecord(EngineRecord.group, group.settings, topic.number, group.number)
      for (const partition of topic.partitions) {
        if (partition.next === 0) continue
        yield partitionRecord(topic.number, partition.number, partition)
        for (const group of topic.groups) {
          const own = group.partitions[partition.number]!
          yield own.record()
        }
      }
    }
  }

  /** Whether a stored message may still be asked for. */
  needs(topicNumber: number, partition: number, offset: number): boolean {
    const topic = this.topics.get(topicNumber)
    if (topic === undefined) return false
    if (topic.groups.length === 0 || topic.settings.retentionMs > 0) return true
    return topic.groups.some((group) => !group.partitions[partition]!.settled.has(offset))
  }

  #group(topicNumber: number, number: number, settings: GroupRecord): void {
    const topic = this.topics.get(topicNumber)
    if (topic === undefined || this.groups.has(number)) return
    this.addGroup(new Group(number, topic, settings))
  }

  #message(place: { topic: number; partition: number; offset: number }): void {
    const partition = this.topics.get(place.topic)?.partitions[place.partition]
    if (partition === undefined || place.offset < partition.next) return
    partition.next = place.offset + 1
    partition.sentMessages++
  }
}

function applyToGroup(partition: GroupPartition, type: number, payload: Buffer): void {
  switch (type) {
    case EngineRecord.settled: {
      const { state, runs } = parseSettled(payload)
      for (let i = 0; i < runs.length; i += 2) partition.settle(runs[i]!, runs[i + 1]!, state)
      return
    }
    case EngineRecord.failure: {
      const { offset, failure } = parseFailure(payload)
      if (!partition.settled.has(offset)) partition.failures.set(offset, failure)
      return
    }
    case EngineRecord.window:
      partition.window = parseU64(payload)
      return
    case EngineRecord.groupPartition: {
      const snapshot = parseGroupPartition(payload)
      partition.window = snapshot.window
      partition.settled = Ledger.decode(snapshot.settled)
      partition.dead = Ledger.decode(snapshot.dead)
      partition.discarded = Ledger.decode(snapshot.discarded)
      partition.failures.clear()
      for (const [offset, failure] of snapshot.failures) partition.failures.set(offset, failure)
    }
  }
}
