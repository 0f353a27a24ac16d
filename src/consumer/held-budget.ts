interface Partition {
  messages: number
  bytes: number
  paused: boolean
}

/** How much is held per partition. Beyond the limit deliveries of the partition pause, until it has drained to half. */
export class HeldBudget {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #pause: (partition: number) => void
  readonly #resume: (partition: number) => void
  readonly #partitions = new Map<number, Partition>()

  constructor(
    limits: { readonly messages: number; readonly bytes: number },
    pause: (partition: number) => void,
    resume: (partition: number) => void,
  ) {
    this.#maxMessages = limits.messages
    this.#maxBytes = limits.bytes
    this.#pause = pause
    this.#resume = resume
  }

  add(partition: number, bytes: number): void {
    let held = this.#partitions.get(partition)
    if (held === undefined) {
      held = { messages: 0, bytes: 0, paused: false }
      this.#partitions.set(partition, held)
    }
    held.messages++
    held.bytes += bytes
    if (held.paused || (held.messages <= this.#maxMessages && held.bytes <= this.#maxBytes)) return
    held.paused = true
    this.#pause(partition)
  }

  remove(partition: number, bytes: number): void {
    const held = this.#partitions.get(partition)
    if (held === undefined) return
    held.messages--
    held.bytes -= bytes
    if (held.paused && held.messages <= this.#maxMessages / 2 && held.bytes <= this.#maxBytes / 2) {
      held.paused = false
      this.#resume(partition)
    }
    if (held.messages === 0) this.#partitions.delete(partition)
  }
}
