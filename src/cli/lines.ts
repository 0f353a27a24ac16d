/** One line of input, without its line feed. */
export interface Line {
  /** Counts from 1. */
  readonly number: number
  /** Null when the line is longer than allowed. */
  readonly bytes: Uint8Array | null
  /** Length in bytes, of kept and dropped lines alike. */
  readonly length: number
  /** False for a last line without line feed. */
  readonly terminated: boolean
}

const lineFeed = 0x0a

/**
 * Cuts a stream of bytes into lines, as many at a time as a chunk completes. Pulls the next chunk only when asked, and
 * holds at most one line of `maxBytes` beside the chunk in hand: a longer one is counted, not kept.
 */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line[], void, undefined> {
  const tail = new Tail(maxBytes)
  let number = 0
  for await (const chunk of source) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      tail.append(chunk.subarray(start, end))
      lines.push({ number: ++number, ...tail.take(), terminated: true })
      start = end + 1
    }
    tail.append(chunk.subarray(start))
    if (lines.length > 0) yield lines
  }
  if (tail.length > 0) yield [{ number: ++number, ...tail.take(), terminated: false }]
}

/** The line that is not complete yet. */
class Tail {
  length = 0
  readonly #maxBytes: number
  #parts: Uint8Array[] = []

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  append(part: Uint8Array): void {
    if (part.length === 0) return
    this.length += part.length
    if (this.length > this.#maxBytes) this.#parts = []
    else this.#parts.push(part)
  }

  take(): { bytes: Uint8Array | null; length: number } {
    const { length } = this
    const parts = this.#parts
    this.#parts = []
    this.length = 0
    if (length > this.#maxBytes) return { bytes: null, length }
    const [only] = parts
    return { bytes: parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, length), length }
  }
}
