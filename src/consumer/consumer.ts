import { EventEmitter } from 'node:events'
import type { Clock, Timer } from '../core/clock.ts'
import type { Capabilities, Delivery, DeliverySink, SubscribeOptions, Subscription } from '../core/engine.ts'
import { HoldfastError, isHoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { Dispatcher, type Handler } from './dispatcher.ts'
import { type ConsumeOptions, type ConsumerSettings, consumerSettings } from './options.ts'
import { type ConsumerEvents, Report } from './report.ts'

export interface CloseReport {
  /** Messages whose handler resolved, since the start. */
  readonly handled: number
  /** Handlers still running at the deadline; their messages are not acknowledged and will be delivered again. */
  readonly unfinished: number
  /** Sends without an outcome: a consumer has none. */
  readonly unconfirmed: number
}

export interface CloseOptions {
  /** How long running handlers may take to finish, milliseconds. Default 30,000. */
  readonly timeoutMs?: number | undefined
}

const closeTimeoutMs = 30_000

/** What a consumer stands on. */
export interface ConsumerParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly capabilities: Pick<Capabilities, 'order'>
  readonly subscribe: (options: SubscribeOptions, sink: DeliverySink) => Promise<Subscription>
  /**
   * The body as handlers get it, made anew by each call. What it throws or rejects with makes the message a dead
   * letter.
   */
  readonly decode: (delivery: Delivery) => unknown
}

/**
 * Subscribes and starts handling. The first handler is called after the promise resolved and one macrotask passed.
 *
 * @throws HoldfastError `invalid_option`, `invalid_name`, `unsupported`; `aborted` when `signal` already is; whatever the
 * engine's `subscribe` rejects with.
 */
export async function startConsumer(
  parts: ConsumerParts,
  options: ConsumeOptions,
  handler: Handler,
): Promise<Consumer> {
  const settings = consumerSettings(options, parts.capabilities)
  if (typeof handler !== 'function')
    throw new TypeError(`consume: the handler is no function but ${typeof handler}`)
  const { topic, group, order, prefetch, signal } = settings
  if (signal?.aborted) throw abortedError(signal)
  const sink = new LateSink()
  const subscription = await parts.subscribe({ topic, group, order, prefetch: prefetch.messages }, sink)
  if (signal?.aborted) {
    await subscription.close()
    throw abortedError(signal)
  }
  return new Consumer(parts, settings, subscription, handler, sink)
}

/** Needed to subscribe, and the consumer is made of the subscription: nothing comes before it is filled in. */
class LateSink implements DeliverySink {
  target: DeliverySink | null = null

  deliver(deliveries: Delivery[]): void {
    this.target?.deliver(deliveries)
  }

  failed(error: HoldfastError): void {
    this.target?.failed(error)
  }
}

function abortedError(signal: AbortSignal): HoldfastError {
  return new HoldfastError('aborted', 'consume: the signal is aborted', {
    outcome: 'none',
    advice: 'Nothing was started.',
    cause: signal.reason,
  })
}

/** A running subscription of a handler. It keeps the process alive until it is closed. */
export class Consumer extends EventEmitter<ConsumerEvents> {
  readonly topic: string
  readonly group: string
  /** Resolves when the consumer has ended: after `close`, or with the error that ended it. Never rejects. */
  readonly closed: Promise<{ readonly error: HoldfastError | null }>
  readonly #dispatcher: Dispatcher
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #subscription: Subscription
  readonly #ended = Promise.withResolvers<{ readonly error: HoldfastError | null }>()
  readonly #signal: AbortSignal | undefined
  /** Timers of the clock keep no process alive, and an idle store may not either. */
  readonly #keepAlive = setInterval(() => {}, 2 ** 30)
  #failure: HoldfastError | null = null
  #closing: Promise<CloseReport> | null = null
  #deadline: Timer | null = null
  #deadlineMs = Number.POSITIVE_INFINITY
  readonly #pastDeadline = Promise.withResolvers<void>()

