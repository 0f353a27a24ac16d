/**
 * Messages stored and not yet handed out to every consumer that keeps up, so that such a consumer reads nothing back. Bounded for the
 * whole engine: the oldest goes first, and partitions nobody follows are not kept at all.
 */
import type { StoredMessage } from './delivery.ts'
import type { Partition } from './state.ts'

const maxMessages = 4096
const maxBytes = 8 * 1024 * 1024

/** A consumer this many messages behind no longer counts as keeping up. */
export const followDistance = maxMessages

/** Consecutive messages of one partition. */
export class Tail {
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
  // Linked through the messages, oldest first: the order of eviction.
  #oldest: StoredMessage | null = null
  #newest: StoredMessage | null = null
  #messages = 0
  #bytes = 0

  get size(): number {
    return this.#messages
  }

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
    message.tail = tail
    message.older = this.#newest
    if (this.#newest === null) this.#oldest = message
    else this.#newest.newer = message
    this.#newest = message
    this.#messages++
    this.#bytes += message.bytes
    while (this.#messages > maxMessages || (this.#bytes > maxBytes && this.#messages > 1)) this.#evict()
  }

  /** Nobody waits for the messages below `offset` any more. */
  forget(partition: Partition, offset: number): void {
    const tail = this.#tails.get(partition)
    if (tail === undefined) return
    while (tail.first < offset && tail.end > tail.first) this.#drop(tail)
  }

  #evict(): void {
    const tail = this.#oldest?.tail
    if (tail) this.#drop(tail)
  }

  #drop(tail: Tail): void {
    const message = tail.shift()
    if (message === undefined) return
    const { older, newer } = message
    if (older === null) this.#oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
    // A dead message in the old generation must not keep younger ones alive.
    message.older = null
    message.newer = null
    message.tail = null
    this.#messages--
    this.#bytes -= message.bytes
  }
}
