/** Processes that follow one another on one directory, and the witness of all of them. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ChildRun, type Ending } from './process.ts'
import { nowUs, type Order, type Report } from './protocol.ts'
import { Witness } from './witness.ts'

/** Fewer sends under way, or no handler running: then a cut does not count. */
export const minUnconfirmed = 100

export interface Cycle {
  /** Waits for its first confirmation, so long again, and then for a moment in which much is under way. */
  underLoad(ms: number): Promise<void>
  /** False when it ended before. */
  until(condition: () => boolean): Promise<boolean>
  /** Ends it; whether that hit it under load. */
  kill(): Promise<boolean>
  readonly ended: Promise<Ending>
  /** How it ended, for people. */
  epitaph(): Promise<string>
}

export type HostOptions = Pick<Order, 'directory' | 'segmentBytes' | 'reserveBytes'>

export class Hosts {
  readonly witness = new Witness()
  /** From the order to the first confirmation of each. */
  readonly recoveryMs: number[] = []
  /** Of the last drained: floor and end by partition. */
  partitions: readonly (readonly [floor: number, end: number])[] = []
  readonly #options: HostOptions
  readonly #alive = new Set<ChildRun>()
  #spare: ChildRun
  #life = 0

  constructor(options: HostOptions) {
    this.#options = options
    this.#spare = this.#load()
  }

  async begin(order: Partial<Order>, hear: (report: Report) => void = () => undefined): Promise<Cycle> {
    const { witness } = this
    const child = this.#spare
    this.#spare = this.#load()
    const life = ++this.#life
    witness.begin(life)
    let confirmed = false
    const startedUs = nowUs()
    child.start({ ...idle, ...this.#options, life, ...order }, (report) => {
      witness.take(report)
      hear(report)
      if (report[0] === 'opened') this.partitions = report[2]
      if (confirmed || report[0] !== 'confirmed') return
      confirmed = true
      this.recoveryMs.push((nowUs() - startedUs) / 1000)
    })
    const isBusy = () => witness.unconfirmed >= minUnconfirmed && witness.running >= 1
    const epitaph = async (): Promise<string> => {
      const { code, signal, stderr } = await child.ended
      return `life ${life} ended with ${code ?? signal}: ${[...witness.violations, stderr].join('\n')}`
    }
    return {
      ended: child.ended,
      until: (condition) => child.until(condition),
      async underLoad(ms) {
        const first = await child.until(() => confirmed)
        await sleep(ms)
        if (!first || !(await child.until(isBusy))) assert.fail(await epitaph())
      },
      async kill() {
        const atUs = child.kill()
        await child.ended
        // What it reported while it died counts, too.
        const busy = isBusy()
        witness.end(atUs)
        return busy
      },
      epitaph,
    }
  }

  /** A process that only handles, until nothing is left, and closes in order. */
  async drain(): Promise<void> {
    let closed = false
    const { ended, epitaph } = await this.begin({ untilHandled: true }, (report) => {
      closed ||= report[0] === 'closed'
    })
    const { code } = await ended
    if (code !== 0 || !closed) assert.fail(await epitaph())
    this.witness.end(nowUs())
    this.partitions = this.partitions.map(([, end]) => [end, end])
  }

  /** Resolves when none is left. */
  async killAll(): Promise<void> {
    const alive = [...this.#alive]
    for (const child of alive) child.kill()
    await Promise.all(alive.map((child) => child.ended))
  }

  #load(): ChildRun {
    const child = new ChildRun()
    this.#alive.add(child)
    void child.ended.then(() => this.#alive.delete(child))
    return child
  }
}

const idle = { producers: 0, inFlight: 0, concurrency: 16, barrierMs: 0, untilHandled: false }
