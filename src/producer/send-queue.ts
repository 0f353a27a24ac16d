import type { Clock, Timer } from '../core/clock.ts'
import { channels } from '../core/diagnostics.ts'
import type { EngineProducer, Placement } from '../core/engine.ts'
import type { HoldfastError } from '../core/errors.ts'
import { messageId } from '../core/id.ts'
import type { Receipt } from '../core/message.ts'
import { aboutSend, engineThrew, notSent, provedAbsent, type StopReason, stillPending } from './errors.ts'
import { LateOutcome } from './late-outcome.ts'
import type { PendingSend, SendOwner } from './pending-send.ts'
import { SendList } from './send-list.ts'

export interface Bound {
  readonly messages: number
  readonly bytes: number
}

/** Gives messages as room appears. */
export interface SendSource {
  /** Adds what it may; true when it has nothing more to give. */
  fill(): boolean
  /** Nothing more will be taken: the producer was closed. Returns how many were left. */
  cancel(): number
}

export interface SendQueueOptions {
  readonly engine: EngineProducer
  readonly engineKind: string
  readonly epoch: string
  readonly clock: Clock
  readonly sendTimeoutMs: number
  readonly window: Bound
  readonly maxPending: Bound
  /** A message whose caller was already told "unknown" turned out not to be stored, or will never be known. */
  readonly onLateFailure: (error: HoldfastError) => void
}

/**
 * Everything between a call of `send` and its outcome: the order, the window, the deadlines. All sends of a tick go to
 * the engine in one batch, at the end of the tick.
 */
export class SendQueue implements SendOwner {
  private readonly options: SendQueueOptions
  private readonly list = new SendList()
  private readonly sources: SendSource[] = []
  /** Pending sends with a caller's id, by topic and id. */
  private readonly byId = new Map<string, PendingSend>()
  private scheduled = false
  private timer: Timer | null = null
  private readonly flushBound = (): void => this.flush()
  private readonly sweepBound = (): void => this.sweep()
  /** Handed to the engine, without outcome. */
  private windowMessages = 0
  private windowBytes = 0
  /** Waiting or handed: what `maxPending` bounds. */
  private pendingMessages = 0
  private pendingBytes = 0
  /** Engine's resolutions that are awaited. */
  private unresolved = 0
  private whenIdle: PromiseWithResolvers<void> | null = null

  constructor(options: SendQueueOptions) {
    this.options = options
  }

  /** Messages without a known outcome. */
  get unconfirmed(): number {
    return this.pendingMessages + this.unresolved
  }

  /** Sends of this tick wait for its end. */
  get gathering(): boolean {
    return this.scheduled
  }

  /** Whether a send of this size is accepted. One larger than the whole bound is accepted alone. */
  hasRoom(bytes: number): boolean {
    const { messages: maxMessages, bytes: maxBytes } = this.options.maxPending
    if (this.pendingMessages === 0) return true
    return this.pendingMessages < maxMessages && this.pendingBytes + bytes <= maxBytes
  }

  /** The pending send with this id. */
  find(topic: string, id: string): PendingSend | undefined {
    return this.byId.get(idKey(topic, id))
  }

  add(send: PendingSend): void {
    this.enlist(send)
    if (send.id !== null) this.byId.set(idKey(send.topic, send.id), send)
    this.schedule()
  }

  /** `send` is a repetition of `pending`: it gets the same answer. */
  join(send: PendingSend, pending: PendingSend): void {
    send.stage = 'joined'
    this.enlist(send)
    pending.joiners ??= []
    pending.joiners.push(send)
  }

  /** Takes messages from `source` as room appears, after the sources added before it. */
  addSource(source: SendSource): void {
    this.sources.push(source)
    this.schedule()
  }

  /** Resolves when every message has its outcome and every source is empty. */
  idle(): Promise<void> {
    if (this.isIdle()) return Promise.resolve()
    this.whenIdle ??= Promise.withResolvers<void>()
    return this.whenIdle.promise
  }

  /** Keeps a place for a message that cannot be added yet; to be given back before it is. */
  reserve(bytes: number): void {
    this.pendingMessages++
    this.pendingBytes += bytes
  }

  unreserve(bytes: number): void {
    this.pendingMessages--
    this.pendingBytes -= bytes
    this.schedule()
  }

