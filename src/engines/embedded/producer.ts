/** Encodes batches straight into the log's memory. Numbers and offsets are given here, after every check. */
import { hash } from 'node:crypto'
import type { EngineProducer, Outgoing } from '../../core/engine.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Durability } from '../../core/message.ts'
import { partitionFor } from '../../core/partition.ts'
import { contentHashBytes, encodeMessage, messageBound } from '../../log/record.ts'
import type { Topic } from './state.ts'
import type { Store } from './store.ts'

export interface ProducerHost {
  readonly store: Store
  /** The topic, created when it is missing and may be; null when there is no room for its record now. */
  topicFor(name: string): Topic | null
  /** The producer's number in this store's table; null when there is no room for its record now. */
  producerNumber(producer: EmbeddedProducer): number | null
  /** Why nothing can be taken now; null when it can. */
  refusal(bytes: number): HoldfastError | null
  /** Resolves when everything taken from the producer has its outcome. */
  outcomes(producer: EmbeddedProducer): Promise<void>
  producerClosed(producer: EmbeddedProducer): void
}

export class EmbeddedProducer implements EngineProducer {
  readonly epoch: Uint8Array
  readonly epochText: string
  readonly label: string
  readonly durability: Durability
  readonly #host: ProducerHost
  /** Taken, waiting for room in the log's memory. */
  #waiting: Outgoing[] = []
  #waitingHead = 0
  /** Last number given, per topic and partition. */
  readonly #numbers = new Map<string, number[]>()
  #groupTurn = 0

  constructor(host: ProducerHost, fields: { epoch: Uint8Array; label: string; durability: Durability }) {
    this.#host = host
    this.epoch = fields.epoch
    this.epochText = Buffer.from(fields.epoch).toString('base64url')
    this.label = fields.label
    this.durability = fields.durability
  }

  get hasWaiting(): boolean {
    return this.#waitingHead < this.#waiting.length
  }

  send(batch: readonly Outgoing[]): void {
    let bytes = 0
    for (const message of batch) bytes += message.bytes
    const refusal = this.#host.refusal(bytes)
    if (refusal !== null) {
      queueMicrotask(() => {
        for (const message of batch) message.refused(refusal)
      })
      return
    }
    this.#groupTurn++
    if (this.hasWaiting) {
      for (const message of batch) this.#waiting.push(message)
      return
    }
    const taken = this.#encode(batch, 0)
    if (taken < batch.length) {
      this.#waiting = batch.slice(taken)
      this.#waitingHead = 0
    }
  }

  /** There is room again. */
  drained(): void {
    if (!this.hasWaiting) return
    this.#waitingHead = this.#encode(this.#waiting, this.#waitingHead)
    if (this.hasWaiting) return
    this.#waiting = []
    this.#waitingHead = 0
  }

  /** What was never appended, when the log failed. */
  takeWaiting(): Outgoing[] {
    const waiting = this.#waiting.slice(this.#waitingHead)
    this.#waiting = []
    this.#waitingHead = 0
    return waiting
  }

  async close(): Promise<void> {
    await this.#host.outcomes(this)
    this.#host.producerClosed(this)
  }

  /** Encodes from `from` on as far as there is room; returns how far it came. */
  #encode(batch: readonly Outgoing[], from: number): number {
    const { store } = this.#host
    const { log } = store
    const producer = this.#host.producerNumber(this)
    if (producer === null) return from
    // One for the whole batch: nobody keeps it.
    const stamp = {
      topic: 0,
      partition: 0,
      offset: 0,
      number: 0,
      producer,
      flags: 0,
      contentHash: null as Uint8Array | null,
    }
    let topic: Topic | null = null
    for (let i = from; i < batch.length; i++) {
      const message = batch[i]!
      if (topic === null || topic.name !== message.topic) topic = this.#host.topicFor(message.topic)
      if (topic === null || !log.hasRoom) return i
      const { maxBytes } = topic.settings
      if (maxBytes !== null && topic.storedBytes + message.bytes > maxBytes) {
        this.#refuse(message, `topic ${topic.name} holds ${topic.storedBytes} bytes of at most ${maxBytes}`)
        continue
      }
      const frame = log.open(messageBound(message))
      if (frame === null) return i
      const partition = topic.partitions[this.#partitionOf(message.key, topic)]!
      const offset = partition.next++
      partition.sentMessages++
      stamp.topic = topic.number
      stamp.partition = partition.number
      stamp.offset = offset
      stamp.number = this.#nextNumber(topic, partition.number)
      stamp.contentHash = message.id === null ? null : contentHash(message.key, message.body)
      const length = encodeMessage(frame.slab, frame.start + frame.length, message, stamp)
      topic.storedBytes += length
      topic.storedMessages++
      log.added(frame, length, false)
      store.appended(message, this.epochText, partition, offset)
    }
    return batch.length
  }

  #partitionOf(key: string | null, topic: Topic): number {
    const count = topic.partitions.length
    return key === null ? this.#groupTurn % count : partitionFor(key, count)
  }

  #nextNumber(topic: Topic, partition: number): number {
    let numbers = this.#numbers.get(topic.name)
    if (numbers === undefined) {
      numbers = topic.partitions.map(() => 0)
      this.#numbers.set(topic.name, numbers)
    }
    const number = numbers[partition]! + 1
    numbers[partition] = number
    return number
  }

  #refuse(message: Outgoing, why: string): void {
    queueMicrotask(() => message.refused(new HoldfastError('topic_full', why, { topic: message.topic })))
  }
}

/** What tells two bodies under one caller's id apart: the first 16 bytes of SHA-256 over key and body. */
export function contentHash(key: string | null, body: string | Uint8Array): Uint8Array {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const head = Buffer.from(key === null ? '\u0000' : `\u0001${key}\u0000`)
  return hash('sha256', Buffer.concat([head, bytes]), 'buffer').subarray(0, contentHashBytes)
}
