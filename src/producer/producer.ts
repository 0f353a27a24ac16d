import type { Clock } from '../core/clock.ts'
import type { Capabilities, EngineProducer } from '../core/engine.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Receipt, SendOptions, SendResult } from '../core/message.ts'
import { checkTopicName } from '../core/names.ts'
import { type Topic, topicName, validateBody } from '../core/topic.ts'
import { within } from '../core/within.ts'
import { encodeMessage } from './encode-message.ts'
import { notSent } from './errors.ts'
import { FailureLog } from './failure-log.ts'
import { type EncodedMessage, PendingSend, type Reject, type Resolve, sameMessage } from './pending-send.ts'
import { SendAll } from './send-all.ts'
import { type Bound, SendQueue } from './send-queue.ts'

/** A message to a typed topic; its body is checked by the topic's schema. */
export interface TypedMessage<Body> extends SendOptions<NoInfer<Body>> {
  readonly topic: Topic<Body, unknown>
}

/** A message to a topic known by its name only. */
export interface PlainMessage extends SendOptions {
  readonly topic: string
}

/** What `enqueue` returns. */
export interface Enqueued {
  readonly id: string
  /** The receipt, once the engine confirmed the message. */
  settled(): Promise<Receipt>
}

export interface ProducerCloseReport {
  /** Messages whose outcome was not known when the deadline passed. */
  readonly unconfirmed: number
}

/** What a producer is made of. */
export interface ProducerParts {
  readonly label: string
  /** Of the epoch: the first part of the ids it makes. */
  readonly epoch: string
  readonly engine: EngineProducer
  readonly engineKind: string
  readonly limits: Capabilities['limits']
  readonly clock: Clock
  readonly logger: Logger
  readonly sendTimeoutMs: number
  readonly window: Bound
  readonly maxPending: Bound
}

/** Time is read once for so many messages of a tick. */
const messagesPerClockReading = 64
/** Names of topics that were checked before. */
const maxKnownTopics = 10_000
const defaultCloseTimeoutMs = 30_000

// `new Promise` calls it before it returns: one function for all promises instead of a closure for each.
let resolveLast: Resolve
let rejectLast: Reject
function takeSettlers(resolve: Resolve, reject: Reject): void {
  resolveLast = resolve
  rejectLast = reject
}

function ignore(): void {}

/**
 * Sends messages. Numbers them in its own epoch, keeps a bounded number of them under way, gathers those of one tick into
 * one batch. Made by `holdfast.producer()`.
 */
export class Producer {
  /** The name it was opened with; for people, not an identity. */
  readonly label: string
  /** Resolves when `close` is done. */
  readonly closed: Promise<void>
  private readonly parts: ProducerParts
  private readonly queue: SendQueue
  private readonly failures: FailureLog
  private readonly knownTopics = new Set<string>()
  private readonly reportFailure: Reject
  private counter = 0
  private sentAtMs = 0
  private deadlineMs = 0
  private readings = 0
  /** 'closing': what was called before goes on. */
  private state: 'open' | 'closing' | 'closed' = 'open'
  private closing: Promise<ProducerCloseReport> | null = null
  private readonly ended = Promise.withResolvers<void>()

  /** @internal */
  constructor(parts: ProducerParts) {
    this.label = parts.label
    this.parts = parts
    this.closed = this.ended.promise
    this.failures = new FailureLog(parts.logger, parts.label)
    this.reportFailure = (error) => this.failures.add(error)
    const { engine, engineKind, epoch, clock, sendTimeoutMs, window, maxPending } = parts
    this.queue = new SendQueue({
      engine,
      engineKind,
      epoch,
      clock,
      sendTimeoutMs,
      window,
      maxPending,
      onLateFailure: this.reportFailure,
    })
  }

