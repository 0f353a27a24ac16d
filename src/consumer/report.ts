import type { Clock } from '../core/clock.ts'
import { channels, type DeliveryEvent, publish } from '../core/diagnostics.ts'
import type { Delivery } from '../core/engine.ts'
import type { Logger } from '../core/logger.ts'
import type { Attempt } from './context.ts'
import type { Lane, Work } from './lane.ts'
import type { Description } from './verdict.ts'

/** The events of a consumer, by name. */
export interface ConsumerEvents {
  /** Deliveries of a partition stopped. */
  paused: [{ readonly partition: number; readonly reason: 'max_held' }]
  /** Deliveries of the partition go on. */
  resumed: [{ readonly partition: number }]
  /** A handler passed its deadline and has not settled: its key waits until it does. */
  stuck: [{ readonly topic: string; readonly key: string | null; readonly id: string }]
}

export type Emit = <Name extends keyof ConsumerEvents>(name: Name, ...args: ConsumerEvents[Name]) => void

/** In an outage everything fails: people need one line of it, not all. */
const warningIntervalMs = 1000

/** Tells operators what happens to messages: diagnostics, log lines, events. */
export class Report {
  private readonly topic: string
  private readonly group: string
  private readonly clock: Clock
  private readonly log: Logger
  private readonly emit: Emit
  private nextWarningMs = Number.NEGATIVE_INFINITY
  private suppressed = 0

  constructor(topic: string, group: string, clock: Clock, logger: Logger, emit: Emit) {
    this.topic = topic
    this.group = group
    this.clock = clock
    this.log = logger
    this.emit = emit
  }

  delivered(attempt: Attempt): void {
    if (!channels.delivered.hasSubscribers) return
    channels.delivered.publish(this.event(attempt.work.delivery, attempt.attempt))
  }

  handled(attempt: Attempt): void {
    if (!channels.handled.hasSubscribers) return
    const durationMs = this.clock.monotonic() - attempt.startedMs
    channels.handled.publish({ ...this.event(attempt.work.delivery, attempt.attempt), durationMs })
  }

  failed(attempt: Attempt, error: unknown, { reason }: Description, delayMs: number): void {
    const event = this.event(attempt.work.delivery, attempt.attempt)
    publish('failed', { ...event, error, delayMs })
    const now = this.clock.monotonic()
    if (now < this.nextWarningMs) {
      this.suppressed++
      this.log.debug({ ...event, reason, delayMs }, 'a handler failed, another attempt follows')
      return
    }
    const { suppressed } = this
    this.nextWarningMs = now + warningIntervalMs
    this.suppressed = 0
    const fields =
      suppressed === 0 ? { ...event, reason, delayMs } : { ...event, reason, delayMs, suppressed }
    this.log.warn(fields, 'a handler failed, another attempt follows')
  }

  held(lane: Lane): void {
    if (!channels.held.hasSubscribers || lane.head === null) return
    const { partition } = lane.head.delivery
    let messages = 0
    for (let work: Work | null = lane.head; work !== null; work = work.next) messages++
    channels.held.publish({ topic: this.topic, group: this.group, partition, key: lane.key, messages })
  }

  dead(work: Work, { reason }: Description): void {
    const event = this.event(work.delivery, work.failures)
    publish('dead', { ...event, reason })
    this.log.warn({ ...event, reason }, 'a message became a dead letter')
  }

  stuck(attempt: Attempt): void {
    const { topic, key, id } = attempt.work.delivery
    this.log.warn(
      this.event(attempt.work.delivery, attempt.attempt),
      'a handler passed its deadline; its key waits until it settles',
    )
    this.emit('stuck', { topic, key, id })
  }

  paused(partition: number): void {
    const { topic, group } = this
    publish('paused', { topic, group, partition, reason: 'max_held' })
    this.log.warn({ topic, group, partition }, 'a partition pauses: more than maxHeld waits for retries')
    this.emit('paused', { partition, reason: 'max_held' })
  }

  resumed(partition: number): void {
    const { topic, group } = this
    publish('resumed', { topic, group, partition, reason: 'max_held' })
    this.log.info({ topic, group, partition }, 'a partition goes on')
    this.emit('resumed', { partition })
  }

  /** A logger that names the message in every line. */
  logger(attempt: Attempt): Logger {
    const { log } = this
    const about = { ...this.event(attempt.work.delivery, attempt.attempt), key: attempt.work.delivery.key }
    return {
      debug: (fields, message) => log.debug({ ...about, ...fields }, message),
      info: (fields, message) => log.info({ ...about, ...fields }, message),
      warn: (fields, message) => log.warn({ ...about, ...fields }, message),
      error: (fields, message) => log.error({ ...about, ...fields }, message),
    }
  }

  private event(delivery: Delivery, attempt: number): DeliveryEvent {
    const { topic, partition, offset, id } = delivery
    return { topic, group: this.group, partition, offset, messageId: id, attempt }
  }
}
