import type { DeadLetterRecord, Delivery } from '../../src/core/engine.ts'
import type { ModelMessage } from './message.ts'
import type { TopicModel } from './topic-model.ts'
import { type Invariant, Violation } from './violation.ts'

/** What one group did with one message. */
interface Fate {
  readonly message: ModelMessage
  handedOut: boolean
  settled: 'no' | 'acked' | 'dead'
  /** Why a settlement must never be taken back; null while it may. */
  kept: Invariant | null
  /** The process died before the settlement was known to be durable: it may be lost. */
  doubtful: boolean
  /** The dead letter was seen. */
  listed: boolean
  /** Failed attempts: what must be remembered at least, and what was recorded last. */
  leastFailures: number
  failures: number
}

/** Something the engine was told and that is not durable for certain. */
interface Pending {
  readonly fate: Fate
  readonly atMs: number
  /** 0 for a settlement. */
  readonly failures: number
}

/** When a process died, and what must have reached the disk by then. */
export interface Death {
  readonly atMs: number
  readonly isPowerCut: boolean
  /** What was told earlier before the death was written, or synced. */
  readonly writeWindowMs: number
  readonly syncWindowMs: number
}

/** What one subscription saw so far. */
export interface Session {
  /** Last offset per partition. */
  readonly last: number[]
}

/** What must be true of one group: who was handed out, who came to rest, and in which order. */
export class GroupModel {
  readonly topic: TopicModel
  readonly name: string
  /** Whether its creation was acknowledged. */
  isCreated = false
  readonly #fates = new Map<ModelMessage, Fate>()
  /** Below it every place is at rest for certain, per partition. */
  readonly #floors: number[]
  /** Handled by all older groups before this one was created: they may be gone. */
  readonly #optional = new Set<ModelMessage>()
  /** Per producer and key the counter of its last first delivery. */
  readonly #lastCounters = new Map<string, number>()
  #pending: Pending[] = []
  /** Told by processes that were killed: on the disk, but perhaps not for good. */
  #written: Pending[] = []
  /** Messages it is done with, as far as it knows. */
  atRest = 0

  constructor(topic: TopicModel, name: string) {
    this.topic = topic
    this.name = name
    this.#floors = Array.from({ length: topic.partitions }, () => 0)
  }

  /** The group is (again) about to be created: what all others have handled by now it need not see. */
  beginCreation(): void {
    if (this.isCreated) return
    const others = this.topic.groups.filter((group) => group !== this && group.isCreated)
    if (others.length === 0) return
    for (const places of this.topic.places) {
      for (const message of places) {
        if (message !== undefined && others.every((group) => group.mayBeGone(message)))
          this.#optional.add(message)
      }
    }
  }

  isSettled(message: ModelMessage): boolean {
    const fate = this.#fates.get(message)
    return fate !== undefined && fate.settled !== 'no'
  }

  /** Whether this group no longer holds the message back. */
  mayBeGone(message: ModelMessage): boolean {
    return this.isSettled(message) || this.#optional.has(message)
  }

