/** Spreads seeds over processes. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Finding } from './finding.ts'
import { Marks } from './marks.ts'
import type { Report } from './worker.ts'

export interface PoolOptions {
  /** The first seed; the others follow. */
  readonly seed: number
  readonly runs: number
  readonly jobs: number
  /** Ends when so many power cuts and kills happened. */
  readonly maxCuts?: number | undefined
  /** Ends when so many alarms were raised. */
  readonly maxFindings?: number | undefined
  readonly bug?: string | undefined
  readonly onReport?: ((summary: Summary) => void) | undefined
}

export interface Summary {
  runs: number
  cuts: number
  operations: number
  readonly marks: Marks
  readonly findings: Finding[]
}

const worker = fileURLToPath(new URL('./worker.ts', import.meta.url))

export async function runPool(options: PoolOptions): Promise<Summary> {
  const summary: Summary = { runs: 0, cuts: 0, operations: 0, marks: new Marks(), findings: [] }
  const jobs = Math.min(options.jobs, options.runs)
  const isDone = (): boolean =>
    summary.cuts >= (options.maxCuts ?? Number.POSITIVE_INFINITY) ||
    summary.findings.length >= (options.maxFindings ?? Number.POSITIVE_INFINITY)
  const children = new Set<ChildProcess>()
  const work = (job: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const count = Math.ceil((options.runs - job) / jobs)
      const args = [options.seed + job, jobs, count, ...(options.bug === undefined ? [] : [options.bug])]
      const child = fork(worker, args.map(String), {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        // A directory's messages live for a second: with room for them the collector has little to copy.
        execArgv: [...process.execArgv, '--max-semi-space-size=16'],
      })
      children.add(child)
      child.on('message', (report: Report) => {
        if (isDone()) return
        take(summary, report)
        options.onReport?.(summary)
        if (isDone()) for (const other of children) other.kill()
      })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        if (code === 0 || (signal !== null && isDone())) resolve()
        else reject(new Error(`a process of the simulation ended with ${code ?? signal}`))
      })
    })
  await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)))
  return summary
}

function take(summary: Summary, report: Report): void {
  summary.runs++
  summary.cuts += report.cuts
  summary.operations += report.operations
  summary.marks.add(report.marks)
  if (report.finding !== null) summary.findings.push(report.finding)
}
