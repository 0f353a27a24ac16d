import type { Outgoing } from '../../core/engine.ts'
import type { Partition } from './state.ts'

export interface PendingMessage {
  readonly message: Outgoing
  /** Of the producer that sent it. */
  readonly epoch: string
  readonly partition: Partition
  readonly offset: number
}

const firstCapacity = 1024

/**
 * Messages appended and not yet durable, in the order of their tickets. A ring of columns instead of an object for each: every
 * message passes through, and what survives a garbage collection on its way is copied by it.
 */
export class PendingMessages {
  #messages = new Array<Outgoing | null>(firstCapacity).fill(null)
  #epochs = new Array<string>(firstCapacity).fill('')
  #partitions = new Array<Partition | null>(firstCapacity).fill(null)
  #offsets = new Float64Array(firstCapacity)
  #tickets = new Float64Array(firstCapacity)
  #mask = firstCapacity - 1
  /** Counts what was taken, and what was added; both only grow. */
  #head = 0
  #end = 0

  add(message: Outgoing, epoch: string, partition: Partition, offset: number, ticket: number): void {
    if (this.#end - this.#head > this.#mask) this.#grow()
    const at = this.#end++ & this.#mask
    this.#messages[at] = message
    this.#epochs[at] = epoch
    this.#partitions[at] = partition
    this.#offsets[at] = offset
    this.#tickets[at] = ticket
  }

  /** Takes out what has a ticket up to this one. */
  take(
    ticket: number,
    durable: (message: Outgoing, epoch: string, partition: Partition, offset: number) => void,
  ): void {
    while (this.#head < this.#end) {
      const at = this.#head & this.#mask
      if ((this.#tickets[at] as number) > ticket) return
      const message = this.#messages[at] as Outgoing
      this.#messages[at] = null
      this.#head++
      durable(
        message,
        this.#epochs[at] as string,
        this.#partitions[at] as Partition,
        this.#offsets[at] as number,
      )
    }
  }

  /** Whether one of this producer's is among them. */
  has(epoch: string): boolean {
    for (const entry of this) if (entry.epoch === epoch) return true
    return false
  }

  *[Symbol.iterator](): Generator<PendingMessage, void> {
    for (let i = this.#head; i < this.#end; i++) {
      const at = i & this.#mask
      yield {
        message: this.#messages[at] as Outgoing,
        epoch: this.#epochs[at] as string,
        partition: this.#partitions[at] as Partition,
        offset: this.#offsets[at] as number,
      }
    }
  }

  #grow(): void {
    const old = [...this]
    const tickets = this.#tickets.slice()
    const { length } = tickets
    const firstAt = this.#head & this.#mask
    const capacity = length * 2
    this.#messages = new Array<Outgoing | null>(capacity).fill(null)
    this.#epochs = new Array<string>(capacity).fill('')
    this.#partitions = new Array<Partition | null>(capacity).fill(null)
    this.#offsets = new Float64Array(capacity)
    this.#tickets = new Float64Array(capacity)
    this.#mask = capacity - 1
    this.#head = 0
    this.#end = 0
    for (const [i, { message, epoch, partition, offset }] of old.entries()) {
      this.add(message, epoch, partition, offset, tickets[(firstAt + i) & (length - 1)] as number)
    }
  }
}