  session(): Session {
    return { last: this.#floors.map(() => -1) }
  }

  delivered(session: Session, delivery: Delivery): void {
    const { marks } = this.topic.world
    const message = this.topic.world.messageOf(delivery.id, this.topic)
    const { partition, offset } = delivery
    this.topic.place(message, partition, offset)
    this.topic.compare(message, delivery)
    this.#checkOrder(session, message)
    const fate = this.#fate(message)
    if (fate.settled !== 'no') this.#cameBack(fate)
    if (fate.handedOut) {
      marks.hit('redelivery')
      if (!delivery.mayBeDuplicate) {
        throw new Violation(
          'duplicate-flagged',
          `${this.#of(fate)} was handed out before, and came again without a word`,
        )
      }
    } else this.#checkKeyOrder(message)
    fate.handedOut = true
    this.#checkFailures(fate, delivery)
  }

  acked(delivery: Delivery, atMs: number): void {
    this.#settle(delivery, 'acked', atMs)
  }

  died(delivery: Delivery, atMs: number): void {
    this.#settle(delivery, 'dead', atMs)
  }

  failed(delivery: Delivery, failures: number, atMs: number): void {
    const fate = this.#fateOf(delivery)
    fate.failures = failures
    this.#pending.push({ fate, atMs, failures })
  }

  failuresOf(delivery: Delivery): number {
    return this.#fateOf(delivery).failures
  }

  /** A mark for `madeDurable`: everything told so far. */
  get told(): readonly Pending[] {
    return [...this.#pending]
  }

  /** The engine said that these are durable. */
  madeDurable(told: readonly Pending[]): void {
    const done = new Set(told)
    for (const entry of told) this.#keep(entry, 'ack-durable')
    this.#pending = this.#pending.filter((entry) => !done.has(entry))
  }

  /** The process died. What was old enough had to be written or durable by then. */
  processDied(death: Death): void {
    for (const entry of this.#pending) {
      const ageMs = death.atMs - entry.atMs
      if (ageMs > death.syncWindowMs) this.#keep(entry, 'ack-window-50ms')
      else if (!death.isPowerCut && ageMs > death.writeWindowMs) this.#written.push(entry)
      else this.#doubt(entry)
    }
    this.#pending = []
    if (!death.isPowerCut) return
    for (const entry of this.#written) this.#doubt(entry)
    this.#written = []
  }

  /** The next process has opened the directory, and with it made durable what was only written. */
  opened(): void {
    for (const entry of this.#written) this.#keep(entry, 'kill-window-5ms')
    this.#written = []
  }

  /** All dead letters the engine shows; only what is durable must be among them. */
  listed(records: readonly DeadLetterRecord[]): void {
    const { marks } = this.topic.world
    const seen = new Set<ModelMessage>()
    for (const record of records) {
      const message = this.topic.world.messageOf(record.id, this.topic)
      if (seen.has(message))
        throw new Violation('dead-letter-stored', `two dead letters of ${message.describe()}`)
      seen.add(message)
      this.topic.place(message, record.partition, record.offset)
      this.topic.compare(message, record)
      const fate = this.#fates.get(message)
      if (fate === undefined || fate.settled !== 'dead') {
        throw new Violation(
          'dead-letter-stored',
          `a dead letter of ${message.describe()}, which group ${this.name} did not give up`,
        )
      }
      if (record.reason !== deathReason(message) || record.attempts !== fate.failures + 1) {
        throw new Violation(
          'not-mangled',
          `dead letter of ${message.describe()}: ${record.reason}, ${record.attempts} attempts`,
        )
      }
      if (!fate.listed) marks.hit('dead letter')
      fate.listed = true
      if (fate.kept === null && fate.doubtful) fate.kept = 'dead-letter-stored'
    }
    for (const fate of this.#fates.values()) {
      if (fate.settled === 'dead' && fate.kept !== null && !seen.has(fate.message)) {
        throw new Violation(
          'dead-letter-stored',
          `${this.#of(fate)} is at rest as dead, and its dead letter is not there`,
        )
      }
    }
  }

  /** At the end of all. */
  checkDrained(): void {
    for (const places of this.topic.places) {
      for (const message of places) {
        if (message === undefined || this.mayBeGone(message)) continue
        throw new Violation('confirmed-present', `${message.describe()} never reached group ${this.name}`)
      }
    }
  }

  #fate(message: ModelMessage): Fate {
    let fate = this.#fates.get(message)
    if (fate === undefined) {
      fate = {
        message,
        handedOut: false,
        settled: 'no',
        kept: null,
        doubtful: false,
        listed: false,
        leastFailures: 0,
        failures: 0,
      }
      this.#fates.set(message, fate)
    }
    return fate
  }

  #fateOf(delivery: Delivery): Fate {
    return this.#fate(this.topic.places[delivery.partition][delivery.offset] as ModelMessage)
  }

  #doubt({ fate, failures }: Pending): void {
    if (failures === 0 && fate.kept === null) fate.doubtful = true
  }

  #settle(delivery: Delivery, settled: 'acked' | 'dead', atMs: number): void {
    const fate = this.#fateOf(delivery)
    fate.settled = settled
    fate.doubtful = false
    this.atRest++
    this.#pending.push({ fate, atMs, failures: 0 })
  }

