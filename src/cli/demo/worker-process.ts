import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Assignment, type Report, readReports, reportDescriptor } from './protocol.ts'

export type WorkerKind = 'worker' | 'unsafe-worker'

const keptErrorBytes = 4096

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it wrote to stderr. */
  readonly said: string
}

/** A running worker, seen from the supervisor. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #reports: Readable
  readonly #ended: Promise<WorkerEnd>

  constructor(kind: WorkerKind, assignment: Assignment) {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const file = fileURLToPath(new URL(`./${kind}${extension}`, import.meta.url))
    this.#child = spawn(
      process.execPath,
      // Measured at full rate: 104 MB instead of 226 MB; V8 would let the young generation grow without need.
      ['--max-semi-space-size=4', '--disable-warning=ExperimentalWarning', file],
      { stdio: ['pipe', 'ignore', 'pipe', 'pipe'] },
    )
    this.#reports = this.#child.stdio[reportDescriptor] as Readable
    this.#ended = this.#watch()
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stdin?.write(`${JSON.stringify(assignment)}\n`)
  }

  /** Everything it reports, to the last word before its end. */
  reports(): AsyncIterable<Report> {
    return readReports(this.#reports)
  }

  /** Resolves when the process has ended and its pipes are empty. */
  get ended(): Promise<WorkerEnd> {
    return this.#ended
  }

  /** It shall send no new clicks, and end when everything sent is billed. */
  stop(): void {
    this.#child.stdin?.end()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #watch(): Promise<WorkerEnd> {
    let said = Buffer.alloc(0)
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      said = Buffer.concat([said, chunk]).subarray(-keptErrorBytes)
    })
    return new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        resolve({ code, signal, said: said.toString('utf8').trim() })
      })
    })
  }
}