  /** Nobody waits any longer: what was not handed over is refused, the rest is unknown. Returns how many that were. */
  abandon(): number {
    let left = this.unconfirmed
    for (const source of this.sources.splice(0)) left += source.cancel()
    for (let send = this.list.first; send !== null; send = this.list.first) {
      if (send.stage === 'waiting') this.refused(send, notSent('closed'))
      else this.doubt(send, stillPending('closed'))
    }
    this.timer?.cancel()
    this.timer = null
    return left
  }

  confirmed(send: PendingSend, partition: number, offset: number | undefined): void {
    if (!this.conclude(send)) return
    const receipt = this.receipt(send, partition, offset)
    if (channels.confirmed.hasSubscribers) this.publishConfirmed(send, receipt)
    this.resolve(send, receipt)
    if (send.joiners !== null) {
      for (const joiner of send.joiners) {
        this.uncount(joiner)
        this.resolve(joiner, { ...receipt, duplicate: true })
      }
    }
    this.proceed()
  }

  refused(send: PendingSend, error: HoldfastError): void {
    if (this.conclude(send)) this.fail(send, error, 'failed')
  }

  unknown(send: PendingSend, error: HoldfastError, resolution: Promise<Placement | null> | null): void {
    if (send.stage === 'unresolved' || send.stage === 'over') return
    if (resolution === null) {
      this.conclude(send)
      this.fail(send, error, 'unknown')
      return
    }
    this.uncount(send)
    send.stage = 'unresolved'
    this.unresolved++
    this.publishFailure('unknown', send, error)
    this.doubt(send, error)
    if (send.joiners !== null) {
      for (const joiner of send.joiners) {
        this.uncount(joiner)
        this.doubt(joiner, error)
      }
    }
    resolution.then(
      (placement) => {
        if (placement === null) this.refused(send, provedAbsent(error))
        else this.confirmed(send, placement.partition, placement.offset)
      },
      () => {
        if (this.conclude(send)) this.fail(send, error, 'unknown')
      },
    )
    this.proceed()
  }

  aborted(send: PendingSend): void {
    this.stopWaiting(send, 'aborted')
  }

  private enlist(send: PendingSend): void {
    this.list.append(send)
    this.pendingMessages++
    this.pendingBytes += send.bytes
    send.signal?.addEventListener('abort', send)
    this.timer ??= this.options.clock.after(this.options.sendTimeoutMs, this.sweepBound)
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    // After the whole cascade of microtasks: a thousand resolved senders that send again make one batch.
    process.nextTick(this.flushBound)
  }

  private flush(): void {
    this.scheduled = false
    while (this.sources.length > 0 && this.sources[0].fill()) this.sources.shift()
    const batch: PendingSend[] = []
    let send = this.list.firstWaiting
    while (send !== null && (send.stage !== 'waiting' || this.windowTakes(send.bytes))) {
      const next: PendingSend | null = send.next
      if (send.stage === 'waiting') {
        send.stage = 'handed'
        this.windowMessages++
        this.windowBytes += send.bytes
        batch.push(send)
      }
      // Its place in the order is no longer needed; only callers who wait have a deadline.
      if (!send.waits) this.list.remove(send)
      send = next
    }
    this.list.firstWaiting = send
    if (batch.length > 0) this.hand(batch)
    this.proceedToIdle()
  }

  private hand(batch: PendingSend[]): void {
    if (channels.sent.hasSubscribers) {
      for (const send of batch) channels.sent.publish({ topic: send.topic, messageId: this.idOf(send) })
    }
    try {
      this.options.engine.send(batch)
    } catch (cause) {
      // The engine broke its contract: what it took nobody can tell.
      for (const send of batch) this.unknown(send, engineThrew(cause), null)
    }
  }

  private windowTakes(bytes: number): boolean {
    const { messages: maxMessages, bytes: maxBytes } = this.options.window
    if (this.windowMessages === 0) return true
    return this.windowMessages < maxMessages && this.windowBytes + bytes <= maxBytes
  }

  private sweep(): void {
    this.timer = null
    const now = this.options.clock.monotonic()
    let send = this.list.first
    while (send !== null && send.deadlineMs <= now) {
      const next: PendingSend | null = send.next
      this.stopWaiting(send, 'timed_out')
      send = next
    }
    if (send !== null) this.timer = this.options.clock.after(send.deadlineMs - now, this.sweepBound)
  }

