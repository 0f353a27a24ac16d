import type { Engine, EngineProducer } from '../../src/core/engine.ts'
import { isHoldfastError } from '../../src/core/errors.ts'
import { below, chance, type Random } from '../../src/core/random.ts'
import { drawLength, keyOf, makeBody, makeHeaders } from './content.ts'
import type { GroupModel } from './group-model.ts'
import { Member } from './member.ts'
import { ModelMessage } from './message.ts'
import type { Plan } from './plan.ts'
import type { TopicModel } from './topic-model.ts'
import type { World } from './world.ts'

interface Sender {
  readonly producer: EngineProducer
  readonly number: number
  readonly epochText: string
  counter: number
}

/** What one process does with its engine. */
export class Workload {
  readonly #world: World
  readonly #engine: Engine
  readonly #random: Random
  readonly #plan: Plan
  readonly #boot: number
  readonly #senders: Sender[] = []
  readonly #members = new Map<GroupModel, Member>()
  /** Calls under way that nobody waits for. */
  #background: Promise<unknown> = Promise.resolve()
  /** The engine is about to be closed: what is under way may be refused. */
  isClosing = false

  /** Whether the log has failed in this process: then a call may be refused. */
  mayFail: () => boolean = () => false

  constructor(world: World, engine: Engine, random: Random, plan: Plan) {
    this.#world = world
    this.#engine = engine
    this.#random = random
    this.#plan = plan
    this.#boot = world.boot
  }

