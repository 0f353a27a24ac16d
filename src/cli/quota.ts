/** Lets at most `max` messages be handled: what is running counts, what failed is given back. */
export class Quota {
  readonly #max: number
  #running = 0
  #done = 0

  constructor(max: number) {
    this.#max = max
  }

  get done(): number {
    return this.#done
  }

  /** True when running and done messages are as many as allowed. */
  get taken(): boolean {
    return this.#running + this.#done >= this.#max
  }

  get reached(): boolean {
    return this.#done >= this.#max
  }

  /** False when nothing is left. */
  start(): boolean {
    if (this.taken) return false
    this.#running++
    return true
  }

  succeeded(): void {
    this.#running--
    this.#done++
  }

  failed(): void {
    this.#running--
  }
}
