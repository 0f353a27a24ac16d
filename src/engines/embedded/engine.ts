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
import { HoldfastError } from '../../core/errors.ts'
import type { Recovered } from '../../log/recovery.ts'
import { addTopic, groupFor, requireSameTopic } from './catalog.ts'
import type { Cursor } from './cursor.ts'
import { deadLetterRecord, deadTopicName, readDeadLetters } from './dead-letters.ts'
import { describeGroup, describeTopic } from './describe.ts'
import { announceUnsafe, openStore } from './directory.ts'
import { type EmbeddedOptions, embeddedCapabilities } from './options.ts'
import { EmbeddedProducer, type ProducerHost } from './producer.ts'
import { Reclaimer } from './reclaim.ts'
import {
  EngineRecord,
  failureRecord,
  producerRecord,
  SettledAs,
  settledRecord,
  u64Record,
} from './records.ts'
import { Repair, type RepairHost } from './repair.ts'
import type { Group, Topic } from './state.ts'
import type { Store } from './store.ts'
import { EmbeddedSubscription, type SubscriptionHost } from './subscription.ts'
import { Turns } from './turns.ts'

const durability = Object.freeze({
  copies: 1,
  majority: null,
  synced: true,
  evidence: Object.freeze(['fdatasync of the embedded log returned before the confirmation']),
})

export class EmbeddedEngine implements Engine, ProducerHost, SubscriptionHost, RepairHost {
  readonly kind = 'embedded'
  readonly capabilities = embeddedCapabilities
  readonly #options: EmbeddedOptions
  #store!: Store
  readonly #subscriptions = new Set<EmbeddedSubscription>()
  readonly #producers = new Set<EmbeddedProducer>()
  readonly #turns = new Turns(() => !this.#store.isFailed)
  readonly #reclaimer: Reclaimer
  #alive: Timer | null = null
  #failure: HoldfastError | null = null
  #isFull = false
  #notices: string[] = []
  /** While the log is being opened anew, and when that was given up. */
  #repair: Repair | null = null
  /** The log failed, and no waiting can help. */
  #isLost = false
  #closing: Promise<void> | null = null

