import { type CloseOptions, type CloseReport, type Consumer, startConsumer } from './consumer/consumer.ts'
import type { Handler } from './consumer/dispatcher.ts'
import type { ConsumeOptions } from './consumer/options.ts'
import type { Clock } from './core/clock.ts'
import { decodeBody } from './core/codec.ts'
import type { Delivery, Engine, EngineHealth } from './core/engine.ts'
import { HoldfastError } from './core/errors.ts'
import type { Logger } from './core/logger.ts'
import { defineOptions, integer } from './core/options.ts'
import type { Random } from './core/random.ts'
import { type Topic, topicName, validateBody } from './core/topic.ts'
import { within } from './core/within.ts'
import { type DeadLetterView, viewDeadLetter } from './dead-letter-view.ts'
import { openProducer } from './producer/open-producer.ts'
import type { ProducerOptions } from './producer/options.ts'
import type { Producer } from './producer/producer.ts'
import { Groups, Topics } from './topics.ts'

/** `consume` of a typed topic. */
export interface TypedConsumeOptions<Body> extends Omit<ConsumeOptions, 'topic'> {
  readonly topic: Topic<unknown, Body>
}

/** 'degraded': it works, and somebody should look. 'failed': sends are refused; `reasons` say why. */
export type Health = EngineHealth

/** What a Holdfast stands on, besides its engine. */
export interface HoldfastParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export const closeOptions = defineOptions({
  timeoutMs: integer({
    about: 'how long handlers and pending sends may take',
    min: 0,
    max: 2 ** 31 - 1,
    unit: 'ms',
    default: 30_000,
  }),
})

/** The store itself is closed even when handlers used the whole deadline up. */
const minEngineCloseMs = 5000

/** One store, with everything opened on it. Made by `connect`. */
export class Holdfast {
  readonly topics: Topics
  readonly groups: Groups
  readonly #engine: Engine
  readonly #parts: HoldfastParts
  readonly #producers = new Set<Producer>()
  readonly #consumers = new Set<Consumer>()
  /** By consumers that are closed. */
  #handledBefore = 0
  #closing: Promise<CloseReport> | null = null

  /** @internal `connect` makes it. */
  constructor(engine: Engine, parts: HoldfastParts) {
    this.#engine = engine
    this.#parts = parts
    this.topics = new Topics(() => this.#open())
    this.groups = new Groups(() => this.#open())
  }

  /** Opens a producer. One for the whole process is usual: sends of all its users are gathered. */
  async producer(options: ProducerOptions = {}): Promise<Producer> {
    const producer = await openProducer({ ...this.#parts, engine: this.#open() }, options)
    if (this.#closing !== null) {
      await producer.close({ timeoutMs: 0 })
      throw closedError()
    }
    this.#producers.add(producer)
    void producer.closed.then(() => this.#producers.delete(producer))
    return producer
  }

  /**
   * Starts handling messages of a topic, as a member of a group. A handler that resolves acknowledges its message. One that
   * throws is retried, in place, with backoff; after `maxAttempts` the message becomes a dead letter. The handler is first
   * called after the promise resolved.
   *
   * @throws HoldfastError `invalid_option`, `invalid_name`, `group_mismatch`, `unsupported`, `closed`
   */
  consume<Body>(options: TypedConsumeOptions<Body>, handler: Handler<Body>): Promise<Consumer>
  consume(options: ConsumeOptions, handler: Handler): Promise<Consumer>
  async consume(options: ConsumeOptions | TypedConsumeOptions<unknown>, handler: Handler): Promise<Consumer> {
    const engine = this.#open()
    const topic = options?.topic
    const consumer = await startConsumer(
      {
        ...this.#parts,
        capabilities: engine.capabilities,
        subscribe: (subscribeOptions, sink) => engine.subscribe(subscribeOptions, sink),
        decode: typeof topic === 'object' ? (delivery) => validateBody(topic, decode(delivery)) : decode,
      },
      { ...options, topic: topicName(topic) },
      handler,
    )
    if (this.#closing !== null) {
      await consumer.close({ timeoutMs: 0 })
      throw closedError()
    }
    this.#consumers.add(consumer)
    void consumer.closed.then(() => this.#forget(consumer))
    return consumer
  }

  /** Dead letters of a group, oldest first. Reading does not remove them. */
  async *deadLetters(topic: string | Topic<unknown>, group: string): AsyncIterable<DeadLetterView> {
    for await (const record of this.#open().deadLetters(topicName(topic), group)) yield viewDeadLetter(record)
  }

  health(): Health {
    if (this.#closing !== null) return { state: 'failed', reasons: ['it was closed'] }
    return this.#engine.health()
  }

  /**
   * Stops handlers from starting and waits for the running ones, then for pending sends, at most `timeoutMs` (default 30 s) in
   * all; then closes the store. Never rejects because of the deadline: the report says what was left. Idempotent.
   *
   * @throws HoldfastError when acknowledgements, or the end of the store, could not be made durable.
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    if (this.#closing === null) {
      const { timeoutMs } = closeOptions.parse(options, 'close')
      // The deadline's timers do not keep the process alive, and with a failed store nothing else does.
      const alive = this.#parts.clock.keepAlive()
      this.#closing = this.#close(timeoutMs).finally(() => alive.cancel())
    }
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The engine, as long as it may be used. */
  #open(): Engine {
    if (this.#closing !== null) throw closedError()
    return this.#engine
  }

  /** The consumer ended by itself. After a failure its handlers may still run: then `close` waits for them, too. */
  async #forget(consumer: Consumer): Promise<void> {
    const report = await consumer.close().catch(() => null)
    this.#consumers.delete(consumer)
    this.#handledBefore += report?.handled ?? 0
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    const { clock } = this.#parts
    const handledBefore = this.#handledBefore
    const deadline = clock.monotonic() + timeoutMs
    const left = (): number => Math.max(deadline - clock.monotonic(), 0)
    // Handlers may send until they are done, so consumers are first.
    const reports: CloseReport[] = []
    const failures: unknown[] = []
    const drained = Promise.all(
      [...this.#consumers].map((consumer) =>
        consumer.close({ timeoutMs: left() }).then(
          (report) => reports.push(report),
          (error: unknown) => failures.push(error),
        ),
      ),
    )
    // A log that fails meanwhile is waited for no longer: closing the engine ends that.
    await within(clock, left() + minEngineCloseMs, drained)
    const sent = await Promise.all(
      [...this.#producers].map((producer) => producer.close({ timeoutMs: left() })),
    )
    const ended = this.#engine.close()
    const inTime = await within(clock, Math.max(left(), minEngineCloseMs), ended)
    if (inTime) await within(clock, minEngineCloseMs, drained)
    if (failures.length > 0) throw failures[0]
    if (inTime) await ended
    else ended.catch((err: unknown) => this.#parts.logger.error({ err }, 'the store could not be closed'))
    return {
      handled: reports.reduce((sum, { handled }) => sum + handled, handledBefore),
      unfinished: reports.reduce((sum, { unfinished }) => sum + unfinished, 0),
      unconfirmed: sent.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0),
    }
  }
}

function decode(delivery: Delivery): unknown {
  return decodeBody(delivery.codec, delivery.body)
}

function closedError(): HoldfastError {
  return new HoldfastError('closed', 'the connection is closed', { outcome: 'none' })
}