  /** @internal `startConsumer` makes consumers. */
  constructor(
    parts: ConsumerParts,
    settings: ConsumerSettings,
    subscription: Subscription,
    handler: Handler,
    sink: LateSink,
  ) {
    super()
    const { clock, random, logger, decode } = parts
    this.topic = settings.topic
    this.group = settings.group
    this.closed = this.#ended.promise
    this.#clock = clock
    this.#logger = logger
    this.#subscription = subscription
    this.#signal = settings.signal
    const report = new Report(settings.topic, settings.group, clock, logger, (name, ...args) => {
      // Later: a listener neither meets a dispatcher half way through something, nor breaks it by throwing.
      process.nextTick(() => this.emit<keyof ConsumerEvents>(name, ...args))
    })
    this.#dispatcher = new Dispatcher({
      clock,
      random,
      subscription,
      settings,
      consumer: this,
      decode,
      handler,
      report,
      broken: (error) => this.#fail(asHoldfastError(error)),
    })
    sink.target = {
      deliver: (deliveries) => this.#dispatcher.deliver(deliveries),
      failed: (error) => this.#fail(error),
    }
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#dispatcher.start()
  }

  /** No handler starts until `resume`; running ones go on. Messages already taken stay in hand. */
  pause(): void {
    this.#dispatcher.pause()
  }

  /** Ends `pause`, and what `drain` left behind; a drain under way finishes first. */
  resume(): void {
    this.#dispatcher.resume()
  }

  /**
   * Handles everything in hand, retries and their waits included, and takes nothing new. Resolves when all of it is settled
   * and the settlements are durable; `resume` goes on from there. Ends a `pause`.
   *
   * @throws HoldfastError `closed` when the consumer ends before; the store's error when settlements cannot be made durable.
   */
  async drain(): Promise<void> {
    await this.#dispatcher.drained()
    await this.#subscription.flush()
  }

  /**
   * Starts no handler any more, waits for the running ones, makes what was settled durable and gives the rest back. Handlers
   * still running at the deadline get their signal aborted, and are not waited for: their messages are not acknowledged, even
   * if they resolve later. Idempotent; a later call can only bring the deadline forward. Awaited inside a
   * handler it waits for that handler until the deadline.
   *
   * Never rejects because of the deadline.
   *
   * @throws the store's error when settlements cannot be made durable.
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    const { timeoutMs = closeTimeoutMs } = options
    if (!(timeoutMs >= 0 && timeoutMs <= 2 ** 31 - 1)) {
      throw new HoldfastError(
        'invalid_option',
        `close: timeoutMs is ${String(timeoutMs)}, allowed is 0–2147483647 ms`,
      )
    }
    this.#closing ??= this.#close()
    this.#setDeadline(timeoutMs)
    return this.#closing
  }

  async #close(): Promise<CloseReport> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#dispatcher.stop()
    await Promise.race([this.#dispatcher.whenIdle(), this.#pastDeadline.promise])
    this.#deadline?.cancel()
    const unfinished = this.#dispatcher.abandon(closedError())
    try {
      await this.#subscription.close()
    } catch (error) {
      // After a failure of the store it cannot work, and `closed` has told.
      if (this.#failure === null) {
        const failure = asHoldfastError(error)
        this.#end(failure)
        throw failure
      }
    }
    this.#end(this.#failure)
    return { handled: this.#dispatcher.handled, unfinished, unconfirmed: 0 }
  }

  #setDeadline(timeoutMs: number): void {
    const atMs = this.#clock.monotonic() + timeoutMs
    if (atMs >= this.#deadlineMs) return
    this.#deadline?.cancel()
    this.#deadlineMs = atMs
    this.#deadline = this.#clock.after(timeoutMs, this.#pastDeadline.resolve)
  }

  /** The consumer ends by itself: nothing can be settled any more. */
  #fail(error: HoldfastError): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#logger.error({ topic: this.topic, group: this.group, err: error }, 'the consumer ended')
    this.#dispatcher.abandon(error)
    this.#end(error)
    // `closed` tells; what close() adds is waiting for handlers. It does not reject after a failure.
    void this.close()
  }

  #end(error: HoldfastError | null): void {
    clearInterval(this.#keepAlive)
    this.#ended.resolve({ error })
  }

  readonly #onAbort = (): void => {
    // `closed` tells of an error too.
    this.close().catch(() => {})
  }
}

function closedError(): HoldfastError {
  return new HoldfastError('closed', 'the consumer was closed before the handler was done', {
    outcome: 'none',
    advice: 'Stop; the message is not acknowledged and will be delivered again.',
  })
}

function asHoldfastError(error: unknown): HoldfastError {
  if (isHoldfastError(error)) return error
  return new HoldfastError('internal', 'the engine failed in a way it should not', { cause: error })
}
