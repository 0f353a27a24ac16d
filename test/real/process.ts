/** One child process: loaded before it is needed, ordered to begin, killed, and read to its last report. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { nowUs, type Order, type Report } from './protocol.ts'

const childFile = fileURLToPath(new URL('./child.ts', import.meta.url))

/** Compiled once for all children of this process. */
const compiled = mkdtempSync(join(tmpdir(), 'holdfast-compiled-'))
process.once('exit', () => rmSync(compiled, { recursive: true, force: true }))

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

export class ChildRun {
  readonly ended: Promise<Ending>
  readonly #child: ChildProcess
  readonly #listeners = new Set<() => void>()
  #take: (report: Report) => void = () => undefined
  #rest = ''

  constructor() {
    const child = spawn(process.execPath, [childFile], {
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: compiled },
    })
    this.#child = child
    child.stdin?.on('error', () => undefined)
    let stderr = ''
    child.stderr?.on('data', (chunk) => {
      stderr += String(chunk)
    })
    const reports = child.stdio[3] as Readable
    reports.setEncoding('utf8')
    reports.on('data', (chunk: string) => this.#read(chunk))
    reports.on('error', () => undefined)
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      // All that was written before the end has been read by then.
      child.once('close', (code, signal) => {
        for (const wake of this.#listeners) wake()
        resolve({ code, signal, stderr })
      })
    })
  }

  start(order: Order, take: (report: Report) => void): void {
    this.#take = take
    this.#child.stdin?.end(`${JSON.stringify(order)}\n`)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Resolves when `condition` holds after some report; false when the process ended before. */
  async until(condition: () => boolean): Promise<boolean> {
    for (;;) {
      if (condition()) return true
      if (this.isOver) return false
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#listeners.delete(wake)
          resolve()
        }
        this.#listeners.add(wake)
      })
    }
  }

  /** Kills it; returns when that was. */
  kill(): number {
    const atUs = nowUs()
    this.#child.kill('SIGKILL')
    return atUs
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    // The last one may have been cut by the kill.
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#take(JSON.parse(line) as Report)
    for (const wake of [...this.#listeners]) wake()
  }
}