  #keep({ fate, failures }: Pending, invariant: Invariant): void {
    if (failures > 0) fate.leastFailures = Math.max(fate.leastFailures, failures)
    else fate.kept ??= invariant
  }

  /** A settled message is delivered again. */
  #cameBack(fate: Fate): void {
    const { marks } = this.topic.world
    if (fate.listed)
      throw new Violation(
        'dead-letter-stored',
        `${this.#of(fate)} has its dead letter, and was delivered again`,
      )
    if (fate.kept !== null) {
      const name = fate.settled === 'dead' && fate.kept === 'ack-durable' ? 'dead-letter-stored' : fate.kept
      throw new Violation(
        name,
        `${this.#of(fate)} was at rest for good (${fate.settled}), and was delivered again`,
      )
    }
    if (!fate.doubtful) {
      throw new Violation(
        'ack-durable',
        `${this.#of(fate)} was ${fate.settled}, and was delivered again by the same process`,
      )
    }
    marks.hit(
      fate.settled === 'dead'
        ? 'dead letter lost with its acknowledgement'
        : 'acknowledgement lost within its window',
    )
    fate.settled = 'no'
    this.atRest--
    fate.doubtful = false
    const floors = this.#floors
    floors[fate.message.partition] = Math.min(floors[fate.message.partition], fate.message.offset)
  }

  /** Offsets only grow, and what is passed over is at rest. */
  #checkOrder(session: Session, message: ModelMessage): void {
    const { partition, offset } = message
    const last = session.last[partition]
    if (offset <= last)
      throw new Violation('key-order', `group ${this.name} got ${message.describe()} after offset ${last}`)
    session.last[partition] = offset
    const floor = this.#floors[partition]
    for (let passed = Math.max(last + 1, floor); passed < offset; passed++)
      this.#checkPassed(partition, passed)
    this.#moveFloor(partition, offset)
  }

  #moveFloor(partition: number, end: number): void {
    const places = this.topic.places[partition]
    let floor = this.#floors[partition]
    for (; floor < end; floor++) {
      const message = places[floor] as ModelMessage
      const fate = this.#fates.get(message)
      if ((fate === undefined || fate.kept === null) && !this.#optional.has(message)) break
    }
    this.#floors[partition] = floor
  }

  #checkPassed(partition: number, offset: number): void {
    const message = this.topic.places[partition][offset]
    if (message === undefined) {
      throw new Violation(
        'offsets-dense',
        `group ${this.name} was led past ${this.topic.name} ${partition}@${offset}, where nothing is known to be`,
      )
    }
    const fate = this.#fates.get(message)
    if (fate !== undefined && fate.settled !== 'no') {
      // Recovery kept it: from then on it is durable.
      if (fate.doubtful) fate.kept ??= fate.settled === 'dead' ? 'dead-letter-stored' : 'ack-durable'
      return
    }
    if (this.#optional.has(message)) return
    throw new Violation('confirmed-present', `${message.describe()} was passed over for group ${this.name}`)
  }

  /** First deliveries of a key come in the order its producer sent them. */
  #checkKeyOrder(message: ModelMessage): void {
    if (message.key === null) return
    const stream = `${message.producer}/${message.key}`
    const last = this.#lastCounters.get(stream) ?? 0
    if (message.counter <= last) {
      throw new Violation(
        'key-order',
        `${message.describe()}, counter ${message.counter}, came after counter ${last} of key '${message.key}'`,
      )
    }
    this.#lastCounters.set(stream, message.counter)
  }

  #checkFailures(fate: Fate, delivery: Delivery): void {
    const { failures } = delivery
    if (failures < fate.leastFailures || failures > fate.failures) {
      throw new Violation(
        'attempts-kept',
        `${this.#of(fate)} comes with ${failures} failures; recorded were ${fate.failures}, durable ${fate.leastFailures}`,
      )
    }
    if (failures > 0) this.topic.world.marks.hit('failure remembered')
    fate.failures = failures
    fate.leastFailures = Math.max(fate.leastFailures, failures)
  }

  #of(fate: Fate): string {
    return `group ${this.name}: ${fate.message.describe()}`
  }
}

export const deathReason = (message: { readonly offset: number; readonly partition: number }): string =>
  `no use for ${message.partition}@${message.offset}`
