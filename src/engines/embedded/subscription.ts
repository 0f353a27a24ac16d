/**
 * Deliveries of one group to one consumer. Each partition has a cursor; what is still in memory comes from there, the rest is
 * read in the order of the log, each frame once for all partitions.
 */
import type {
  Death,
  Delivery,
  DeliverySink,
  Failure,
  SubscribeOptions,
  Subscription,
} from '../../core/engine.ts'
import { HoldfastError, isHoldfastError } from '../../core/errors.ts'
import { type Frame, forEachRecord, RecordType } from '../../log/format.ts'
import { readFrames } from '../../log/reader.ts'
import { MessageRecord } from '../../log/record.ts'
import type { Segment } from '../../log/segment.ts'
import { Cursor } from './cursor.ts'
import { EmbeddedDelivery, StoredMessage } from './delivery.ts'
import { followDistance } from './message-cache.ts'
import { EngineRecord, u64Record } from './records.ts'
import type { GroupPartition } from './state.ts'
import type { Store } from './store.ts'

/** What the subscription needs of the engine around it; the store changes when the log is opened anew. */
export interface SubscriptionHost {
  readonly store: Store
  /** Everything settled so far is durable. */
  flush(): Promise<void>
  deadLetter(cursor: Cursor, delivery: Delivery, death: Death): void
  retry(cursor: Cursor, delivery: Delivery, failure: Failure): void
  unsubscribed(subscription: EmbeddedSubscription): void
}

export class EmbeddedSubscription implements Subscription {
  readonly options: SubscribeOptions
  readonly #host: SubscriptionHost
  readonly #sink: DeliverySink
  readonly #fence: () => number
  readonly #nowMs: () => number
  readonly cursors: Cursor[]
  #messages = 0
  #bytes = 0
  #started = false
  #closed = false
  #reading = false
  #feedScheduled = false
  /** Read from the log, in order, not handed out yet. */
  #ahead: StoredMessage[] = []
  #aheadNext = 0
  #scan: { segment: Segment; position: number } | null = null
  /** A scan from where the next message lies began, and has found nothing yet. */
  #looksAgain = false
  #turn = 0

  constructor(
    host: SubscriptionHost,
    options: SubscribeOptions,
    owned: readonly GroupPartition[],
    sink: DeliverySink,
    clock: { fence: () => number; nowMs: () => number },
  ) {
    this.#host = host
    this.options = options
    this.#sink = sink
    this.#fence = clock.fence
    this.#nowMs = clock.nowMs
    this.cursors = owned.map((own) => new Cursor(own))
  }

  get inFlight(): number {
    return this.cursors.reduce((sum, cursor) => sum + cursor.inHand, 0)
  }

  /** Whether a message just stored should be kept in memory for this group. */
  follows(partition: number, offset: number): boolean {
    return offset - this.cursors[partition]!.next < followDistance
  }

  /** Deliveries may begin. */
  start(): void {
    this.#started = true
    this.wake()
  }

  request(messages: number, bytes: number): void {
    this.#messages += messages
    this.#bytes += bytes
    this.wake()
  }

  ack(delivery: Delivery): void {
    const cursor = this.#settle(delivery)
    if (cursor === null) return
    cursor.ack(delivery.offset)
    if (cursor.isDirty) return
    cursor.isDirty = true
    this.#host.store.dirty.push(cursor)
    this.#host.store.touch()
  }

  retry(delivery: Delivery, failure: Failure): void {
    this.#host.retry(this.cursors[delivery.partition]!, delivery, failure)
  }

  deadLetter(delivery: Delivery, death: Death): void {
    const cursor = this.#settle(delivery)
    if (cursor !== null) this.#host.deadLetter(cursor, delivery, death)
  }

