/** Bounds what is under way: `take` waits until there is room for the bytes. For one caller at a time. */
export class Window {
  readonly #maxMessages: number
  readonly #maxBytes: number
  #messages = 0
  #bytes = 0
  #wake: (() => void) | null = null

  constructor(limits: { readonly messages: number; readonly bytes: number }) {
    this.#maxMessages = limits.messages
    this.#maxBytes = limits.bytes
  }

  get messages(): number {
    return this.#messages
  }

  /** Waits for room. A message larger than the whole window goes alone. */
  async take(bytes: number): Promise<void> {
    while (!this.#fits(bytes)) await this.#change()
    this.#messages++
    this.#bytes += bytes
  }

  give(bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#messages > 0) await this.#change()
  }

  #fits(bytes: number): boolean {
    if (this.#messages === 0) return true
    return this.#messages < this.#maxMessages && this.#bytes + bytes <= this.#maxBytes
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