  /**
   * Resolves when the engine confirmed the message durable. Rejects with a `HoldfastError` whose `outcome` says whether it is
   * stored: 'failed' (it is not) or 'unknown' (repeat only with the same id); with a `TypeError` for a mistake in the
   * call. Never throws. An asynchronous schema costs a few turns of the microtask queue.
   */
  send<Body>(message: TypedMessage<Body>): Promise<Receipt>
  send(message: PlainMessage): Promise<Receipt>
  send(message: AnyMessage): Promise<Receipt> {
    const promise = new Promise<Receipt>(takeSettlers)
    if (this.state === 'open') this.accept(message, resolveLast, rejectLast)
    else rejectLast(alreadyClosed())
    return promise
  }

  /**
   * Sends a list of any length, as fast as there is room, and resolves with one result for each, in their order. Not atomic: each
   * message is confirmed or fails alone. Never rejects because of a message. The messages must not change until then.
   */
  sendAll<Body>(messages: readonly TypedMessage<Body>[]): Promise<SendResult[]>
  sendAll(messages: readonly PlainMessage[]): Promise<SendResult[]>
  sendAll(messages: readonly AnyMessage[]): Promise<SendResult[]> {
    return new Promise((resolve) => {
      if (!Array.isArray(messages)) throw new TypeError('sendAll: an array of messages is needed')
      if (messages.length === 0) {
        resolve([])
        return
      }
      const { window, maxPending } = this.parts
      // Half of what may be pending stays free for others.
      const share = {
        messages: Math.ceil(Math.min(window.messages, maxPending.messages / 2)),
        bytes: Math.ceil(Math.min(window.bytes, maxPending.bytes / 2)),
      }
      const accept = (message: AnyMessage, done: Resolve, failed: Reject): number =>
        this.accept(message, done, failed)
      const source = new SendAll(messages.slice(), share, accept, resolve)
      if (this.state === 'open') this.queue.addSource(source)
      else source.cancel()
    })
  }

  /**
   * Resolves when the message is durable in the outbox, which delivers it in the background. The embedded engine is durable
   * itself: there it resolves with the confirmation. Rejects as `send` does.
   */
  enqueue<Body>(message: TypedMessage<Body>): Promise<Enqueued>
  enqueue(message: PlainMessage): Promise<Enqueued>
  async enqueue(message: AnyMessage): Promise<Enqueued> {
    const receipt = await this.send(message as PlainMessage)
    return { id: receipt.id, settled: () => Promise.resolve(receipt) }
  }

  /**
   * Takes the message into the next batch and returns at once: a crash loses it. Throws what `send` would reject with at the
   * call; a failure after it goes to the logger and to diagnostics only.
   */
  unsafeSendOneway<Body>(message: TypedMessage<Body>): { readonly id: string }
  unsafeSendOneway(message: PlainMessage): { readonly id: string }
  unsafeSendOneway(message: AnyMessage): { readonly id: string } {
    if (this.state !== 'open') throw alreadyClosed()
    const encoded = this.encode(message)
    const checked = check(message)
    if (checked instanceof Promise) {
      checked.catch(ignore)
      throw new TypeError(`topic '${encoded.topic}' has an asynchronous schema, which needs send()`)
    }
    return { id: this.queue.idOf(this.admit(encoded, ignore, this.reportFailure)) }
  }

  /**
   * Refuses further sends and waits until those called before have their outcome, at most `timeoutMs` (default 30 s): then
   * what the engine never got is rejected as failed, the rest as unknown. Idempotent; never rejects.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<ProducerCloseReport> {
    this.closing ??= this.drain(options.timeoutMs ?? defaultCloseTimeoutMs)
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(ignore)
  }

  /** Returns the bytes the message takes until it has its outcome; 0 when it was rejected at once. */
  private accept(message: AnyMessage, resolve: Resolve, reject: Reject): number {
    try {
      const encoded = this.encode(message)
      const checked = check(message)
      if (checked instanceof Promise) this.admitLater(encoded, checked, resolve, reject)
      else this.admit(encoded, resolve, reject)
      return encoded.bytes
    } catch (error) {
      reject(error as Error)
      return 0
    }
  }

