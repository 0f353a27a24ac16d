import type { HoldfastError } from '../core/errors.ts'
import type { Receipt } from '../core/message.ts'

/**
 * What became of a message whose caller was already told "unknown". The promise exists only once somebody asks,
 * and nobody has to look at it: an unobserved failure must not end the process.
 */
export class LateOutcome {
  #receipt: Receipt | null = null
  #error: HoldfastError | null = null
  #asked: PromiseWithResolvers<Receipt> | null = null

  settled(): Promise<Receipt> {
    if (this.#asked === null) {
      this.#asked = Promise.withResolvers<Receipt>()
      this.#asked.promise.catch(() => undefined)
      this.#answer()
    }
    return this.#asked.promise
  }

  resolve(receipt: Receipt): void {
    this.#receipt = receipt
    this.#answer()
  }

  reject(error: HoldfastError): void {
    this.#error = error
    this.#answer()
  }

  #answer(): void {
    if (this.#receipt !== null) this.#asked?.resolve(this.#receipt)
    else if (this.#error !== null) this.#asked?.reject(this.#error)
  }
}
