/** The part of a process that signals need. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  kill(pid: number, signal: NodeJS.Signals): unknown
  readonly pid: number
}

const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * The first SIGINT or SIGTERM asks for draining, through `signal`; the second one ends the process as if nobody
 * had listened, so that the parent sees the true reason.
 */
export class Shutdown {
  readonly #controller = new AbortController()
  readonly #beforeForce = new Set<() => void>()
  readonly #source: SignalSource
  readonly #announce: (signal: NodeJS.Signals) => void
  readonly #listener = (signal: NodeJS.Signals) => this.#received(signal)

  constructor(source: SignalSource, announce: (signal: NodeJS.Signals) => void) {
    this.#source = source
    this.#announce = announce
    for (const name of signals) source.on(name, this.#listener)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get requested(): boolean {
    return this.#controller.signal.aborted
  }

  /** Runs `callback`, synchronously, before the process is ended at once. Returns how to take it back. */
  beforeForce(callback: () => void): () => void {
    this.#beforeForce.add(callback)
    return () => this.#beforeForce.delete(callback)
  }

  /** Resolves at the first signal. */
  wait(): Promise<void> {
    if (this.requested) return Promise.resolve()
    return new Promise((resolve) => {
      this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  dispose(): void {
    for (const name of signals) this.#source.off(name, this.#listener)
  }

  #received(signal: NodeJS.Signals): void {
    if (!this.requested) {
      this.#announce(signal)
      this.#controller.abort(signal)
      return
    }
    for (const callback of this.#beforeForce) callback()
    this.dispose()
    this.#source.kill(this.#source.pid, signal)
  }
}
