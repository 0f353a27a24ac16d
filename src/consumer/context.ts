import type { Logger } from '../core/logger.ts'
import type { Consumer } from './consumer.ts'
import type { Lane, Work } from './lane.ts'

/** What a handler gets beside its message; good for this attempt only. */
export interface Context {
  /**
   * Aborts when the attempt is over for Holdfast: `handlerTimeoutMs` passed, the deadline of `close` passed, or the store
   * failed. `signal.reason` is a HoldfastError.
   */
  readonly signal: AbortSignal
  /** 1 for the first attempt. Attempts that do not count (`Retry`) do not count here either. */
  readonly attempt: number
  /**
   * Grows whenever the partition changes hands, for a compare-and-set of your own: a store that remembers the largest it
   * saw can refuse an outdated consumer. null where the engine has none.
   */
  readonly fence: number | null
  /** Names topic, group, id, key and attempt in every line. */
  readonly log: Logger
  readonly consumer: Consumer
  /**
   * The handler needs `ms` more, counted from now: moves the deadline of `handlerTimeoutMs`, never to an earlier time. Nothing
   * happens once the attempt is over.
   *
   * @throws TypeError unless `ms` is a finite number above 0.
   */
  extend(ms: number): void
}

/** What the attempts of one consumer share. */
export interface AttemptHost {
  readonly consumer: Consumer
  logger(attempt: Attempt): Logger
  extend(attempt: Attempt, ms: number): void
}

/** One call of the handler, and its context. What few handlers ask for is made when they do. */
export class Attempt implements Context {
  readonly attempt: number
  readonly lane: Lane
  readonly work: Work
  /** Monotonic. */
  readonly startedMs: number
  /** Monotonic. */
  deadlineMs: number
  /** The deadline passed and the attempt was counted as failed; its promise has not settled yet. */
  expired = false
  /** The promise settled, or nobody waits for it any more. */
  over = false
  private readonly host: AttemptHost
  private controller: AbortController | null = null
  private abortReason: Error | null = null
  private logger: Logger | null = null

  constructor(host: AttemptHost, lane: Lane, work: Work, startedMs: number, timeoutMs: number) {
    this.host = host
    this.lane = lane
    this.work = work
    this.attempt = work.failures + 1
    this.startedMs = startedMs
    this.deadlineMs = startedMs + timeoutMs
  }

  get fence(): number | null {
    return this.work.delivery.fence
  }

  get consumer(): Consumer {
    return this.host.consumer
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController()
      if (this.abortReason !== null) this.controller.abort(this.abortReason)
    }
    return this.controller.signal
  }

  get log(): Logger {
    this.logger ??= this.host.logger(this)
    return this.logger
  }

  extend(ms: number): void {
    if (!(ms > 0 && ms < Number.POSITIVE_INFINITY)) {
      throw new TypeError(`extend: ms must be a finite number above 0, not ${String(ms)}`)
    }
    if (!this.over && !this.expired) this.host.extend(this, ms)
  }

  /** For the dispatcher. The first reason stays. */
  abort(reason: Error): void {
    this.abortReason ??= reason
    this.controller?.abort(this.abortReason)
  }
}
