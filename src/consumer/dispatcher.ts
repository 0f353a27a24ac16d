import type { Clock } from '../core/clock.ts'
import type { Delivery, Subscription } from '../core/engine.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import type { Random } from '../core/random.ts'
import type { Consumer } from './consumer.ts'
import { Attempt, type AttemptHost, type Context } from './context.ts'
import { Credit } from './credit.ts'
import { Gaps } from './gaps.ts'
import { HeldBudget } from './held-budget.ts'
import { HoldQueue } from './hold-queue.ts'
import { Lane, ReadyLanes, Work } from './lane.ts'
import type { ConsumerSettings } from './options.ts'
import { Places } from './places.ts'
import type { Report } from './report.ts'
import { decide } from './retry-policy.ts'
import { Turn } from './turn.ts'
import { DeadLetter, type Description, describe, verdictOf } from './verdict.ts'

/**
 * Called for each message. When it returns, or its promise resolves, the message is acknowledged; when it throws, or its
 * promise rejects, the message is tried again later.
 */
export type Handler<Body = unknown> = (message: Message<Body>, context: Context) => unknown

export interface DispatcherParts {
  readonly clock: Clock
  readonly random: Random
  readonly subscription: Subscription
  readonly settings: ConsumerSettings
  readonly consumer: Consumer
  readonly decode: (delivery: Delivery) => unknown
  readonly handler: Handler
  readonly report: Report
  /** Nothing can go on: a call into the engine threw. */
  readonly broken: (error: unknown) => void
}

/**
 * Runs handlers: messages of a key one after the other, keys side by side, at most `concurrency` at once. Holds a key
 * whose message failed in place until its next attempt.
 *
 * Every delivered message has its credit until it is settled or becomes held; what is held counts against `maxHeld` until it is
 * settled. So credit at the engine plus runnable messages here never exceed the prefetch.
 */
export class Dispatcher implements AttemptHost {
  readonly consumer: Consumer
  /** Messages whose handler resolved. */
  handled = 0
  private readonly clock: Clock
  private readonly random: Random
  private readonly subscription: Subscription
  private readonly settings: ConsumerSettings
  private readonly decode: (delivery: Delivery) => unknown
  private readonly handler: Handler
  private readonly report: Report
  private readonly broken: (error: unknown) => void

  private readonly lanes = new Map<string, Lane>()
  private readonly ready = new ReadyLanes()
  private readonly holds: HoldQueue
  private readonly held: HeldBudget
  private readonly credit: Credit
  private readonly gaps = new Gaps()
  private readonly places: Places
  private inHand = 0

  private paused = false
  private stopped = false
  /** What still runs belongs to nobody: it settles nothing any more. */
  private abandoned = false
  private unfinished = 0
  private pumping = false
  private readonly turn = new Turn(() => this.pump())
  /** Delivered while nothing new is taken. */
  private readonly parked: Delivery[] = []
  private taking = true
  private drain: { readonly settled: PromiseWithResolvers<void>; resumeAfter: boolean } | null = null
  private idle: (() => void) | null = null

  constructor(parts: DispatcherParts) {
    const { clock, settings, subscription, report } = parts
    this.clock = clock
    this.random = parts.random
    this.subscription = subscription
    this.settings = settings
    this.consumer = parts.consumer
    this.decode = parts.decode
    this.handler = parts.handler
    this.report = report
    this.broken = parts.broken
    this.credit = new Credit(settings.prefetch.messages, (messages, bytes) =>
      subscription.request(messages, bytes),
    )
    this.holds = new HoldQueue(clock, this.onDue, this.onDueDone)
    this.held = new HeldBudget(
      settings.maxHeld,
      (partition) => {
        subscription.pausePartition(partition)
        report.paused(partition)
      },
      (partition) => {
        subscription.resumePartition(partition)
        report.resumed(partition)
      },
    )
    this.places = new Places(clock, settings.concurrency, settings.handlerTimeoutMs, this.onDeadline)
  }

  /** Asks for the first messages, in the next turn of the event loop. */
  start(): void {
    this.credit.release(this.settings.prefetch.messages, this.settings.prefetch.bytes)
    this.credit.start()
  }

  deliver(deliveries: readonly Delivery[]): void {
    // Once stopped, closing the subscription gives it back.
    if (this.stopped) return
    if (!this.taking) {
      for (const delivery of deliveries) this.parked.push(delivery)
      return
    }
    for (const delivery of deliveries) this.accept(delivery)
    this.pump()
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    if (this.drain !== null) this.drain.resumeAfter = true
    else this.take()
    this.pump()
  }

  /** Resolves when nothing is in hand. What arrives from now on waits for `resume`. */
  drained(): Promise<void> {
    if (this.stopped) return Promise.reject(closedBeforeDrained())
    if (this.drain === null) {
      this.taking = false
      this.credit.stop()
      this.drain = { settled: Promise.withResolvers(), resumeAfter: false }
    }
    const { promise } = this.drain.settled
    this.paused = false
    this.pump()
    if (this.inHand === 0) this.finishDrain()
    return promise
  }

