import type { TextStream } from './output.ts'

const redrawMs = 100
const clearLine = '\r\u001b[K'

/** One live line on a terminal. Elsewhere it is silent. */
export class Progress {
  readonly #stream: TextStream
  readonly #now: () => number
  #drawnAt = Number.NEGATIVE_INFINITY
  #visible = false

  constructor(stream: TextStream, now: () => number = () => performance.now()) {
    this.#stream = stream
    this.#now = now
  }

  /** Draws at most ten times a second; what is skipped is replaced by the next. */
  show(text: () => string): void {
    if (this.#stream.isTTY !== true || this.#now() - this.#drawnAt < redrawMs) return
    this.#drawnAt = this.#now()
    this.#visible = true
    this.#stream.write(clearLine + text().slice(0, (this.#stream.columns || 80) - 1))
  }

  /** Takes the line away, so that other output starts in an empty one. */
  clear(): void {
    if (!this.#visible) return
    this.#visible = false
    this.#drawnAt = Number.NEGATIVE_INFINITY
    this.#stream.write(clearLine)
  }
}
