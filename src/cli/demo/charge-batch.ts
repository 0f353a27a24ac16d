import type { Charge, Ledger } from './ledger.ts'

/**
 * Gathers the charges of handlers that run at the same time into one transaction. A handler's promise resolves only
 * after the commit, so nothing is acknowledged that is not in the books.
 */
export class ChargeBatch {
  readonly #ledger: Pick<Ledger, 'charge'>
  readonly #beforeCommit: () => void
  #waiting: { charge: Charge; resolve: () => void; reject: (error: unknown) => void }[] = []

  constructor(ledger: Pick<Ledger, 'charge'>, beforeCommit: () => void) {
    this.#ledger = ledger
    this.#beforeCommit = beforeCommit
  }

  charge(charge: Charge): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ charge, resolve, reject })
      if (this.#waiting.length === 1) setImmediate(() => this.#commit())
    })
  }

  #commit(): void {
    const group = this.#waiting
    this.#waiting = []
    this.#beforeCommit()
    try {
      this.#ledger.charge(group.map((waiter) => waiter.charge))
    } catch (error) {
      for (const waiter of group) waiter.reject(error)
      return
    }
    for (const waiter of group) waiter.resolve()
  }
}
