/**
 * The newest messages of partitions whose consumers keep up, so that a consumer that keeps up reads nothing back. Bounded for the whole
 * engine: the oldest goes first, and partitions nobody follows are not kept at all.
 */
import type { StoredMessage } from './delivery.ts'
import type { Partition } from './state.ts'

const maxMessages = 4096
const maxBytes = 8 * 1024 * 1024

/** A consumer this many messages behind no longer counts as keeping up. */
export const followDistance = maxMessages

/** Consecutive messages of one partition. */
class Tail {
  first = 0
  #messages: (StoredMessage | undefined)[] = []
  #head = 0

  get end(): number {
    return this.first + this.#messages.length - this.#head
  }

  at(offset: number): StoredMessage | undefined {
    return offset < this.first ? undefined : this.#messages[this.#head + offset - this.first]
  }

  push(message: StoredMessage): void {
    if (this.#messages.length === this.#head) {
      this.#messages.length = 0
      this.#head = 0
      this.first = message.offset
    }
    this.#messages.push(message)
  }

  shift(): StoredMessage | undefined {
    const message = this.#messages[this.#head]
    if (message === undefined) return undefined
    this.#messages[this.#head++] = undefined
    this.first++
    if (this.#head >= 1024) this.#messages = this.#messages.slice(this.#head)
    if (this.#head >= 1024) this.#head = 0
    return message
  }
}

export class MessageCache {
  readonly #tails = new Map<Partition, Tail>()
  /** Whose message is the oldest, second oldest, …: the order of eviction. */
  #order: Partition[] = []
  #orderHead = 0
  #messages = 0
  #bytes = 0

  get(partition: Partition, offset: number): StoredMessage | undefined {
    return this.#tails.get(partition)?.at(offset)
  }

  add(partition: Partition, message: StoredMessage): void {
    let tail = this.#tails.get(partition)
    if (tail === undefined) {
      tail = new Tail()
      this.#tails.set(partition, tail)
    }
    while (tail.end > tail.first && tail.end !== message.offset) this.#drop(tail)
    tail.push(message)
    this.#order.push(partition)
    this.#messages++
    this.#bytes += message.bytes
    while (this.#messages > maxMessages || (this.#bytes > maxBytes && this.#messages > 1)) this.#evict()
  }

  clear(): void {
    this.#tails.clear()
    this.#order = []
    this.#orderHead = 0
    this.#messages = 0
    this.#bytes = 0
  }

  #evict(): void {
    const partition = this.#order[this.#orderHead++]!
    if (this.#orderHead >= 4096) {
      this.#order = this.#order.slice(this.#orderHead)
      this.#orderHead = 0
    }
    const tail = this.#tails.get(partition)
    if (tail !== undefined) this.#drop(tail)
  }

  #drop(tail: Tail): void {
    const message = tail.shift()
    if (message === undefined) return
    this.#messages--
    this.#bytes -= message.bytes
  }
}