  /** No handler starts any more. */
  stop(): void {
    if (this.stopped) return
    this.stopped = true
    this.credit.stop()
    this.drain?.settled.reject(closedBeforeDrained())
    this.drain = null
  }

  /** Resolves when no handler runs. */
  whenIdle(): Promise<void> {
    if (this.places.allFree) return Promise.resolve()
    return new Promise((resolve) => {
      this.idle = resolve
    })
  }

  /** Aborts what still runs, and settles nothing from now on. Returns how many handlers end so; idempotent. */
  abandon(reason: Error): number {
    this.stop()
    if (this.abandoned) return this.unfinished
    this.abandoned = true
    this.places.close()
    this.holds.close()
    this.lanes.clear()
    this.parked.length = 0
    const running = this.places.running()
    this.unfinished = running.length
    for (const attempt of running) attempt.abort(reason)
    return running.length
  }

  logger(attempt: Attempt): Logger {
    return this.report.logger(attempt)
  }

  extend(attempt: Attempt, ms: number): void {
    attempt.deadlineMs = Math.max(attempt.deadlineMs, this.clock.monotonic() + ms)
    this.subscription.extend(attempt.work.delivery, ms)
  }

  // ---- taking ----

  private accept(delivery: Delivery): void {
    const work = new Work(delivery)
    const { notBeforeMs } = delivery
    // From here on the wall clock may step: what is left to wait is counted without it.
    if (notBeforeMs !== 0) work.notBeforeMs = this.clock.monotonic() + notBeforeMs - this.clock.now()
    this.inHand++
    const key = this.settings.order === 'key' ? delivery.key : null
    const lane = key === null ? undefined : this.lanes.get(key)
    if (lane !== undefined) {
      lane.append(work)
      if (lane.held) this.hold(lane)
      return
    }
    const fresh = new Lane(key, work)
    if (key !== null) this.lanes.set(key, fresh)
    this.offer(fresh)
  }

  private take(): void {
    if (this.taking || this.stopped) return
    this.taking = true
    for (const delivery of this.parked) this.accept(delivery)
    this.parked.length = 0
    this.credit.start()
  }

  /** The first message of a lane that does not run becomes ready, unless it has to wait since before it was delivered. */
  private offer(lane: Lane): void {
    const work = lane.head
    if (work === null) return
    if (work.notBeforeMs !== 0) {
      const waitMs = work.notBeforeMs - this.clock.monotonic()
      if (waitMs > 0) {
        this.hold(lane)
        this.holds.add(lane, waitMs)
        return
      }
    }
    this.ready.push(lane)
  }

