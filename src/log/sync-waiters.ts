/** Who waits until something is durable, in the order of the tickets they wait for. */
import type { HoldfastError } from '../core/errors.ts'

interface Waiter {
  readonly ticket: number
  readonly resolve: () => void
  readonly reject: (error: HoldfastError) => void
}

export class SyncWaiters {
  readonly #waiting: Waiter[] = []
  readonly #after: { readonly ticket: number; readonly run: () => void }[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(waiter: Waiter): void {
    this.#waiting.push(waiter)
  }

  /** Runs when `ticket` is durable; never when the log fails before. */
  after(ticket: number, run: () => void): void {
    this.#after.push({ ticket, run })
  }

  /** Everything up to `ticket` is durable. */
  reached(ticket: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.ticket <= ticket) this.#waiting.shift()!.resolve()
    while (this.#after.length > 0 && this.#after[0]!.ticket <= ticket) this.#after.shift()!.run()
  }

  failed(error: HoldfastError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error)
  }
}
