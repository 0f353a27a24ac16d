/**
 * One opening of the log together with the state read from it. When the log fails, the store is dead as a whole and the
 * engine opens another; what was under way is handed over as data.
 */
import type { Outgoing } from '../../core/engine.ts'
import type { HoldfastError } from '../../core/errors.ts'
import type { LogHost } from '../../log/host.ts'
import type { Log } from '../../log/log.ts'
import type { Cursor } from './cursor.ts'
import { StoredMessage } from './delivery.ts'
import { MessageCache } from './message-cache.ts'
import { PendingMessages } from './pending-messages.ts'
import type { EmbeddedProducer } from './producer.ts'
import { engineRecordTypes } from './records.ts'
import { type Partition, State } from './state.ts'
import type { EmbeddedSubscription } from './subscription.ts'

/** What the engine is told. */
export interface StoreEvents {
  failed(store: Store, error: HoldfastError): void
  /** There is room in the log again. */
  drained(): void
  /** Something came to rest: segments may have become free. */
  cameToRest(): void
}

/** A settlement appended and not yet durable: when the log fails it is done again. */
interface PendingSettlement {
  readonly ticket: number
  /** Whose it is; the consumer may be gone. */
  readonly cursor: Cursor
  readonly redo: () => void
}

export class Store implements LogHost {
  readonly recordTypes = engineRecordTypes
  readonly cache = new MessageCache()
  readonly #events: StoreEvents
  #state = new State()
  #log: Log | null = null
  /** Cursors with acknowledgements to collect. */
  dirty: Cursor[] = []
  /** Subscriptions by topic number. */
  readonly followers = new Map<number, EmbeddedSubscription[]>()
  settlements: PendingSettlement[] = []
  /** Numbers of this process's producers in this store's table. */
  readonly producerNumbers = new Map<EmbeddedProducer, number>()
  /** Messages appended and not yet durable. */
  readonly pending = new PendingMessages()
  #whenWritten: { ticket: number; run: () => void }[] = []

  constructor(events: StoreEvents) {
    this.#events = events
  }

  get state(): State {
    return this.#state
  }

  get log(): Log {
    if (this.#log === null) throw new Error('the log is not open yet')
    return this.#log
  }

  get isFailed(): boolean {
    return this.#log === null || this.#log.error !== null
  }

  attach(log: Log): void {
    this.#log = log
    const { segments } = log
    for (const topic of this.#state.topics.values()) {
      for (const partition of topic.partitions) partition.durable = partition.next
    }
    for (const segment of segments) {
      for (const index of segment.index.partitions.values()) {
        const topic = this.#state.topics.get(index.topic)
        if (topic === undefined) continue
        topic.storedBytes += index.bytes
        topic.storedMessages += index.messages
      }
    }
  }

  touch(): void {
    if (!this.isFailed) this.log.touch()
  }

  /** Runs when everything appended so far outlives this process. */
  whenWritten(run: () => void): void {
    this.#whenWritten.push({ ticket: this.log.ticket, run })
  }

  appended(message: Outgoing, epoch: string, partition: Partition, offset: number): void {
    this.pending.add(message, epoch, partition, offset, this.log.ticket)
  }

  /** What every follower has handed out leaves the memory. */
  handedOut(partition: Partition): void {
    let next = Number.POSITIVE_INFINITY
    for (const subscription of this.followers.get(partition.topic.number) ?? [])
      next = Math.min(next, subscription.cursors[partition.number]!.next)
    this.cache.forget(partition, next)
  }

  // --- LogHost ---

  apply(frame: Buffer, at: number, length: number, type: number): void {
    this.#state.apply(frame, at, length, type)
  }

  reset(): void {
    this.#state = new State()
  }

  needs(topic: number, partition: number, offset: number): boolean {
    return this.#state.needs(topic, partition, offset)
  }

  lostWrites(): void {
    this.#state.suspectAll()
  }

  snapshot(segment: number): Iterator<Uint8Array, void> {
    if (this.#log === null) this.#state.closeProducers(segment)
    else {
      this.#state.forgetProducers(this.#log.segments[0]!.number)
      // The segment before is sealed, and nothing may happen to it any more.
      this.#events.cameToRest()
    }
    return this.#state.snapshot()
  }

  collect(): boolean {
    if (this.dirty.length === 0) return true
    const cursors = this.dirty
    this.dirty = []
    for (const cursor of cursors) {
      cursor.isDirty = false
      if (cursor.collect(this)) continue
      cursor.isDirty = true
      this.dirty.push(cursor)
    }
    this.#events.cameToRest()
    return this.dirty.length === 0
  }

  written(ticket: number): void {
    const waiting = this.#whenWritten
    if (waiting.length === 0) return
    this.#whenWritten = waiting.filter((entry) => entry.ticket > ticket)
    for (const entry of waiting) if (entry.ticket <= ticket) entry.run()
  }

  synced(ticket: number): void {
    if (this.settlements.length > 0 && this.settlements[0]!.ticket <= ticket) {
      this.settlements = this.settlements.filter((entry) => entry.ticket > ticket)
    }
    this.pending.take(ticket, this.#confirm)
  }

  drained(): void {
    this.#events.drained()
  }

  failed(error: HoldfastError): void {
    this.#events.failed(this, error)
  }

  readonly #confirm = (message: Outgoing, epoch: string, partition: Partition, offset: number): void => {
    partition.durable = offset + 1
    const followers = this.followers.get(partition.topic.number)
    if (followers !== undefined) {
      let keep = false
      for (const subscription of followers) {
        keep ||= subscription.follows(partition.number, offset)
        subscription.wake()
      }
      if (keep) this.cache.add(partition, StoredMessage.sent(message, epoch, partition.number, offset))
    }
    message.confirmed(partition.number, offset)
  }
}