  // ---- running ----

  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    while (this.mayStart()) {
      const place = this.places.take()
      if (place === undefined) break
      void this.serve(place)
    }
    this.pumping = false
  }

  private mayStart(): boolean {
    return !this.ready.isEmpty && !this.paused && !this.stopped && !this.turn.isOver
  }

  /** Runs one handler after the other as long as there is something to run. Never rejects. */
  private async serve(place: number): Promise<void> {
    const { handler } = this
    try {
      for (let attempt = this.begin(place); attempt !== null; attempt = this.begin(place)) {
        let decoded = false
        try {
          const pending = this.decode(attempt.work.delivery)
          const body = pending instanceof Promise ? await pending : pending
          decoded = true
          // The body may have taken its time.
          if (attempt.expired || this.stopped) {
            this.unstarted(attempt)
            continue
          }
          this.report.delivered(attempt)
          const result = handler(this.message(attempt, body), attempt)
          this.turn.ran(this.clock.monotonic() - attempt.startedMs)
          if (isThenable(result)) await result
        } catch (error) {
          this.threw(attempt, decoded ? error : invalidBody(error))
          continue
        }
        this.resolved(attempt)
      }
    } catch (error) {
      this.broken(error)
    }
    this.places.release(place)
    if (this.idle !== null && this.places.allFree) this.idle()
  }

  private begin(place: number): Attempt | null {
    if (!this.mayStart() || !this.turn.begin()) return null
    const lane = this.ready.shift()
    const work = lane?.head
    if (!lane || !work) return null
    lane.running = true
    const now = this.clock.monotonic()
    const attempt = new Attempt(this, lane, work, now, this.settings.handlerTimeoutMs)
    this.places.put(place, attempt)
    return attempt
  }

  private message(attempt: Attempt, body: unknown): Message {
    const { delivery, failures, firstFailureMs } = attempt.work
    const { key } = delivery
    return {
      id: delivery.id,
      topic: delivery.topic,
      partition: delivery.partition,
      offset: delivery.offset,
      key,
      body,
      headers: delivery.headers,
      sentAtMs: delivery.sentAtMs,
      mayBeDuplicate: delivery.mayBeDuplicate || failures > 0 || firstFailureMs !== 0,
      afterGap: delivery.afterGap || (key !== null && this.gaps.has(key)),
    }
  }

  // ---- settling ----

  private end(attempt: Attempt): void {
    attempt.over = true
    attempt.lane.running = false
  }

  /** Also after the deadline: no other attempt can have started since, so the work was done once. */
  private resolved(attempt: Attempt): void {
    const { lane, work } = attempt
    this.end(attempt)
    if (this.abandoned) return
    if (attempt.expired) {
      if (lane.head !== work) {
        this.next(lane)
        return
      }
      this.holds.remove(lane)
    }
    this.subscription.ack(work.delivery)
    this.handled++
    this.report.handled(attempt)
    this.settle(lane, work)
    this.next(lane)
  }

  private threw(attempt: Attempt, error: unknown): void {
    const { lane, work } = attempt
    if (attempt.expired) {
      this.threwLate(attempt, error)
      return
    }
    this.end(attempt)
    if (this.abandoned) return
    this.failed(attempt, error)
    if (lane.head !== work) this.next(lane)
  }

  /** The attempt was counted at its deadline; only that the message can never be handled is news. */
  private threwLate(attempt: Attempt, error: unknown): void {
    const { lane, work } = attempt
    if (lane.head !== work || this.abandoned || verdictOf(error).kind !== 'dead') {
      this.unstarted(attempt)
      return
    }
    this.end(attempt)
    this.holds.remove(lane)
    this.bury(lane, work, describe(error))
    this.next(lane)
  }

  /** An attempt ends that settles nothing: its key may go on when its wait is over. */
  private unstarted(attempt: Attempt): void {
    const { lane, work } = attempt
    this.end(attempt)
    if (this.stopped) return
    if (lane.head !== work) this.next(lane)
    else if (lane.place < 0) this.ready.push(lane)
  }

  private failed(attempt: Attempt, error: unknown): void {
    const { lane, work } = attempt
    const { delivery } = work
    const decision = decide(work, verdictOf(error), this.settings, this.clock.now(), this.random)
    const { failures, firstFailureMs, delayMs } = decision
    const description = describe(error)
    work.failures = failures
    work.firstFailureMs = firstFailureMs
    if (delayMs === null) {
      this.bury(lane, work, description)
      return
    }
    const { fingerprint } = description
    this.subscription.retry(delivery, { failures, delayMs, firstFailureMs, fingerprint })
    this.report.failed(attempt, error, description, delayMs)
    if (this.settings.order === 'none') {
      this.settle(lane, work)
      return
    }
    this.hold(lane)
    this.holds.add(lane, delayMs)
    this.report.held(lane)
  }

  private bury(lane: Lane, work: Work, error: Description): void {
    const { delivery, failures, firstFailureMs } = work
    this.subscription.deadLetter(delivery, {
      reason: error.reason,
      stack: error.stack,
      attempts: failures,
      firstFailureMs,
      lastFailureMs: this.clock.now(),
    })
    if (delivery.key !== null) this.gaps.add(delivery.key)
    this.report.dead(work, error)
    this.settle(lane, work)
  }

  private settle(lane: Lane, work: Work): void {
    const { partition, bytes } = work.delivery
    lane.shift(work)
    // First: a partition that resumes may deliver to this lane at once.
    lane.held = false
    if (work.held) this.held.remove(partition, bytes)
    else this.credit.release(1, bytes)
    this.inHand--
    if (this.inHand === 0) this.finishDrain()
  }

  /** A lane whose first message was settled, and that nothing runs in. */
  private next(lane: Lane): void {
    lane.held = false
    if (lane.head !== null) this.offer(lane)
    else if (lane.key !== null) this.lanes.delete(lane.key)
  }

  private finishDrain(): void {
    if (this.drain === null) return
    const { settled, resumeAfter } = this.drain
    this.drain = null
    settled.resolve()
    if (!resumeAfter) return
    this.take()
    this.pump()
  }

  // ---- holding ----

  /** Everything in the lane gives its credit back and counts against `maxHeld`. */
  private hold(lane: Lane): void {
    lane.held = true
    for (let work = lane.firstCredited; work !== null; work = work.next) {
      const { partition, bytes } = work.delivery
      work.held = true
      this.credit.release(1, bytes)
      this.held.add(partition, bytes)
    }
    lane.firstCredited = null
  }

  private readonly onDue = (lane: Lane): void => {
    if (!lane.running) this.ready.push(lane)
  }

  private readonly onDueDone = (): void => this.pump()

  // ---- deadlines ----

  /** The attempt counts as failed now; its key waits until the promise settles, however long that takes. */
  private readonly onDeadline = (attempt: Attempt): void => {
    const { lane, work } = attempt
    const { id, topic } = work.delivery
    const error = new HoldfastError('timed_out', 'the handler did not settle within its deadline', {
      topic,
      messageId: id,
    })
    attempt.expired = true
    this.failed(attempt, error)
    if (lane.head !== work) this.hold(lane)
    attempt.abort(error)
    this.report.stuck(attempt)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function invalidBody(error: unknown): DeadLetter {
  return new DeadLetter(`invalid_body: ${describe(error).reason}`, { cause: error })
}

function closedBeforeDrained(): HoldfastError {
  return new HoldfastError('closed', 'the consumer was closed before it was drained', {
    outcome: 'none',
    advice: 'close() waits for running handlers itself; messages not handled are delivered again.',
  })
}
