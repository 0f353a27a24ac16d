/** The embedded engine: topics, groups, producers and subscriptions over one log in one directory. */
import type { Timer } from '../../core/clock.ts'

import { publish } from '../../core/diagnostics.ts'
import type {
  DeadLetterRecord,
  Death,
  Delivery,
  DeliverySink,
  Engine,
  EngineHealth,
  EngineProducer,
  Failure,
  GroupInfo,
  GroupOptions,
  Order,
  SubscribeOptions,
  Subscription,
  TopicInfo,
  TopicOptions,
} from '../../core/engine.ts'
import { HoldfastError, isHoldfastError } from '../../core/errors.ts'
import type { Recovered } from '../../log/recovery.ts'
import { addTopic, groupFor, requireSameTopic } from './catalog.ts'
import { deadLetterRecord, deadTopicName, readDeadLetters } from './dead-letters.ts'
import { describeGroup, describeTopic } from './describe.ts'
import { announceUnsafe, openStore } from './directory.ts'
import { type EmbeddedOptions, embeddedCapabilities } from './options.ts'
import { EmbeddedProducer, type ProducerHost } from './producer.ts'
import { releaseSegments } from './reclaim.ts'
import {
  EngineRecord,
  failureRecord,
  producerRecord,
  SettledAs,
  settledRecord,
  u64Record,
} from './records.ts'
import type { Group, Topic } from './state.ts'
import type { Store, StoreEvents } from './store.ts'
import { type Cursor, EmbeddedSubscription, type SubscriptionHost } from './subscription.ts'

const reclaimAfterMs = 100
/** Waits between attempts to open a failed log again; the last one repeats. */
const reopenAfterMs = [0, 1000, 2000, 4000, 8000, 15_000, 30_000]

const durability = Object.freeze({
  copies: 1,
  majority: null,
  synced: true,
  evidence: Object.freeze(['fdatasync of the embedded log returned before the confirmation']),
})

/** A settlement that tries its luck: false when there is no room. */
interface Operation {
  readonly cursor: Cursor
  readonly perform: () => boolean
}

export class EmbeddedEngine implements Engine, ProducerHost, SubscriptionHost, StoreEvents {
  readonly kind = 'embedded'
  readonly capabilities = embeddedCapabilities
  readonly #options: EmbeddedOptions
  #store!: Store
  readonly #subscriptions = new Set<EmbeddedSubscription>()
  readonly #producers = new Set<EmbeddedProducer>()
  /** Settlements that found no room in the log; done as soon as there is some. */
  #operations: Operation[] = []
  #reclaiming = false
  #alive: Timer | null = null
  #failure: HoldfastError | null = null
  #isFull = false
  #notices: string[] = []
  /** While the log is being opened anew. */
  #reopening: Promise<Store> | null = null
  /** Ends the wait before the next attempt. */
  #stopWaiting: () => void = () => undefined
  #closing: Promise<void> | null = null

  private constructor(options: EmbeddedOptions) {
    this.#options = options
  }

  static async open(options: EmbeddedOptions): Promise<EmbeddedEngine> {
    const engine = new EmbeddedEngine(options)
    const { store, recovered } = await openStore(options, engine)
    engine.#adopt(store, recovered)
    announceUnsafe(options)
    return engine
  }

  get store(): Store {
    return this.#store
  }

  // --- topics and groups ---

  async createTopic(name: string, options: TopicOptions): Promise<void> {
    const known = (): Topic | undefined => this.store.state.topicsByName.get(name)
    const { clock } = this.#options
    // Again, where the log failed on the way and was opened anew without it.
    do {
      const topic = known()
      if (topic === undefined) this.#must(addTopic(this.store, name, options, clock.now()))
      else requireSameTopic(topic, options)
      await this.flush()
    } while (known() === undefined)
  }

