/** Messages on their way out: as kept in memory or read back, and as handed to a consumer. */
import type { Delivery, Outgoing } from '../../core/engine.ts'
import { messageId } from '../../core/id.ts'
import type { Headers } from '../../core/message.ts'
import type { MessageRecord } from '../../log/record.ts'
import type { Tail } from './message-cache.ts'
import type { FailureState } from './records.ts'

const noHeaders: Headers = Object.freeze({})

/** A stored message, from the sender's hands or from the log. Ids are built when somebody looks. */
export class StoredMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly body: string | Uint8Array
  readonly codec: number
  readonly sentAtMs: number
  /** Body, key and headers, bytes; an upper bound for what comes from a sender. */
  readonly bytes: number
  readonly #callersId: string | null
  readonly #epoch: string
  readonly #counter: number
  readonly headers: Headers
  // Its place in the message cache: there is one of them for each message under way, so it carries its own links.
  older: StoredMessage | null = null
  newer: StoredMessage | null = null
  tail: Tail | null = null

  private constructor(
    place: { topic: string; partition: number; offset: number },
    identity: { id: string | null; epoch: string; counter: number },
    content: {
      key: string | null
      headers: Headers
      body: string | Uint8Array
      codec: number
      sentAtMs: number
      bytes: number
    },
  ) {
    this.topic = place.topic
    this.partition = place.partition
    this.offset = place.offset
    this.key = content.key
    this.body = content.body
    this.codec = content.codec
    this.sentAtMs = content.sentAtMs
    this.bytes = content.bytes
    this.#callersId = identity.id
    this.#epoch = identity.epoch
    this.#counter = identity.counter
    this.headers = content.headers
  }

  static sent(message: Outgoing, epoch: string, partition: number, offset: number): StoredMessage {
    const { topic, id, counter, key, codec, sentAtMs, bytes } = message
    // The sender may reuse its bytes once the message is confirmed.
    const body = typeof message.body === 'string' ? message.body : message.body.slice()
    return new StoredMessage(
      { topic, partition, offset },
      { id, epoch, counter },
      { key, headers: message.headers ?? noHeaders, body, codec, sentAtMs, bytes },
    )
  }

  static read(record: MessageRecord, topic: string, epoch: string): StoredMessage {
    const codec = record.codec
    const key = record.key
    const headers = record.headers
    return new StoredMessage(
      { topic, partition: record.partition, offset: record.offset },
      { id: record.id, epoch, counter: record.counter },
      {
        key,
        headers: headers ?? noHeaders,
        body: codec === 0 ? record.body : record.bodyText,
        codec,
        sentAtMs: record.sentAtMs,
        bytes: record.bodyBytes + record.headerBytes + (key === null ? 0 : key.length),
      },
    )
  }

  get id(): string {
    return this.#callersId ?? messageId(this.#epoch, this.#counter)
  }
}

/** A message in the hands of a consumer of one group. */
export class EmbeddedDelivery implements Delivery {
  readonly message: StoredMessage
  readonly failures: number
  readonly notBeforeMs: number
  readonly firstFailureMs: number
  readonly mayBeDuplicate: boolean
  readonly afterGap = false
  readonly fence: number
  /** Acknowledged or dead: what its holder says again changes nothing. */
  isSettled = false

  constructor(
    message: StoredMessage,
    failure: FailureState | undefined,
    mayBeDuplicate: boolean,
    fence: number,
    nowMs: number,
  ) {
    this.message = message
    this.failures = failure?.failures ?? 0
    // A wall clock that stepped back must not make the wait longer than it was.
    this.notBeforeMs = failure === undefined ? 0 : Math.min(failure.dueAtMs, nowMs + failure.delayMs)
    this.firstFailureMs = failure?.firstFailureMs ?? 0
    this.mayBeDuplicate = mayBeDuplicate || failure !== undefined
    this.fence = fence
  }

  get topic(): string {
    return this.message.topic
  }
  get partition(): number {
    return this.message.partition
  }
  get offset(): number {
    return this.message.offset
  }
  get id(): string {
    return this.message.id
  }
  get key(): string | null {
    return this.message.key
  }
  get headers(): Headers {
    return this.message.headers
  }
  get body(): string | Uint8Array {
    return this.message.body
  }
  get codec(): number {
    return this.message.codec
  }
  get sentAtMs(): number {
    return this.message.sentAtMs
  }
  get bytes(): number {
    return this.message.bytes
  }
}