  /** Throws when the message cannot be sent. */
  private encode(message: AnyMessage): EncodedMessage {
    const topic = topicName(message?.topic)
    if (!this.knownTopics.has(topic)) this.checkTopic(topic)
    return encodeMessage(topic, message, this.parts.limits)
  }

  private admitLater(
    message: EncodedMessage,
    checked: Promise<unknown>,
    resolve: Resolve,
    reject: Reject,
  ): void {
    if (!this.queue.hasRoom(message.bytes)) {
      checked.catch(ignore)
      throw tooManyPending()
    }
    this.queue.reserve(message.bytes)
    checked
      .finally(() => this.queue.unreserve(message.bytes))
      .then(() => this.admit(message, resolve, reject))
      .catch(reject)
  }

  /** Throws when the message is not accepted. */
  private admit(message: EncodedMessage, resolve: Resolve, reject: Reject): PendingSend {
    if (this.state === 'closed') throw alreadyClosed()
    if (message.signal?.aborted === true) throw notSent('aborted')
    if (!this.queue.hasRoom(message.bytes)) throw tooManyPending()
    if (message.id !== null) {
      const pending = this.queue.find(message.topic, message.id)
      if (pending !== undefined) return this.join(message, pending, resolve, reject)
    }
    this.counter++
    const send = this.pendingSend(message, this.counter, resolve, reject)
    this.queue.add(send)
    return send
  }

  private join(message: EncodedMessage, pending: PendingSend, resolve: Resolve, reject: Reject): PendingSend {
    if (!sameMessage(message, pending)) throw idConflict(message)
    const send = this.pendingSend(message, pending.counter, resolve, reject)
    this.queue.join(send, pending)
    return send
  }

  private pendingSend(
    message: EncodedMessage,
    counter: number,
    resolve: Resolve,
    reject: Reject,
  ): PendingSend {
    if (!this.queue.gathering || this.readings === 0) {
      const { clock, sendTimeoutMs } = this.parts
      this.sentAtMs = clock.now()
      this.deadlineMs = clock.monotonic() + sendTimeoutMs
      this.readings = messagesPerClockReading
    }
    this.readings--
    return new PendingSend(this.queue, message, counter, this.sentAtMs, this.deadlineMs, resolve, reject)
  }

  private checkTopic(topic: string): void {
    checkTopicName(topic)
    if (this.knownTopics.size >= maxKnownTopics) this.knownTopics.clear()
    this.knownTopics.add(topic)
  }

  private async drain(timeoutMs: number): Promise<ProducerCloseReport> {
    const { clock, engine, logger } = this.parts
    const deadline = clock.monotonic() + timeoutMs
    this.state = 'closing'
    await within(clock, timeoutMs, this.queue.idle())
    this.state = 'closed'
    const unconfirmed = this.queue.abandon()
    const closed = engine.close().catch((err: unknown) => {
      logger.warn({ producer: this.label, err }, `the end of producer '${this.label}' could not be recorded`)
    })
    await within(clock, deadline - clock.monotonic(), closed)
    this.ended.resolve()
    return { unconfirmed }
  }
}

/** What the implementation sees: JavaScript callers may give anything. */
type AnyMessage = SendOptions & { readonly topic: string | Topic<unknown, unknown> }

/** A promise where the schema is asynchronous. */
function check({ topic, body }: AnyMessage): unknown {
  return typeof topic === 'string' ? undefined : validateBody(topic, body)
}

function alreadyClosed(): HoldfastError {
  return new HoldfastError('closed', 'the producer is closed')
}

function tooManyPending(): HoldfastError {
  return new HoldfastError('too_many_pending', 'maxPending is reached: too many sends have no outcome yet')
}

function idConflict({ id, topic }: EncodedMessage): HoldfastError {
  const details = id === null ? { topic } : { topic, messageId: id }
  return new HoldfastError(
    'id_conflict',
    `id '${id}' is used in topic '${topic}' for another key or body`,
    details,
  )
}