  async createGroup(topicName: string, name: string, options: GroupOptions): Promise<void> {
    const order = options.order ?? 'key'
    this.#requireOrder(order)
    const { clock } = this.#options
    do {
      const topic = this.topicFor(topicName)
      this.#must(topic !== null && groupFor(this.store, topic, name, order, clock.now()) !== null)
      await this.flush()
    } while (this.store.state.topicsByName.get(topicName)?.groupNamed(name) === undefined)
  }

  async topics(): Promise<TopicInfo[]> {
    const topics = [...this.store.state.topics.values()].filter((topic) => !topic.name.startsWith('hf_'))
    return topics.map(describeTopic)
  }

  async groups(topic?: string): Promise<GroupInfo[]> {
    const groups = [...this.store.state.groups.values()].filter(
      (group) => topic === undefined || group.topic.name === topic,
    )
    return groups.map((group) => describeGroup(group, this.#subscriptionOf(group)?.inFlight ?? 0))
  }

  topicFor(name: string): Topic | null {
    return (
      this.store.state.topicsByName.get(name) ?? addTopic(this.store, name, {}, this.#options.clock.now())
    )
  }

  // --- producing ---

  async openProducer(options: { label: string; epoch: Uint8Array }): Promise<EngineProducer> {
    this.#requireOpen()
    const producer = new EmbeddedProducer(this, { ...options, durability })
    this.#producers.add(producer)
    return producer
  }

  producerNumber(producer: EmbeddedProducer): number | null {
    const { producerNumbers, state, log } = this.store
    const known = producerNumbers.get(producer)
    if (known !== undefined) return known
    const before = [...state.producers.values()].find((entry) => entry.epochText === producer.epochText)
    const number = before?.number ?? state.nextProducerNumber()
    if (!log.append([producerRecord(number, producer.epoch, producer.label)], true)) return null
    state.addProducer(number, producer.epoch, producer.label)
    producerNumbers.set(producer, number)
    return number
  }

  refusal(bytes: number): HoldfastError | null {
    if (this.#closing !== null) return new HoldfastError('closed', 'the engine is closed')
    if (this.#failure !== null) {
      const { directory } = this.#options
      return new HoldfastError('log_unavailable', `${directory} failed: ${this.#failure.message}`, {
        cause: this.#failure,
      })
    }
    if (this.store.log.admits(bytes)) {
      if (this.#isFull) this.#setFull(false)
      return null
    }
    if (!this.#isFull) this.#setFull(true)
    return new HoldfastError('disk_full', `the disk of ${this.#options.directory} is full`)
  }

  async outcomes(producer: EmbeddedProducer): Promise<void> {
    // Of a failed log every message has its outcome: nobody knows, or refused.
    const isPending = () =>
      !this.store.isFailed &&
      (producer.hasWaiting || this.store.pendingMessages.some((entry) => entry.epoch === producer.epochText))
    while (isPending()) await this.flush()
  }

  producerClosed(producer: EmbeddedProducer): void {
    this.#producers.delete(producer)
    const number = this.store.producerNumbers.get(producer)
    if (number === undefined || this.store.isFailed) return
    const { log, state } = this.store
    if (!log.append([u64Record(EngineRecord.producerClosed, log.current.number, number)], true)) return
    const entry = state.producers.get(number)
    if (entry !== undefined) entry.closedInSegment = log.current.number
  }

  // --- consuming ---

  async subscribe(options: SubscribeOptions, sink: DeliverySink): Promise<Subscription> {
    this.#requireOpen()
    this.#requireOrder(options.order)
    const topic = this.topicFor(options.topic)
    const group =
      topic === null
        ? null
        : groupFor(this.store, topic, options.group, options.order, this.#options.clock.now())
    if (topic === null || group === null) throw this.#noRoom()
    if (this.#subscriptionOf(group) !== undefined) {
      throw new HoldfastError(
        'unsupported',
        `group ${options.group} of ${options.topic} already has a consumer in this process; raise its concurrency instead`,
      )
    }
    const subscription = new EmbeddedSubscription(this, options, group.partitions, sink, {
      fence: () => this.store.log.owner.fence,
      nowMs: () => this.#options.clock.now(),
    })
    this.#subscriptions.add(subscription)
    // A process whose only work is to consume must not end while it waits for messages.
    this.#alive ??= this.#options.clock.keepAlive()
    this.#follow(subscription)
    await this.flush()
    // The caller gets its consumer before the first delivery.
    setImmediate(() => subscription.start())
    return subscription
  }

  unsubscribed(subscription: EmbeddedSubscription): void {
    this.#subscriptions.delete(subscription)
    if (this.#subscriptions.size === 0) {
      this.#alive?.cancel()
      this.#alive = null
    }
    for (const followers of this.store.followers.values()) {
      const at = followers.indexOf(subscription)
      if (at >= 0) followers.splice(at, 1)
    }
  }

  retry(cursor: Cursor, delivery: Delivery, failure: Failure): void {
    const { failures, delayMs, firstFailureMs, fingerprint } = failure
    const dueAtMs = this.#options.clock.now() + Math.ceil(delayMs)
    const remembered = { failures, fingerprint, dueAtMs, firstFailureMs, delayMs: Math.ceil(delayMs) }
    const remember = (): boolean => {
      const { own } = cursor
      if (own.settled.has(delivery.offset)) return true
      const { log, settlements } = this.store
      const record = failureRecord(own.group.number, own.partition.number, delivery.offset, remembered)
      if (!log.append([record], true)) return false
      own.failures.set(delivery.offset, remembered)
      settlements.push({ ticket: log.ticket, cursor, redo: () => this.#perform(cursor, remember) })
      return true
    }
    this.#perform(cursor, remember)
  }

  deadLetter(cursor: Cursor, delivery: Delivery, death: Death): void {
    const { offset } = delivery
    const bury = (): boolean => {
      const { own } = cursor
      // Stored already: called twice, or done again after the log failed.
      if (own.settled.has(offset)) return true
      const { log, state } = this.store
      const name = deadTopicName(delivery.topic, own.group.settings.name)
      const deadTopic =
        state.topicsByName.get(name) ??
        addTopic(this.store, name, { partitions: 1 }, this.#options.clock.now())
      if (deadTopic === null) return false
      const partition = deadTopic.partitions[0]!
      const letter = deadLetterRecord(deadTopic, partition.next, own.group.settings.name, delivery, death)
      const { generation } = own.group.settings
      const settled = settledRecord(own.group.number, own.partition.number, generation, SettledAs.dead, [
        offset,
        offset + 1,
      ])
      // One batch: there is no moment at which the message is at rest and its dead letter is not stored.
      if (!log.append([letter, settled], true)) return false
      partition.next++
      partition.sentMessages++
      deadTopic.storedBytes += letter.length
      deadTopic.storedMessages++
      own.settle(offset, offset + 1, SettledAs.dead)
      this.store.settlements.push({ ticket: log.ticket, cursor, redo: () => this.#perform(cursor, bury) })
      this.cameToRest()
      return true
    }
    this.#perform(cursor, bury)
  }

  async *deadLetters(topic: string, group: string): AsyncIterable<DeadLetterRecord> {
    // Only what is durable is read: the letter of a moment ago shall be among it.
    if (!this.store.isFailed) await this.flush()
    yield* readDeadLetters(this.store, topic, group)
  }

  async flush(): Promise<void> {
    for (;;) {
      const { store } = this
      try {
        const synced = store.log.sync()
        // What found no room in the log is not part of it.
        const isWhole = store.dirty.length === 0 && this.#operations.length === 0
        await synced
        if (isWhole) return
      } catch (error) {
        if (store !== this.#store) continue
        if (this.#reopening === null) throw error
        await this.#reopening
      }
    }
  }

  // --- life ---

  health(): EngineHealth {
    if (this.#failure !== null) return { state: 'failed', reasons: [this.#failure.message, ...this.#notices] }
    const reasons = this.#isFull ? [`the disk of ${this.#options.directory} is full: sends are refused`] : []
    return { state: reasons.length > 0 ? 'degraded' : 'ready', reasons: [...reasons, ...this.#notices] }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) await subscription.close().catch(() => undefined)
    for (const producer of [...this.#producers]) await producer.close().catch(() => undefined)
    // What an attempt to open the directory again holds is let go, too.
    this.#stopWaiting()
    await this.#reopening?.catch(() => undefined)
    await this.store.log.close()
  }

  // --- events of the store ---

  drained(): void {
    while (this.#operations.length > 0) {
      if (!this.#operations[0]!.perform()) return
      this.#operations.shift()
    }
    for (const producer of this.#producers) producer.drained()
    for (const subscription of this.#subscriptions) subscription.wake()
  }

  cameToRest(): void {
    if (this.#reclaiming) return
    this.#reclaiming = true
    this.#options.clock.after(reclaimAfterMs, () => {
      this.#reclaiming = false
      const { store } = this
      if (store.isFailed || this.#closing !== null) return
      for (const segment of releaseSegments(store, this.#options.clock.now())) {
        publish('segmentReleased', { directory: this.#options.directory, segment: segment.path })
      }
    })
  }

  failed(store: Store, error: HoldfastError): void {
    if (store !== this.#store) return
    this.#failure = error
    const { directory, logger } = this.#options
    logger.error({ directory, err: error }, `${error.message}; ${error.advice}`)
    publish('logFailed', { directory, error })
    const unavailable = new HoldfastError('log_unavailable', `${directory} failed: ${error.message}`, {
      cause: error,
    })
    const waiting = [...this.#producers].flatMap((producer) => producer.takeWaiting())
    const pending = store.pendingMessages
    const gone = error.code === 'fenced'
    if (gone) for (const subscription of [...this.#subscriptions]) subscription.failed(error)
    else this.#reopening = this.#reopen(store)
    const reopened = this.#reopening
    reopened?.catch(() => undefined)
    for (const { message, partition, offset } of pending) {
      const found = reopened?.then((next) => {
        // Recovered is always a prefix of what was appended: an offset given again means that this one was lost.
        const after = next.state.topicsByName.get(partition.topic.name)?.partitions[partition.number]
        return after !== undefined && after.next > offset ? { partition: partition.number, offset } : null
      })
      found?.catch(() => undefined)
      message.unknown(error, found ?? null)
    }
    for (const message of waiting) message.refused(unavailable)
  }

  /** Opens the directory anew until it works or the engine is closed. */
  async #reopen(dead: Store): Promise<Store> {
    const { clock, directory, logger } = this.#options
    await dead.log.close()
    for (let attempt = 0; ; attempt++) {
      const waitMs = reopenAfterMs[Math.min(attempt, reopenAfterMs.length - 1)]!
      await new Promise<void>((resolve) => {
        const timer = clock.after(waitMs, resolve)
        this.#stopWaiting = () => {
          timer.cancel()
          resolve()
        }
        if (this.#closing !== null) this.#stopWaiting()
      })
      if (this.#closing !== null)
        throw new HoldfastError('closed', `${directory} was closed while its log was being repaired`)
      try {
        const { store, recovered } = await openStore({ ...this.#options, createIfMissing: false }, this)
        if (this.#closing !== null) {
          await store.log.close()
          continue
        }
        this.#resume(dead, store, recovered)
        return store
      } catch (error) {
        this.#failure = isHoldfastError(error)
          ? error
          : new HoldfastError('io_failed', String(error), { cause: error })
        logger.error({ directory, err: error }, `opening ${directory} again failed: ${this.#failure.message}`)
        if (!this.#failure.retryable) throw this.#giveUp(this.#failure)
      }
    }
  }

  #giveUp(error: HoldfastError): HoldfastError {
    for (const subscription of [...this.#subscriptions]) subscription.failed(error)
    return error
  }

  #resume(dead: Store, store: Store, recovered: Recovered): void {
    this.#adopt(store, recovered)
    this.#failure = null
    this.#reopening = null
    for (const subscription of this.#subscriptions) {
      // It is gone where it was only just made when the log failed.
      const topic = this.topicFor(subscription.topic)
      const { group: name, order } = subscription.options
      const group = topic === null ? null : groupFor(store, topic, name, order, this.#options.clock.now())
      if (group === null) {
        subscription.failed(this.#noRoom())
        continue
      }
      subscription.rebind(group.partitions)
      this.#follow(subscription)
    }
    this.#redo(dead, store)
    store.touch()
    this.drained()
    publish('logReopened', { directory: this.#options.directory })
  }

  /** What consumers settled and the dead log may not have kept, in the order they did; those that are gone included. */
  #redo(dead: Store, store: Store): void {
    const later = this.#operations
    this.#operations = []
    const cursors = new Set([...dead.dirty, ...[...dead.settlements, ...later].map(({ cursor }) => cursor)])
    for (const cursor of cursors) {
      const { group, partition } = cursor.own
      const found = store.state.topicsByName.get(group.topic.name)?.groupNamed(group.settings.name)
      if (found !== undefined && found !== group) cursor.rebind(found.partitions[partition.number]!)
    }
    for (const { redo } of dead.settlements) redo()
    this.#operations.push(...later)
    for (const cursor of cursors) {
      cursor.isDirty = cursor.runs.length > 0
      if (cursor.isDirty) store.dirty.push(cursor)
    }
  }

  #adopt(store: Store, recovered: Recovered): void {
    this.#store = store
    const { directory, logger } = this.#options
    for (const group of store.state.groups.values()) {
      for (const own of group.partitions) own.suspectBelow = own.window
    }
    const { tailCut } = recovered
    if (tailCut === null) return
    const notice = `${tailCut.bytes} bytes behind the last intact record of ${tailCut.segment} were set aside in ${tailCut.keptAs}`
    this.#notices = [notice]
    logger.warn({ directory, ...tailCut }, notice)
    publish('tailCut', { directory, ...tailCut })
  }

  #follow(subscription: EmbeddedSubscription): void {
    const topic = this.store.state.topicsByName.get(subscription.topic)!
    const followers = this.store.followers.get(topic.number)
    if (followers === undefined) this.store.followers.set(topic.number, [subscription])
    else followers.push(subscription)
  }

  #subscriptionOf(group: Group): EmbeddedSubscription | undefined {
    for (const subscription of this.#subscriptions) {
      if (subscription.topic === group.topic.name && subscription.options.group === group.settings.name)
        return subscription
    }
    return undefined
  }

  /** Does it now, or in its turn as soon as the log has room. */
  #perform(cursor: Cursor, perform: () => boolean): void {
    const mustWait = this.#operations.length > 0 || this.store.isFailed
    if (mustWait || !perform()) this.#operations.push({ cursor, perform })
  }

  #setFull(isFull: boolean): void {
    this.#isFull = isFull
    const { directory, logger } = this.#options
    if (isFull) {
      logger.warn({ directory }, `the disk of ${directory} is full: sends are refused, consumers go on`)
      publish('diskFull', { directory })
    } else publish('diskFreed', { directory })
  }

  #must(done: unknown): void {
    if (done === null || done === false) throw this.#noRoom()
  }

  #noRoom(): HoldfastError {
    return new HoldfastError('too_many_pending', 'the log has no room for another record right now')
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw new HoldfastError('closed', 'the engine is closed')
    if (this.#failure !== null) throw this.#failure
  }

  #requireOrder(order: Order): void {
    if (this.capabilities.order.includes(order)) return
    throw new HoldfastError(
      'unsupported',
      `the embedded engine does not have order '${order}' yet; use 'key'`,
    )
  }
}
