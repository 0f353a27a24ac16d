import type { HoldfastError } from './errors.ts'
import type { Durability, Headers } from './message.ts'

/**
 * The port between Holdfast and what stores and moves messages. Written for brokers and for the
 * embedded engine alike: batches go in, every message gets exactly one outcome; deliveries come out and
 * stay the engine's until they are settled.
 */
export interface Engine {
  /** 'embedded', 'rabbitmq', … */
  readonly kind: string
  readonly capabilities: Capabilities
  /** Opens a stream of numbered messages. `epoch` is fresh: 16 random bytes, never used before. */
  openProducer(options: { readonly label: string; readonly epoch: Uint8Array }): Promise<EngineProducer>
  /** Creates a topic. Idempotent for equal settings; others are `topic_mismatch`. */
  createTopic(topic: string, options: TopicOptions): Promise<void>
  /** Creates a group of a topic. Idempotent for equal settings; others are `group_mismatch`. */
  createGroup(topic: string, group: string, options: GroupOptions): Promise<void>
  topics(): Promise<TopicInfo[]>
  /** The groups of one topic, or of all. */
  groups(topic?: string): Promise<GroupInfo[]>
  /**
   * Starts deliveries to this process. The group (and, where the engine creates topics on first use, the topic) is
   * created when missing. `sink` is first called after the promise resolved and one macrotask passed.
   */
  subscribe(options: SubscribeOptions, sink: DeliverySink): Promise<Subscription>
  /** Dead letters of a group, oldest first. Reading does not remove them. */
  deadLetters(topic: string, group: string): AsyncIterable<DeadLetterRecord>
  health(): EngineHealth
  /** Stops taking work, makes what was taken durable, lets the store go. Idempotent. */
  close(): Promise<void>
}

/** What an engine promises, as data: runtime, tests and docs read the same. Frozen. */
export interface Capabilities {
  /** What a new group receives: everything still kept, or only what is sent after its creation. */
  readonly history: 'all' | 'first-group' | 'none'
  /** How long unhandled messages and dead letters are kept. */
  readonly keeps: 'forever' | { readonly ms: number }
  /** What an outdated holder of a delivery can still do. */
  readonly fencing: 'ack' | 'session' | 'none'
  /** Where half messages live; 'none' until the engine has them. */
  readonly halfMessages: 'engine' | 'directory' | 'none'
  /** Where a repeated caller's id is recognised. */
  readonly ids: 'engine' | 'process'
  /** Supported values of a group's `order`. */
  readonly order: readonly Order[]
  /** True when a topic is created by its first use. */
  readonly createsTopics: boolean
  readonly defaultPartitions: number
  readonly limits: {
    /** Encoded body, bytes. */
    readonly bodyBytes: number
    /** All header names and values together, bytes of UTF-8. */
    readonly headerBytes: number
    /** Key, bytes of UTF-8. */
    readonly keyBytes: number
    /** Characters of a topic's or group's name. */
    readonly nameCharacters: number
  }
}

export type Order = 'key' | 'none'

export interface TopicOptions {
  /** 1–1024; immutable. Default: the engine's. */
  readonly partitions?: number | undefined
  /** Keep handled messages at least so long, milliseconds. Default 0: until every group has handled them. */
  readonly retentionMs?: number | undefined
  /** Refuse further sends to this topic beyond so many bytes. Default: no limit. */
  readonly maxBytes?: number | undefined
}

export interface GroupOptions {
  /** Immutable. Default 'key'. */
  readonly order?: Order | undefined
}

export interface TopicInfo {
  readonly topic: string
  readonly partitions: number
  readonly retentionMs: number
  readonly maxBytes: number | null
  readonly createdAtMs: number
  /** Messages stored, handled ones that are still kept included. */
  readonly messages: number
  readonly bytes: number
  readonly groups: readonly string[]
}

export interface GroupInfo {
  readonly topic: string
  readonly group: string
  readonly order: Order
  readonly createdAtMs: number
  /** Messages not handled yet, in flight and held ones included. */
  readonly lag: number
  readonly inFlight: number
  /** Messages that wait for their next attempt. */
  readonly retrying: number
  readonly dead: number
  readonly partitions: readonly GroupPartitionInfo[]
}

export interface GroupPartitionInfo {
  readonly partition: number
  /** Everything below is settled for this group. */
  readonly floor: number
  /** The offset the next message sent will get. */
  readonly end: number
  readonly lag: number
  readonly retrying: number
}

export interface EngineHealth {
  readonly state: 'ready' | 'degraded' | 'failed'
  readonly reasons: readonly string[]
}

