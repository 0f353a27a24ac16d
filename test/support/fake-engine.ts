import type {
  Capabilities,
  DeadLetterRecord,
  Delivery,
  DeliverySink,
  Engine,
  EngineHealth,
  EngineProducer,
  GroupInfo,
  GroupOptions,
  Outgoing,
  SubscribeOptions,
  Subscription,
  TopicInfo,
  TopicOptions,
} from '../../src/core/engine.ts'
import type { Durability } from '../../src/core/message.ts'

export const fakeDurability: Durability = Object.freeze({
  copies: 1,
  majority: null,
  synced: true,
  evidence: Object.freeze(['the fake engine says so']),
})

/** Keeps every message until the test says what became of it. */
export class FakeEngineProducer implements EngineProducer {
  readonly durability = fakeDurability
  readonly label: string
  readonly epoch: Uint8Array
  /** Sizes and members of the batches, as they came. */
  readonly batches: Outgoing[][] = []
  /** Messages without outcome, oldest first. */
  readonly open: Outgoing[] = []
  /** Every message ever handed over. */
  readonly taken: Outgoing[] = []
  /** Called with each batch, for scripts that answer by themselves. */
  onBatch: ((batch: Outgoing[]) => void) | null = null
  closes = 0
  #nextOffset = 0

  constructor(label: string, epoch: Uint8Array) {
    this.label = label
    this.epoch = epoch
  }

  send(batch: readonly Outgoing[]): void {
    const copy = [...batch]
    this.batches.push(copy)
    this.open.push(...copy)
    this.taken.push(...copy)
    this.onBatch?.(copy)
  }

  /** Takes the oldest open message out, or the given one. */
  take(message: Outgoing | undefined = this.open[0]): Outgoing {
    if (message === undefined) throw new Error('the engine has no open message')
    const index = this.open.indexOf(message)
    if (index < 0) throw new Error('this message had its outcome before')
    this.open.splice(index, 1)
    return message
  }

  confirm(message?: Outgoing): void {
    this.take(message).confirmed(0, this.#nextOffset++)
  }

  confirmAll(): void {
    while (this.open.length > 0) this.confirm()
  }

  async close(): Promise<void> {
    this.closes++
  }
}

export class FakeSubscription implements Subscription {
  readonly options: SubscribeOptions
  readonly sink: DeliverySink
  readonly acked: Delivery[] = []
  readonly retried: Delivery[] = []
  readonly dead: Delivery[] = []
  requestedMessages = 0
  closed = false

  constructor(options: SubscribeOptions, sink: DeliverySink) {
    this.options = options
    this.sink = sink
  }

  request(messages: number): void {
    this.requestedMessages += messages
  }

  ack(delivery: Delivery): void {
    this.acked.push(delivery)
  }

  retry(delivery: Delivery): void {
    this.retried.push(delivery)
  }

  deadLetter(delivery: Delivery): void {
    this.dead.push(delivery)
  }

  extend(): void {}
  pausePartition(): void {}
  resumePartition(): void {}

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.closed = true
  }
}

const capabilities: Capabilities = Object.freeze({
  history: 'all',
  keeps: 'forever',
  fencing: 'none',
  halfMessages: 'none',
  ids: 'process',
  order: Object.freeze(['key'] as const),
  createsTopics: true,
  defaultPartitions: 8,
  limits: Object.freeze({
    bodyBytes: 8 * 1024 * 1024,
    headerBytes: 32 * 1024,
    keyBytes: 1024,
    nameCharacters: 100,
  }),
})

/** An engine whose every answer a test writes. */
export class FakeEngine implements Engine {
  readonly kind = 'fake'
  readonly capabilities: Capabilities
  readonly producers: FakeEngineProducer[] = []
  readonly subscriptions: FakeSubscription[] = []
  readonly created: { topic: string; group?: string; options: TopicOptions | GroupOptions }[] = []
  deadLetterRecords: DeadLetterRecord[] = []
  state: EngineHealth = { state: 'ready', reasons: [] }
  /** In order: what was closed. */
  readonly closings: string[] = []
  /** Set on every producer opened. */
  onBatch: ((producer: FakeEngineProducer, batch: Outgoing[]) => void) | null = null

  constructor(limits: Partial<Capabilities['limits']> = {}) {
    this.capabilities = { ...capabilities, limits: { ...capabilities.limits, ...limits } }
  }

  async openProducer(options: { label: string; epoch: Uint8Array }): Promise<FakeEngineProducer> {
    const producer = new FakeEngineProducer(options.label, options.epoch)
    producer.onBatch = (batch) => this.onBatch?.(producer, batch)
    const close = producer.close.bind(producer)
    producer.close = () => {
      this.closings.push(`producer ${options.label}`)
      return close()
    }
    this.producers.push(producer)
    return producer
  }

  async createTopic(topic: string, options: TopicOptions): Promise<void> {
    this.created.push({ topic, options })
  }

  async createGroup(topic: string, group: string, options: GroupOptions): Promise<void> {
    this.created.push({ topic, group, options })
  }

  async topics(): Promise<TopicInfo[]> {
    return this.created
      .filter(({ group }) => group === undefined)
      .map(({ topic }) => ({
        topic,
        partitions: 8,
        retentionMs: 0,
        maxBytes: null,
        createdAtMs: 0,
        messages: 0,
        bytes: 0,
        groups: [],
      }))
  }

  async groups(topic?: string): Promise<GroupInfo[]> {
    return this.created.flatMap((entry) =>
      entry.group === undefined || (topic !== undefined && entry.topic !== topic)
        ? []
        : [
            {
              topic: entry.topic,
              group: entry.group,
              order: 'key' as const,
              createdAtMs: 0,
              lag: 0,
              inFlight: 0,
              retrying: 0,
              dead: 0,
              partitions: [],
            },
          ],
    )
  }

  async subscribe(options: SubscribeOptions, sink: DeliverySink): Promise<FakeSubscription> {
    const subscription = new FakeSubscription(options, sink)
    const close = subscription.close.bind(subscription)
    subscription.close = () => {
      this.closings.push(`subscription ${options.group}`)
      return close()
    }
    this.subscriptions.push(subscription)
    return subscription
  }

  async *deadLetters(topic: string, group: string): AsyncIterable<DeadLetterRecord> {
    for (const record of this.deadLetterRecords) {
      if (record.topic === topic && record.group === group) yield record
    }
  }

  health(): EngineHealth {
    return this.state
  }

  async close(): Promise<void> {
    this.closings.push('engine')
  }
}

/** A delivery as the engine would make it. */
export function fakeDelivery(over: Partial<Delivery> = {}): Delivery {
  return {
    topic: 'clicks',
    partition: 0,
    offset: 0,
    id: 'id-1',
    key: null,
    headers: {},
    body: '{}',
    codec: 0,
    sentAtMs: 0,
    bytes: 64,
    failures: 0,
    notBeforeMs: 0,
    firstFailureMs: 0,
    mayBeDuplicate: false,
    afterGap: false,
    fence: null,
    ...over,
  }
}
