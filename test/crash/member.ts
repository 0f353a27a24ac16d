import type { Delivery, DeliverySink, Engine, Subscription } from '../../src/core/engine.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import { below, chance, type Random } from '../../src/core/random.ts'
import { deathReason, type GroupModel, type Session } from './group-model.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** A tiny consumer of one group that does whatever the seed says. */
export class Member implements DeliverySink {
  readonly group: GroupModel
  readonly #world: World
  readonly #random: Random
  readonly #boot: number
  readonly inHand: Delivery[] = []
  /** The last one it settled. */
  #last: Delivery | null = null
  #session: Session | null = null
  #subscription: Subscription | null = null
  #paused = new Set<number>()
  isClosing = false

  constructor(group: GroupModel, random: Random) {
    this.group = group
    this.#world = group.topic.world
    this.#random = random
    this.#boot = this.#world.boot
  }

  get isOpen(): boolean {
    return this.#subscription !== null
  }

  async open(engine: Engine): Promise<void> {
    const { group } = this
    group.beginCreation()
    const options = {
      topic: group.topic.name,
      group: group.name,
      order: 'key' as const,
      prefetch: 1 + below(this.#random, 40),
    }
    const subscription = await engine.subscribe(options, this)
    if (this.#world.isDead) return
    group.isCreated = true
    this.inHand.length = 0
    this.#paused.clear()
    this.#session = group.session()
    this.isClosing = false
    this.#subscription = subscription
  }

  deliver(deliveries: Delivery[]): void {
    this.#world.hear(this.#boot, () => {
      for (const delivery of deliveries) {
        if (this.isClosing || this.#session === null) throw new Violation('answers', 'a delivery after close')
        this.group.delivered(this.#session, delivery)
        this.inHand.push(delivery)
      }
    })
  }

  failed(error: HoldfastError): void {
    this.#world.hear(this.#boot, () => {
      this.#subscription = null
      if (this.#world.isContested) return
      const invariant = error.code === 'corrupt' ? 'confirmed-present' : 'stays-up'
      throw new Violation(invariant, `the subscription of ${this.group.name} failed: ${error.message}`)
    })
  }

  request(messages: number, bytes: number): void {
    this.#world.operations++
    this.#subscription?.request(messages, bytes)
  }

  /** Acknowledges up to so many, in any order. */
  ack(count: number): void {
    const subscription = this.#subscription
    if (subscription === null) return
    for (let left = count; left > 0 && this.inHand.length > 0; left--) {
      const delivery = this.#take()
      this.#world.operations++
      this.group.acked(delivery, this.#world.clock.monotonic())
      subscription.ack(delivery)
      this.#last = delivery
    }
  }

  /** The same settlement twice changes nothing. */
  repeat(): void {
    if (this.#subscription === null || this.#last === null || this.isClosing) return
    if (this.group.topic.places[this.#last.partition][this.#last.offset] !== undefined)
      this.#subscription.ack(this.#last)
  }

  fail(): void {
    const delivery = this.inHand.at(-1)
    if (this.#subscription === null || delivery === undefined) return
    this.#world.operations++
    const failures = this.group.failuresOf(delivery) + 1
    const nowMs = this.#world.clock.now()
    this.group.failed(delivery, failures, this.#world.clock.monotonic())
    this.#subscription.retry(delivery, {
      failures,
      delayMs: below(this.#random, 3000),
      firstFailureMs: nowMs,
      fingerprint: 7,
    })
  }

  die(): void {
    if (this.#subscription === null || this.inHand.length === 0) return
    const delivery = this.#take()
    this.#world.operations++
    const attempts = this.group.failuresOf(delivery) + 1
    const nowMs = this.#world.clock.now()
    this.group.died(delivery, this.#world.clock.monotonic())
    const stack = `Error: no use\n    at handler (${'x'.repeat(below(this.#random, 600))})`
    this.#subscription.deadLetter(delivery, {
      reason: deathReason(delivery),
      stack,
      attempts,
      firstFailureMs: nowMs,
      lastFailureMs: nowMs,
    })
    this.#last = null
  }

  pauseOrResume(): void {
    if (this.#subscription === null) return
    const partition = below(this.#random, this.group.topic.partitions)
    this.#world.operations++
    if (this.#paused.delete(partition)) this.#subscription.resumePartition(partition)
    else {
      this.#paused.add(partition)
      this.#subscription.pausePartition(partition)
    }
  }

  resumeAll(): void {
    for (const partition of this.#paused) this.#subscription?.resumePartition(partition)
    this.#paused.clear()
  }

  async flush(): Promise<void> {
    if (this.#subscription === null) return
    this.#world.operations++
    const { told } = this.group
    await this.#subscription.flush()
    if (!this.#world.isDead) this.group.madeDurable(told)
  }

  async close(): Promise<void> {
    const subscription = this.#subscription
    if (subscription === null) return
    this.#world.operations++
    this.#subscription = null
    this.isClosing = true
    const { told } = this.group
    await subscription.close()
    if (this.#world.isDead) return
    this.group.madeDurable(told)
    this.inHand.length = 0
  }

  #take(): Delivery {
    // Mostly near the front, so that floors move.
    const at = chance(this.#random, 0.5) ? 0 : below(this.#random, this.inHand.length)
    const [delivery] = this.inHand.splice(at, 1)
    return delivery
  }
}
