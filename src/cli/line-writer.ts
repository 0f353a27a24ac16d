import { write } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Writes all of the bytes, or rejects. */
export type Sink = (bytes: Uint8Array) => Promise<void>

/** Whoever read the output has gone. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

/**
 * Lines, in the order of the calls. A call resolves when the sink has taken its line; lines that come while a
 * write runs share the next one. After the first failure every line is refused.
 */
export class LineWriter {
  readonly #sink: Sink
  #failure: Error | null = null
  #waiting: { line: string; resolve: () => void; reject: (error: Error) => void }[] = []
  #writing = false

  constructor(sink: Sink) {
    this.#sink = sink
  }

  write(line: string): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject })
      if (!this.#writing) void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#writing = true
    // One turn later, so that a burst of calls shares its first write too.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        if (this.#failure === null) await this.#sink(Buffer.from(`${group.map((w) => w.line).join('\n')}\n`))
      } catch (error) {
        this.#failure = isClosedPipe(error) ? new OutputClosed('the output was closed') : (error as Error)
      }
      for (const waiter of group) {
        if (this.#failure === null) waiter.resolve()
        else waiter.reject(this.#failure)
      }
    }
    this.#writing = false
  }
}

function isClosedPipe(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EPIPE' || code === 'EBADF'
}

const retryMs = 5

/**
 * Writes to a file descriptor outside the event loop: a reader that stops reading slows the messages down, and
 * signals are still heard.
 */
export function descriptorSink(descriptor: number): Sink {
  const once = (bytes: Uint8Array) =>
    new Promise<number>((resolve, reject) => {
      write(descriptor, bytes, (error, written) => (error === null ? resolve(written) : reject(error)))
    })
  return async (bytes) => {
    let rest = bytes
    while (rest.length > 0) {
      try {
        rest = rest.subarray(await once(rest))
      } catch (error) {
        // A descriptor shared with a non-blocking program says so when it is full.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        await sleep(retryMs)
      }
    }
  }
}