/** One message on its way in. The engine calls exactly one of the three outcomes, once, never during `send`. */
export interface Outgoing {
  readonly topic: string
  readonly key: string | null
  /** The caller's id; null when Holdfast's own `<epoch>-<counter>` is the id. */
  readonly id: string | null
  /** Counts the messages of the producer from 1, whatever their topic. */
  readonly counter: number
  readonly headers: Headers | null
  readonly body: string | Uint8Array
  /** How the body was encoded: see core/codec. */
  readonly codec: number
  readonly sentAtMs: number
  /** Upper bound of its size in the engine, bytes: what windows count. */
  readonly bytes: number
  /** Durable as the engine's `durability` says. */
  confirmed(partition: number, offset: number | undefined): void
  /** Not stored, and never will be. */
  refused(error: HoldfastError): void
  /**
   * Nobody knows yet. `resolution` settles when the engine finds out (true: stored, at that place; false: proved
   * absent); null when it never will.
   */
  unknown(error: HoldfastError, resolution: Promise<Placement | null> | null): void
}

export interface Placement {
  readonly partition: number
  readonly offset: number | undefined
}

export interface EngineProducer {
  /** What a confirmation of this engine proves today. */
  readonly durability: Durability
  /**
   * Takes the whole batch, in order; the array is not kept. Messages of one key keep their order. Numbers (stamps) are given
   * here, after all local checks, when the partition is known.
   */
  send(batch: readonly Outgoing[]): void
  /** Resolves when every message taken has its outcome and the epoch's end is recorded. */
  close(): Promise<void>
}

export interface SubscribeOptions {
  readonly topic: string
  readonly group: string
  readonly order: Order
  /** For the dispatch window: how many messages are about to be in hand at once. */
  readonly prefetch: number
}

export interface DeliverySink {
  /** In order per partition. The array is the callee's. Never more than was requested. */
  deliver(deliveries: Delivery[]): void
  /** The store behind the subscription failed for good; no delivery follows. */
  failed(error: HoldfastError): void
}

/** A message in the hands of a consumer until it is settled by ack or deadLetter. */
export interface Delivery {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly id: string
  readonly key: string | null
  readonly headers: Headers
  readonly body: string | Uint8Array
  readonly codec: number
  readonly sentAtMs: number
  /** Body, key and headers, bytes: what `request` counts. */
  readonly bytes: number
  /** Attempts that failed before this delivery. */
  readonly failures: number
  /**
   * Wall time before which the handler must not run again (a backoff that outlived a restart); 0: at once. Never further away than the
   * wait that was asked for, wherever the clock went meanwhile.
   */
  readonly notBeforeMs: number
  /** Wall time of the first failed attempt; 0: none. */
  readonly firstFailureMs: number
  readonly mayBeDuplicate: boolean
  readonly afterGap: boolean
  /** Grows whenever the partition changes hands; null where the engine has none. */
  readonly fence: number | null
}

/** One failed attempt, to be remembered durably. */
export interface Failure {
  /** Failed attempts so far, this one included (or not, where it does not count). */
  readonly failures: number
  /** Wait so long before the next attempt. */
  readonly delayMs: number
  readonly firstFailureMs: number
  /** A hash that groups equal failures. */
  readonly fingerprint: number
}

/** Why and how a message died. */
export interface Death {
  readonly reason: string
  /** Cut to 4 KiB. */
  readonly stack: string
  /** Attempts in all. */
  readonly attempts: number
  readonly firstFailureMs: number
  readonly lastFailureMs: number
}

export interface Subscription {
  /** Allows so many more messages and bytes to be delivered. A message may exceed the bytes left; then none follows. */
  request(messages: number, bytes: number): void
  /** The message was handled. Idempotent. */
  ack(delivery: Delivery): void
  /**
   * The attempt failed. With order 'key' the consumer keeps the delivery and tries again in place; the engine remembers
   * attempts and due time. With 'none' the engine takes it back and delivers it again after the delay.
   */
  retry(delivery: Delivery, failure: Failure): void
  /** Stores the dead letter, then settles the delivery: never the other way round. Idempotent. */
  deadLetter(delivery: Delivery, death: Death): void
  /** The handler needs longer: keeps the lease, where the engine has one. */
  extend(delivery: Delivery, ms: number): void
  /** Stops and restarts deliveries of one partition; what was delivered stays with the consumer. */
  pausePartition(partition: number): void
  resumePartition(partition: number): void
  /** Resolves when every settlement called before is durable; rejects when that cannot be. */
  flush(): Promise<void>
  /** Ends deliveries and gives unsettled ones back. Flushes first. */
  close(): Promise<void>
}

/** A dead letter as stored: the original message and how it died. */
export interface DeadLetterRecord extends Death {
  /** Same message, same group: same id, however often the crash comes between. */
  readonly deadLetterId: string
  readonly topic: string
  readonly group: string
  /** The original message's. */
  readonly id: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly headers: Headers
  readonly body: string | Uint8Array
  readonly codec: number
  readonly sentAtMs: number
}