  /** The caller gets an answer now. The message is taken back when the engine does not have it and nobody else wants it. */
  private stopWaiting(send: PendingSend, reason: StopReason): void {
    if (!send.waits) return
    if (send.stage === 'waiting' && send.joiners === null) this.refused(send, notSent(reason))
    else this.doubt(send, stillPending(reason))
  }

  /** Tells a caller "unknown" and how to learn more. */
  private doubt(send: PendingSend, error: HoldfastError): void {
    if (!send.waits) return
    this.release(send)
    // A message that still waits keeps its place in the order.
    if (send.stage !== 'waiting') this.list.remove(send)
    const late = new LateOutcome()
    send.late = late
    send.reject(aboutSend(error, this.idOf(send), send.topic, 'unknown', () => late.settled()))
  }

  /** The message has its outcome; false when it had one before. */
  private conclude(send: PendingSend): boolean {
    if (send.stage === 'over') return false
    if (send.stage === 'unresolved') this.unresolved--
    else this.uncount(send)
    send.stage = 'over'
    if (send.id !== null) this.byId.delete(idKey(send.topic, send.id))
    return true
  }

  /** Takes a send out of window and bound. */
  private uncount(send: PendingSend): void {
    if (send.stage === 'over') return
    if (send.stage === 'handed') {
      this.windowMessages--
      this.windowBytes -= send.bytes
    }
    this.pendingMessages--
    this.pendingBytes -= send.bytes
    send.stage = 'over'
    this.list.remove(send)
  }

  private fail(send: PendingSend, error: HoldfastError, outcome: 'failed' | 'unknown'): void {
    this.publishFailure(outcome === 'failed' ? 'refused' : 'unknown', send, error)
    this.reject(send, error, outcome)
    if (send.joiners !== null) {
      for (const joiner of send.joiners) {
        this.uncount(joiner)
        this.reject(joiner, error, outcome)
      }
    }
    this.proceed()
  }

  private resolve(send: PendingSend, receipt: Receipt): void {
    if (send.waits) {
      this.release(send)
      send.resolve(receipt)
    } else send.late?.resolve(receipt)
  }

  private reject(send: PendingSend, error: HoldfastError, outcome: 'failed' | 'unknown'): void {
    const own = aboutSend(error, this.idOf(send), send.topic, outcome)
    if (send.waits) {
      this.release(send)
      send.reject(own)
    } else {
      send.late?.reject(own)
      this.options.onLateFailure(own)
    }
  }

  private publishConfirmed(send: PendingSend, { partition, offset, topic, id: messageId }: Receipt): void {
    const { clock, sendTimeoutMs } = this.options
    const durationMs = clock.monotonic() - (send.deadlineMs - sendTimeoutMs)
    channels.confirmed.publish({ topic, messageId, partition, offset, durationMs })
  }

  private publishFailure(event: 'refused' | 'unknown', send: PendingSend, error: HoldfastError): void {
    if (!channels[event].hasSubscribers) return
    channels[event].publish({ topic: send.topic, messageId: this.idOf(send), error })
  }

  private release(send: PendingSend): void {
    send.waits = false
    send.signal?.removeEventListener('abort', send)
  }

  private proceed(): void {
    if (this.list.firstWaiting !== null || this.sources.length > 0) this.schedule()
    else this.proceedToIdle()
  }

  private proceedToIdle(): void {
    if (this.whenIdle === null || !this.isIdle()) return
    this.whenIdle.resolve()
    this.whenIdle = null
  }

  private isIdle(): boolean {
    return this.unconfirmed === 0 && this.sources.length === 0
  }

  idOf(send: PendingSend): string {
    return send.id ?? messageId(this.options.epoch, send.counter)
  }

  private receipt(send: PendingSend, partition: number, offset: number | undefined): Receipt {
    const id = this.idOf(send)
    const { engineKind: engine } = this.options
    const { durability } = this.options.engine
    const { topic, sentAtMs } = send
    return offset === undefined
      ? { id, engine, topic, partition, attempts: 1, duplicate: false, sentAtMs, durability }
      : { id, engine, topic, partition, offset, attempts: 1, duplicate: false, sentAtMs, durability }
  }
}

/** Names of topics have no '/'. */
function idKey(topic: string, id: string): string {
  return `${topic}/${id}`
}