  /** The cursor to tell; null when the delivery came to rest before. */
  #settle(delivery: Delivery): Cursor | null {
    const own = delivery as EmbeddedDelivery
    if (own.isSettled) return null
    own.isSettled = true
    const cursor = this.cursors[own.partition]!
    cursor.inHand--
    return cursor
  }

  /** Nothing to keep alive: the process that holds the directory holds all its deliveries. */
  extend(): void {}

  pausePartition(partition: number): void {
    const cursor = this.cursors[partition]!
    cursor.paused = true
    cursor.covered = false
  }

  resumePartition(partition: number): void {
    this.cursors[partition]!.paused = false
    this.wake()
  }

  flush(): Promise<void> {
    return this.#host.flush()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      // A failed log may stay so: whoever closes learns now that what was settled may not be durable.
      const failure = this.#host.store.log.error
      if (failure !== null) throw failure
      for (const cursor of this.cursors) this.#closeWindow(cursor)
      await this.#host.flush()
    } finally {
      this.#host.unsubscribed(this)
    }
  }

  /** After an orderly end only what was handed out and not settled is suspect, now or by a consumer before. */
  #closeWindow(cursor: Cursor): void {
    const { own } = cursor
    const suspects = own.suspectBelow > own.settled.floor ? own.suspectBelow : 0
    const upTo = Math.max(suspects, cursor.inHand > 0 ? cursor.next : 0)
    own.suspectBelow = Math.max(own.suspectBelow, upTo)
    if (own.window === upTo) return
    const { group, partition } = own
    const record = u64Record(EngineRecord.window, upTo, group.number, partition.number)
    if (this.#host.store.log.append([record], true)) own.window = upTo
  }

  get topic(): string {
    return this.options.topic
  }

  /** The log was opened anew. */
  rebind(owned: readonly GroupPartition[]): void {
    owned.forEach((own, i) => {
      this.cursors[i]!.rebind(own)
    })
    this.#ahead = []
    this.#aheadNext = 0
    this.#scan = null
    this.wake()
  }

  failed(error: HoldfastError): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.unsubscribed(this)
    this.#sink.failed(error)
  }

  /** New messages are durable, or there is credit again: deliver in a turn of its own, never inside the caller's. */
  wake(): void {
    if (this.#feedScheduled || this.#closed || !this.#started) return
    this.#feedScheduled = true
    queueMicrotask(() => {
      this.#feedScheduled = false
      this.#feed()
    })
  }

  #feed(): void {
    if (this.#closed || this.#host.store.isFailed) return
    const batch: Delivery[] = []
    this.#feedAhead(batch)
    const needsDisk = this.#feedCached(batch)
    if (batch.length > 0) this.#sink.deliver(batch)
    if (needsDisk && this.#messages > 0 && this.#bytes > 0 && !this.#reading) void this.#read()
  }

  #feedAhead(batch: Delivery[]): void {
    while (this.#aheadNext < this.#ahead.length && this.#messages > 0 && this.#bytes > 0) {
      const message = this.#ahead[this.#aheadNext]!
      const cursor = this.cursors[message.partition]!
      cursor.skipSettled()
      if (cursor.next === message.offset && !cursor.paused) {
        if (!cursor.mayHandOut(this.#host.store, this.options.prefetch)) {
          this.#host.store.whenWritten(() => this.wake())
          return
        }
        this.#handOut(cursor, message, batch)
      }
      this.#aheadNext++
    }
    if (this.#aheadNext === this.#ahead.length && this.#aheadNext > 0) {
      this.#ahead = []
      this.#aheadNext = 0
    }
  }

  /** Hands out what is in memory; true when a partition needs what is not. */
  #feedCached(batch: Delivery[]): boolean {
    const { store } = this.#host
    let needsDisk = false
    const count = this.cursors.length
    // Another partition comes first each time, so that one alone cannot take all the credit.
    this.#turn = (this.#turn + 1) % count
    for (let i = 0; i < count; i++) {
      const cursor = this.cursors[(this.#turn + i) % count]!
      cursor.skipSettled()
      const before = cursor.next
      while (cursor.isBehind && this.#messages > 0 && this.#bytes > 0) {
        const message = store.cache.get(cursor.own.partition, cursor.next)
        if (message === undefined) {
          needsDisk = true
          break
        }
        if (!cursor.mayHandOut(store, this.options.prefetch)) {
          store.whenWritten(() => this.wake())
          break
        }
        this.#handOut(cursor, message, batch)
        cursor.skipSettled()
      }
      if (cursor.next !== before) store.handedOut(cursor.own.partition)
    }
    return needsDisk && this.#aheadNext === this.#ahead.length
  }

  #handOut(cursor: Cursor, message: StoredMessage, batch: Delivery[]): void {
    const { own } = cursor
    const failure = own.failures.size === 0 ? undefined : own.failures.get(message.offset)
    const suspect = message.offset < own.suspectBelow
    batch.push(
      new EmbeddedDelivery(
        message,
        failure,
        suspect,
        this.#fence(),
        failure === undefined ? 0 : this.#nowMs(),
      ),
    )
    cursor.next = message.offset + 1
    cursor.inHand++
    this.#messages--
    this.#bytes -= message.bytes
  }

  async #read(): Promise<void> {
    this.#reading = true
    const { store } = this.#host
    try {
      const from = this.#readPosition()
      if (from === null) return
      const frames = await readFrames(store.log, from.segment, from.position)
      if (this.#closed || store !== this.#host.store) return
      const last = frames.at(-1)
      this.#scan = {
        segment: from.segment,
        position: last === undefined ? from.position : last.position + last.bytes.length,
      }
      this.#takeFrames(frames)
    } catch (error) {
      if (store !== this.#host.store || store.isFailed) return
      this.failed(
        isHoldfastError(error)
          ? error
          : new HoldfastError('io_failed', 'reading the log failed', { cause: error }),
      )
    } finally {
      this.#reading = false
      this.wake()
    }
  }

  /** Decodes what the cursors wait for; the rest of the frames is passed over. */
  #takeFrames(frames: readonly Frame[]): void {
    const { state } = this.#host.store
    const topic = state.topicsByName.get(this.options.topic)!
    for (const cursor of this.cursors) cursor.skipSettled()
    const next = this.cursors.map((cursor) => cursor.next)
    for (const frame of frames) {
      forEachRecord(frame.bytes, (at, _length, type) => {
        if (type !== RecordType.message || frame.bytes.readUInt32LE(at + 8) !== topic.number) return
        const record = new MessageRecord(frame.bytes, at)
        const partition = record.partition
        const cursor = this.cursors[partition]!
        // What it waits for was in memory when the scan passed, and may be gone from there before it is handed out.
        if (record.offset > next[partition]!) cursor.covered = false
        if (record.offset !== next[partition]) return
        const epoch = state.producers.get(record.producer)?.epochText ?? ''
        this.#looksAgain = false
        this.#ahead.push(StoredMessage.read(record, topic.name, epoch))
        const following = record.offset + 1
        next[partition] =
          following < cursor.settledBelow ? cursor.own.settled.nextMissing(following) : following
      })
    }
  }

  /** Where to read next: on with the scan, or from the oldest message that a partition outside it waits for. */
  #readPosition(): { segment: Segment; position: number } | null {
    const { log, cache } = this.#host.store
    // Partitions that wait for what is on the disk only.
    const behind = this.cursors.filter(
      (cursor) => cursor.isBehind && cache.get(cursor.own.partition, cursor.next) === undefined,
    )
    if (behind.length === 0) return null
    if (
      this.#scan === null ||
      !log.segments.includes(this.#scan.segment) ||
      behind.some((cursor) => !cursor.covered)
    ) {
      this.#scan = null
    }
    let oldest: { segment: Segment; position: number } | null = null
    for (const cursor of behind) {
      const place = this.#locate(cursor)
      if (oldest === null || isBefore(place, oldest)) oldest = place
    }
    // What is in memory now may lie before the scan, and be gone from memory before it is handed out.
    if (this.#scan === null)
      for (const cursor of this.cursors)
        cursor.covered = behind.includes(cursor) || !(cursor.paused || cursor.isBehind)
    else if (oldest !== null && isBefore(oldest, this.#scan)) oldest = this.#scan
    if (oldest === null) return null
    if (oldest.position < log.readableEnd(oldest.segment)) return oldest
    const following = log.segments[log.segments.indexOf(oldest.segment) + 1]
    if (following !== undefined) return { segment: following, position: this.#firstPosition(following) }
    // The scan passed it in the same way and met no other of its partition: look where it lies, once.
    if (this.#looksAgain) throw this.#missing(behind[0]!)
    this.#looksAgain = true
    for (const cursor of behind) cursor.covered = false
    return this.#readPosition()
  }

  #firstPosition(segment: Segment): number {
    let first = Number.POSITIVE_INFINITY
    for (const cursor of this.cursors) {
      const { partition } = cursor.own
      const index = segment.index.of(partition.topic.number, partition.number)
      if (index !== undefined) first = Math.min(first, index.positions[0]!)
    }
    return Number.isFinite(first) ? first : this.#host.store.log.readableEnd(segment)
  }

  #locate(cursor: Cursor): { segment: Segment; position: number } {
    const { partition } = cursor.own
    for (const segment of this.#host.store.log.segments) {
      const index = segment.index.of(partition.topic.number, partition.number)
      if (index === undefined || index.last < cursor.next) continue
      if (index.first > cursor.next) break
      return { segment, position: index.positionOf(cursor.next) }
    }
    throw this.#missing(cursor)
  }

  #missing(cursor: Cursor): HoldfastError {
    const { topic, number } = cursor.own.partition
    const what = `message ${cursor.next} of ${topic.name}/${number}`
    return new HoldfastError(
      'corrupt',
      `${what} was not handled by group ${this.options.group} and is nowhere in the log`,
    )
  }
}

function isBefore(
  a: { segment: Segment; position: number },
  b: { segment: Segment; position: number },
): boolean {
  return a.segment.number < b.segment.number || (a.segment === b.segment && a.position < b.position)
}
