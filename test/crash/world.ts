import type { Placement } from '../../src/core/engine.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import type { CrashClock } from './clock.ts'
import type { Death } from './group-model.ts'
import type { Marks } from './marks.ts'
import type { ModelMessage } from './message.ts'
import { TopicModel } from './topic-model.ts'
import { Violation } from './violation.ts'

/** Everything outside the store that remembers what the store promised. Lives as long as the directory. */
export class World {
  readonly clock: CrashClock
  readonly marks: Marks
  readonly topics: TopicModel[] = []
  /** Counts the processes; what an earlier one still says is not heard. */
  boot = 0
  isDead = false
  /** A second process is taking the directory over: this one may be told that it is fenced. */
  isContested = false
  /** A process that lives on though another one has taken the directory over; 0: none. */
  replaced = 0
  /** Opened so far. */
  producers = 0
  /** Operations so far. */
  operations = 0
  readonly #messages = new Map<string, ModelMessage>()
  /** The first thing that went wrong. Throwing alone would not do: the engine may catch it. */
  violation: Violation | null = null

  constructor(clock: CrashClock, marks: Marks) {
    this.clock = clock
    this.marks = marks
  }

  addTopic(name: string, partitions: number): TopicModel {
    const topic = new TopicModel(this, name, partitions)
    this.topics.push(topic)
    return topic
  }

  get sent(): number {
    return this.#messages.size
  }

  accepted(message: ModelMessage): void {
    this.#messages.set(message.fullId, message)
  }

  messageOf(id: string, topic: TopicModel): ModelMessage {
    const message = this.#messages.get(id)
    if (message === undefined || message.model !== topic) {
      throw new Violation('not-invented', `${topic.name}: nobody sent a message with id ${id}`)
    }
    if (message.state === 'refused') {
      throw new Violation('not-invented', `${message.describe()} was refused and is there all the same`)
    }
    return message
  }

  confirmed(message: ModelMessage, partition: number, offset: number | undefined): void {
    if (message.boot === this.replaced) {
      this.violation ??= new Violation(
        'one-owner',
        `${message.describe()} was confirmed by a process whose directory another one owned`,
      )
    }
    this.hear(message.boot, () => {
      this.#mustBeOpen(message, 'confirmed')
      message.state = 'confirmed'
      if (offset === undefined)
        throw new Violation('offsets-dense', `${message.describe()} was confirmed without a place`)
      message.model.place(message, partition, offset)
    })
  }

  refused(message: ModelMessage, error: HoldfastError): void {
    this.hear(message.boot, () => {
      this.#mustBeOpen(message, 'refused')
      message.state = 'refused'
      if (error.outcome !== 'failed') {
        throw new Violation(
          'answers',
          `${message.describe()} was refused with outcome '${error.outcome}' (${error.code})`,
        )
      }
    })
  }

  unknown(message: ModelMessage, resolution: Promise<Placement | null> | null): void {
    const { boot } = message
    this.hear(boot, () => {
      this.#mustBeOpen(message, 'unknown')
      message.state = 'unknown'
    })
    const found = (place: Placement | null): void =>
      this.hear(boot, () => {
        message.state = place === null ? 'refused' : 'confirmed'
        if (place === null) {
          if (message.offset >= 0)
            throw new Violation('not-invented', `${message.describe()} was said to be absent`)
        } else message.model.place(message, place.partition, place.offset ?? -1)
      })
    resolution?.then(found, () => undefined)
  }

  /** Runs a check in a callback of the engine, where nobody would see an exception. */
  hear(boot: number, check: () => void): void {
    if (boot !== this.boot || this.isDead) return
    try {
      check()
    } catch (error) {
      this.violation ??=
        error instanceof Violation
          ? error
          : new Violation('answers', `the model failed: ${error}`, { cause: error })
    }
  }

  /** The process is gone. What was not answered may be there or not. */
  processDied(death: Omit<Death, 'atMs'>): void {
    this.isDead = true
    for (const message of this.#messages.values()) {
      if (message.boot === this.boot && message.state === 'open') message.state = 'unknown'
    }
    for (const topic of this.topics) {
      for (const group of topic.groups) group.processDied({ atMs: this.clock.monotonic(), ...death })
    }
  }

  /** A process has opened the directory. */
  opened(): void {
    for (const topic of this.topics) for (const group of topic.groups) group.opened()
  }

  /** Messages of the running process without an answer. */
  openMessages(): number {
    let count = 0
    for (const message of this.#messages.values())
      if (message.boot === this.boot && message.state === 'open') count++
    return count
  }

  checkViolation(): void {
    if (this.violation !== null) throw this.violation
  }

  #mustBeOpen(message: ModelMessage, what: string): void {
    if (message.state !== 'open')
      throw new Violation('answers', `${message.describe()} was ${what} after its answer`)
  }
}