  async prepare(): Promise<void> {
    for (const { name, partitions } of this.#world.topics)
      await this.#engine.createTopic(name, { partitions })
    for (let i = 0; i < this.#plan.producers; i++) await this.#openProducer()
    for (const topic of this.#world.topics) {
      for (const group of topic.groups)
        if (group.isCreated || chance(this.#random, 0.6)) await this.#join(group)
    }
  }

  async step(): Promise<void> {
    const kind = below(this.#random, 100)
    if (kind < 34) this.send()
    else if (kind < 46) this.#request()
    else if (kind < 84) this.#ack()
    else if (kind < 88) this.#member()?.fail()
    else if (kind < 90) this.#member()?.pauseOrResume()
    else if (kind < 92) this.#member()?.repeat()
    else this.#rarely(kind)
  }

  #rarely(kind: number): void {
    const member = this.#member()
    if (kind < 95) {
      if (chance(this.#random, this.#plan.deadShare * 10)) member?.die()
    } else if (kind < 96) this.#do(() => member?.flush())
    else if (kind < 97) this.#do(() => this.#leaveOrJoin())
    else if (kind < 98 && chance(this.#random, 0.3)) this.#do(() => this.#newProducer())
    else if (chance(this.#random, 0.05)) this.#lateGroup()
  }

  /** Every group joins, and nothing is held back any more. */
  async joinAll(): Promise<void> {
    for (const topic of this.#world.topics) for (const group of topic.groups) await this.#join(group)
    for (const member of this.#members.values()) member.resumeAll()
  }

  handleAll(): void {
    for (const member of this.#members.values()) {
      if (member.inHand.length === 0) member.request(50, 1 << 20)
      member.ack(Number.POSITIVE_INFINITY)
    }
  }

  async isDrained(): Promise<boolean> {
    const groups = await this.#engine.groups()
    return groups.every(({ lag }) => lag === 0)
  }

  async rest(): Promise<string> {
    const groups = await this.#engine.groups()
    return groups.map(({ topic, group, lag }) => `${topic}/${group} lacks ${lag}`).join(', ')
  }

  async flushAll(): Promise<void> {
    for (const member of this.#members.values()) await member.flush()
  }

  /** Looks at the dead letters of some groups; returns how many there are. */
  async checkLetters(share: number): Promise<number> {
    let count = 0
    for (const topic of this.#world.topics) {
      for (const group of topic.groups) {
        if (!group.isCreated || !chance(this.#random, share)) continue
        const letters = []
        for await (const letter of this.#engine.deadLetters(topic.name, group.name)) letters.push(letter)
        if (this.#world.isDead) return 0
        group.listed(letters)
        count += letters.length
      }
    }
    return count
  }

  send(): void {
    const random = this.#random
    if (this.#backlog() > 140 && chance(random, 0.9)) return
    const sender = this.#senders[below(random, this.#senders.length)]
    if (sender === undefined) return
    const isFlood = chance(random, 0.006)
    const count = isFlood || chance(random, 0.015) ? 50 : 1 + below(random, 6)
    const batch = Array.from({ length: count }, () => this.#message(sender, isFlood ? 9000 : 0))
    this.#world.operations += count
    sender.producer.send(batch)
    const { hasWaiting } = sender.producer as EngineProducer & { hasWaiting?: boolean }
    if (hasWaiting === true) this.#world.marks.hit('send waited for room')
  }

  #message(sender: Sender, extraBytes: number): ModelMessage {
    const random = this.#random
    const topic = this.#world.topics[below(random, this.#world.topics.length)]
    const number = this.#world.sent
    const isText = chance(random, 0.7)
    const message = new ModelMessage(topic, {
      number,
      producer: sender.number,
      epochText: sender.epochText,
      boot: this.#boot,
      counter: ++sender.counter,
      key: chance(random, 0.15) ? null : keyOf(below(random, this.#plan.keys)),
      id: chance(random, this.#plan.callersIds) ? `order-${number}-№` : null,
      headers: makeHeaders(number),
      body: makeBody(number, drawLength(random, this.#plan.largeShare) + extraBytes, isText),
      codec: isText ? 1 : 0,
      sentAtMs: this.#world.clock.now(),
    })
    this.#world.accepted(message)
    topic.sent++
    return message
  }

  #request(): void {
    this.#member()?.request(1 + below(this.#random, 20), 1 + below(this.#random, 100_000))
  }

  #ack(): void {
    const member = this.#member()
    if (member === undefined) return
    const isSlow = member.group.name === 'audit' && !chance(this.#random, this.#plan.slowShare)
    if (isSlow && this.#backlog() < 110) return
    if (member.inHand.length < 3) member.request(8, 50_000)
    member.ack(1 + below(this.#random, 12))
  }

  #member(): Member | undefined {
    const members = [...this.#members.values()].filter((member) => member.isOpen)
    return members[below(this.#random, members.length)]
  }

  /** How far the slowest group is behind. */
  #backlog(): number {
    let most = 0
    for (const topic of this.#world.topics) {
      for (const group of topic.groups) most = Math.max(most, topic.sent - group.atRest)
    }
    return most
  }

  async #join(group: GroupModel): Promise<void> {
    let member = this.#members.get(group)
    if (member === undefined) {
      member = new Member(group, this.#random)
      this.#members.set(group, member)
    }
    if (!member.isOpen) await member.open(this.#engine)
  }

  async #leaveOrJoin(): Promise<void> {
    const topic = this.#pick(this.#world.topics)
    const group = this.#pick(topic.groups)
    const member = this.#members.get(group)
    if (member?.isOpen === true) {
      await member.close()
      if (chance(this.#random, 0.7)) await this.#join(group)
    } else await this.#join(group)
  }

  async #openProducer(): Promise<void> {
    const epoch = this.#random.bytes(16)
    const epochText = Buffer.from(epoch).toString('base64url')
    const producer = await this.#engine.openProducer({ label: 'crash', epoch })
    this.#world.producers++
    this.#senders.push({ producer, number: this.#world.producers, epochText, counter: 0 })
  }

  async #newProducer(): Promise<void> {
    const old = this.#senders.shift()
    await this.#openProducer()
    await old?.producer.close()
  }

  #lateGroup(): void {
    const topic: TopicModel = this.#pick(this.#world.topics)
    if (topic.groups.length > 2) return
    this.#world.marks.hit('group created midway')
    const group = topic.addGroup('late')
    this.#do(() => this.#join(group))
  }

  /** One such call at a time, beside everything else. */
  #do(call: () => Promise<unknown> | undefined): void {
    const boot = this.#boot
    this.#background = this.#background.then(call).catch((error) => {
      this.#world.hear(boot, () => {
        const isExpected =
          isHoldfastError(error) && (this.mayFail() || (this.isClosing && error.code === 'closed'))
        if (!isExpected) throw error
      })
    })
  }

  #pick<T>(items: readonly T[]): T {
    return items[below(this.#random, items.length)]
  }
}
