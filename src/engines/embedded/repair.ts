/** After the log failed: its directory is opened anew, until that works, no waiting can help, or the engine is closed. */
import { HoldfastError, isHoldfastError } from '../../core/errors.ts'
import type { Recovered } from '../../log/recovery.ts'
import { openStore } from './directory.ts'
import type { EmbeddedOptions } from './options.ts'
import type { Store, StoreEvents } from './store.ts'

/** Waits before the attempts; the last one repeats. */
const reopenAfterMs = [0, 1000, 2000, 4000, 8000, 15_000, 30_000]

export interface RepairHost extends StoreEvents {
  repaired(dead: Store, store: Store, recovered: Recovered): void
  /** An attempt failed; another follows where the error is retryable. */
  notRepaired(error: HoldfastError): void
}

export class Repair {
  /** Rejects when there is no other store, and never will be. */
  readonly done: Promise<Store>
  readonly #options: EmbeddedOptions
  readonly #host: RepairHost
  #isStopped = false
  #endWait: () => void = () => undefined

  constructor(dead: Store, options: EmbeddedOptions, host: RepairHost) {
    this.#options = options
    this.#host = host
    this.done = this.#run(dead)
    this.done.catch(() => undefined)
  }

  /** No further attempt. */
  stop(): void {
    this.#isStopped = true
    this.#endWait()
  }

  async #run(dead: Store): Promise<Store> {
    const { clock, directory } = this.#options
    // Who waits to learn what became of a message may have nothing else that keeps the process alive.
    const alive = clock.keepAlive()
    try {
      await dead.log.close()
      for (let attempt = 0; ; attempt++) {
        await this.#wait(reopenAfterMs[Math.min(attempt, reopenAfterMs.length - 1)]!)
        if (this.#isStopped)
          throw new HoldfastError('closed', `${directory} was closed while its log was being repaired`)
        const store = await this.#attempt(dead)
        if (store !== null) return store
      }
    } finally {
      alive.cancel()
    }
  }

  /** Null when it is worth another attempt. */
  async #attempt(dead: Store): Promise<Store | null> {
    const { directory, logger } = this.#options
    try {
      const { store, recovered } = await openStore({ ...this.#options, createIfMissing: false }, this.#host)
      if (this.#isStopped) {
        await store.log.close()
        return null
      }
      this.#host.repaired(dead, store, recovered)
      return store
    } catch (error) {
      const failure = isHoldfastError(error)
        ? error
        : new HoldfastError('io_failed', String(error), { cause: error })
      logger.error({ directory, err: error }, `opening ${directory} again failed: ${failure.message}`)
      this.#host.notRepaired(failure)
      if (!failure.retryable) throw failure
      return null
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve)
      this.#endWait = () => {
        timer.cancel()
        resolve()
      }
      if (this.#isStopped) this.#endWait()
    })
  }
}
