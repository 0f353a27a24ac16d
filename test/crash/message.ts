import type { Outgoing, Placement } from '../../src/core/engine.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import type { Headers } from '../../src/core/message.ts'
import type { TopicModel } from './topic-model.ts'

/** 'open' until the engine or the death of the process decides. */
export type SendState = 'open' | 'confirmed' | 'refused' | 'unknown'

/** A message handed to `send`, and what is known of it. */
export class ModelMessage implements Outgoing {
  readonly model: TopicModel
  readonly number: number
  readonly producer: number
  readonly topic: string
  readonly key: string | null
  readonly id: string | null
  /** What deliveries carry. */
  readonly fullId: string
  readonly counter: number
  readonly headers: Headers | null
  readonly body: string | Uint8Array
  readonly codec: number
  readonly sentAtMs: number
  readonly bytes: number
  /** Which process sent it: what a dead one still says does not count. */
  readonly boot: number
  state: SendState = 'open'
  /** Its place, as soon as anybody heard of it. */
  partition = -1
  offset = -1

  constructor(
    model: TopicModel,
    fields: Omit<Outgoing, 'topic' | 'bytes' | 'confirmed' | 'refused' | 'unknown'> & {
      number: number
      producer: number
      epochText: string
      boot: number
    },
  ) {
    this.model = model
    this.number = fields.number
    this.producer = fields.producer
    this.topic = model.name
    this.key = fields.key
    this.id = fields.id
    this.fullId = fields.id ?? `${fields.epochText}-${fields.counter}`
    this.counter = fields.counter
    this.headers = fields.headers
    this.body = fields.body
    this.codec = fields.codec
    this.sentAtMs = fields.sentAtMs
    this.bytes = 200 + fields.body.length * 3
    this.boot = fields.boot
  }

  confirmed(partition: number, offset: number | undefined): void {
    this.model.world.confirmed(this, partition, offset)
  }

  refused(error: HoldfastError): void {
    this.model.world.refused(this, error)
  }

  unknown(_error: HoldfastError, resolution: Promise<Placement | null> | null): void {
    this.model.world.unknown(this, resolution)
  }

  describe(): string {
    const place = this.offset < 0 ? 'nowhere known' : `${this.partition}@${this.offset}`
    return `message ${this.number} (${this.fullId}, ${this.state}, ${this.topic} ${place}, sent by process ${this.boot})`
  }
}