  private constructor(options: EmbeddedOptions) {
    this.#options = options
    this.#reclaimer = new Reclaimer(options, () => this.#store)
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
      await this.#inTurn(() => {
        const topic = known()
        if (topic === undefined) return addTopic(this.store, name, options, clock.now())
        requireSameTopic(topic, options)
        return topic
      })
      await this.flush()
    } while (known() === undefined)
  }

  async createGroup(topicName: string, name: string, options: GroupOptions): Promise<void> {
    const order = options.order ?? 'key'
    this.#requireOrder(order)
    do {
      await this.#inTurn(() => this.#groupOf(topicName, name, order))
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
    if (this.#closing !== null) return closedError()
    if (this.#failure !== null) return this.#unavailable(this.#failure)
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
      !this.store.isFailed && (producer.hasWaiting || this.store.pending.has(producer.epochText))
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
    this.#requireOrder(options.order)
    const subscription = await this.#inTurn(() => this.#subscribe(options, sink))
    await this.flush()
    // The caller gets its consumer before the first delivery.
    setImmediate(() => subscription.start())
    return subscription
  }

  /** Null when the log has no room for what has to be created. */
  #subscribe(options: SubscribeOptions, sink: DeliverySink): EmbeddedSubscription | null {
    const group = this.#groupOf(options.topic, options.group, options.order)
    if (group === null) return null
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
    return subscription
  }

  /** The group, it and its topic created where they are missing; null when the log has no room for that. */
  #groupOf(topicName: string, name: string, order: Order): Group | null {
    const topic = this.topicFor(topicName)
    return topic === null ? null : groupFor(this.store, topic, name, order, this.#options.clock.now())
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
      settlements.push({ ticket: log.ticket, cursor, redo: () => this.#turns.settle(cursor, remember) })
      return true
    }
    this.#turns.settle(cursor, remember)
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
      this.store.settlements.push({
        ticket: log.ticket,
        cursor,
        redo: () => this.#turns.settle(cursor, bury),
      })
      this.cameToRest()
      return true
    }
    this.#turns.settle(cursor, bury)
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
        const isWhole = store.dirty.length === 0 && this.#turns.isEmpty
        await synced
        if (isWhole) return
      } catch (error) {
        if (store !== this.#store) continue
        if (this.#repair === null) throw error
        await this.#repair.done
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
    this.#reclaimer.stop()
    this.#repair?.stop()
    for (const subscription of [...this.#subscriptions]) await subscription.close().catch(() => undefined)
    for (const producer of [...this.#producers]) await producer.close().catch(() => undefined)
    // What an attempt to open the directory again holds is let go, too.
    await this.#repair?.done.catch(() => undefined)
    this.#turns.abandon(this.#failure === null ? closedError() : this.#unavailable(this.#failure))
    await this.store.log.close()
  }

  // --- events of the store ---

  drained(): void {
    if (!this.#turns.run()) return
    for (const producer of this.#producers) producer.drained()
    for (const subscription of this.#subscriptions) subscription.wake()
  }

  cameToRest(): void {
    this.#reclaimer.soon()
  }

  failed(store: Store, error: HoldfastError): void {
    if (store !== this.#store) return
    this.#failure = error
    const { directory, logger } = this.#options
    logger.error({ directory, err: error }, `${error.message}; ${error.advice}`)
    publish('logFailed', { directory, error })
    const unavailable = this.#unavailable(error)
    const waiting = [...this.#producers].flatMap((producer) => producer.takeWaiting())
    const pending = [...store.pending]
    if (error.code === 'fenced') this.#lose(error)
    else this.#repair = new Repair(store, this.#options, this)
    if (this.#closing !== null) this.#repair?.stop()
    const repaired = this.#repair?.done
    for (const { message, partition, offset } of pending) {
      const found = repaired?.then((next) => {
        // Recovered is always a prefix of what was appended: an offset given again means that this one was lost.
        const after = next.state.topicsByName.get(partition.topic.name)?.partitions[partition.number]
        return after !== undefined && after.next > offset ? { partition: partition.number, offset } : null
      })
      found?.catch(() => undefined)
      message.unknown(error, found ?? null)
    }
    for (const message of waiting) message.refused(unavailable)
  }

  /** Nothing is appended any more: consumers end, and who waits for a turn learns it. */
  #lose(error: HoldfastError): void {
    this.#isLost = true
    for (const subscription of [...this.#subscriptions]) subscription.failed(error)
    this.#turns.abandon(this.#unavailable(error))
  }

  notRepaired(error: HoldfastError): void {
    this.#failure = error
    if (!error.retryable) this.#lose(error)
  }

  repaired(dead: Store, store: Store, recovered: Recovered): void {
    this.#adopt(store, recovered)
    this.#failure = null
    this.#repair = null
    for (const subscription of this.#subscriptions) {
      // It is gone where it was only just made when the log failed.
      const { group: name, order } = subscription.options
      const group = this.#groupOf(subscription.topic, name, order)
      if (group === null) {
        subscription.failed(new HoldfastError('too_many_pending', 'the log has no room for its group'))
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
    const later = this.#turns.take()
    const waiting = later.flatMap(({ cursor }) => cursor ?? [])
    const cursors = new Set([...dead.dirty, ...dead.settlements.map(({ cursor }) => cursor), ...waiting])
    for (const cursor of cursors) {
      const { group, partition } = cursor.own
      const found = store.state.topicsByName.get(group.topic.name)?.groupNamed(group.settings.name)
      if (found !== undefined && found !== group) cursor.rebind(found.partitions[partition.number]!)
    }
    for (const { redo } of dead.settlements) redo()
    this.#turns.putBack(later)
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
    // What is kept for a time only may have waited for an owner.
    this.#reclaimer.soon()
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

  /** Appends something new in its turn: waits for room, and for a failed log to be repaired. */
  async #inTurn<T>(attempt: () => T | null): Promise<T> {
    this.#requireOpen()
    return await this.#turns.ask(() => {
      this.#requireOpen()
      return attempt()
    })
  }

  #setFull(isFull: boolean): void {
    this.#isFull = isFull
    const { directory, logger } = this.#options
    if (isFull) {
      logger.warn({ directory }, `the disk of ${directory} is full: sends are refused, consumers go on`)
      publish('diskFull', { directory })
    } else publish('diskFreed', { directory })
  }

  #unavailable(cause: HoldfastError): HoldfastError {
    return new HoldfastError('log_unavailable', `${this.#options.directory} failed: ${cause.message}`, {
      cause,
    })
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw closedError()
    if (this.#isLost && this.#failure !== null) throw this.#unavailable(this.#failure)
  }

  #requireOrder(order: Order): void {
    if (this.capabilities.order.includes(order)) return
    throw new HoldfastError(
      'unsupported',
      `the embedded engine does not have order '${order}' yet; use 'key'`,
    )
  }
}

function closedError(): HoldfastError {
  return new HoldfastError('closed', 'the engine is closed')
}
