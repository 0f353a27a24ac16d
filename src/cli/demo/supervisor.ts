import { SeededRandom } from '../../core/random.ts'
import { CommandError } from '../errors.ts'
import { KillSchedule } from './kill-schedule.ts'
import type { Report } from './protocol.ts'
import { Tally } from './tally.ts'
import { type WorkerEnd, type WorkerKind, WorkerProcess } from './worker-process.ts'

export interface StoryOptions {
  readonly kind: WorkerKind
  readonly directory: string
  readonly seed: number
  readonly clicks: number
  readonly kills: number
  /** Aborted: no more new clicks, no more kills, then the balance. */
  readonly signal: AbortSignal
  readonly onProgress: (story: Story) => void
}

/** One SIGKILL, and how the story went on. */
export interface Kill {
  /** Clicks confirmed until then. */
  readonly atClick: number
  /** Sends without an answer when the process died. */
  readonly unconfirmed: number
  /** Handlers that had started and not ended when the process died. */
  readonly running: number
  /** False: it hit too little and was repeated. */
  readonly counted: boolean
  /** From the kill to the first click confirmed by the next process, milliseconds. */
  recoveryMs: number
  /** How long the next process needed to open the store, milliseconds. */
  openMs: number
}

/** Longest silence of a worker that starts. */
const startDeadlineMs = 15_000
const baseDeadlineMs = 60_000
const deadlineMsPerClick = 0.5
/** Kills may miss, but not for ever. */
const maxMisses = 100

/** Starts the worker, kills it, starts it again, and writes down what it says, until all is billed. */
export class Story {
  readonly tally: Tally
  readonly kills: Kill[] = []
  readonly #options: StoryOptions
  readonly #schedule: KillSchedule
  #worker: WorkerProcess | null = null
  #openKill: { kill: Kill; at: number } | null = null
  #failure: CommandError | null = null

  constructor(options: StoryOptions) {
    this.#options = options
    this.tally = new Tally(options.clicks)
    this.#schedule = new KillSchedule(new SeededRandom(options.seed), options.kills, options.clicks)
  }

  /** Kills that hit enough unfinished work. */
  get landed(): number {
    return this.#schedule.landed
  }

  /** Resolves when every click sent is billed, as far as the workers know. */
  async run(): Promise<void> {
    const { clicks, signal } = this.#options
    const deadlineMs = baseDeadlineMs + clicks * deadlineMsPerClick
    const deadline = setTimeout(() => this.#fail(`the demo took longer than ${deadlineMs} ms`), deadlineMs)
    const stop = () => this.#worker?.stop()
    signal.addEventListener('abort', stop)
    try {
      while (!(await this.#runWorker())) this.tally.workerEnded()
    } finally {
      clearTimeout(deadline)
      signal.removeEventListener('abort', stop)
    }
    if (!signal.aborted && !this.#schedule.complete) {
      throw new CommandError(`only ${this.landed} of ${this.#options.kills} kills hit unfinished work`, {
        advice: 'Try again with more --messages.',
      })
    }
  }

  /** Ends the worker at once. Synchronous. */
  abandon(): void {
    this.#worker?.kill()
  }

  /** One life of the worker. True when it came to the end of the story. */
  async #runWorker(): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure
    const { kind, directory, seed, clicks, signal } = this.#options
    const worker = new WorkerProcess(kind, {
      directory,
      seed,
      clicks,
      next: this.tally.sent,
      // What the naive worker has sent it takes as arrived: it repeats nothing.
      again: this.tally.unconfirmed(),
    })
    this.#worker = worker
    if (signal.aborted) worker.stop()
    const started = setTimeout(() => this.#fail('the worker did not start in time'), startDeadlineMs)
    const { last, killedAt } = await this.#follow(worker, () => clearTimeout(started))
    const end = await worker.ended
    clearTimeout(started)
    this.#worker = null
    if (this.#failure !== null) throw this.#failure
    if (end.signal === 'SIGKILL' && killedAt !== null && last !== null) {
      this.#killed(last, killedAt)
      return false
    }
    if (end.code !== 0) throw workerFailed(end)
    return true
  }

  async #follow(
    worker: WorkerProcess,
    onReport: () => void,
  ): Promise<{ last: Report | null; killedAt: number | null }> {
    let last: Report | null = null
    let killedAt: number | null = null
    let timer: NodeJS.Timeout | null = null
    const kill = () => {
      killedAt = performance.now()
      worker.kill()
    }
    for await (const report of worker.reports()) {
      last = report
      onReport()
      this.tally.note(report)
      this.#recovered(report)
      this.#options.onProgress(this)
      if (
        timer === null &&
        !this.#options.signal.aborted &&
        this.#schedule.due(this.tally.confirmed, report)
      ) {
        timer = setTimeout(kill, this.#schedule.hesitation())
      }
    }
    if (timer !== null) clearTimeout(timer)
    return { last, killedAt }
  }

  #killed(last: Report, at: number): void {
    const kill: Kill = {
      atClick: this.tally.confirmed,
      unconfirmed: last.unconfirmed,
      running: last.running,
      counted: this.#schedule.judge(last),
      recoveryMs: 0,
      openMs: 0,
    }
    this.kills.push(kill)
    this.#openKill = { kill, at }
    if (this.kills.length - this.landed > maxMisses) {
      throw new CommandError(`${maxMisses} kills found no unfinished work to hit`)
    }
  }

  #recovered(report: Report): void {
    if (this.#openKill === null || report.confirmed.length === 0) return
    const { kill, at } = this.#openKill
    kill.recoveryMs = performance.now() - at
    kill.openMs = report.openMs
    this.#openKill = null
  }

  #fail(message: string): void {
    this.#failure = new CommandError(message, { advice: 'Is the machine very busy, or its disk very slow?' })
    this.#worker?.kill()
  }
}

function workerFailed(end: WorkerEnd): CommandError {
  const how = end.signal === null ? `exit code ${end.code}` : end.signal
  return new CommandError(`the worker ended by itself (${how}): ${end.said === '' ? 'no message' : end.said}`)
}
