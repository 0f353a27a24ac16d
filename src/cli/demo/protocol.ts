import { writeSync } from 'node:fs'
import { readLines } from '../lines.ts'

/** What the supervisor tells a worker when it starts; one line on the worker's stdin, which stays open. */
export interface Assignment {
  readonly directory: string
  readonly seed: number
  /** Clicks of the whole story. */
  readonly clicks: number
  /** The first click never sent. */
  readonly next: number
  /** Clicks whose outcome died with an earlier worker. */
  readonly again: readonly number[]
}

/** What a worker tells the supervisor, as it happens; numbers are of this process. */
export interface Report {
  /** Every click below was sent, by this process or an earlier one. */
  readonly sent: number
  /** Clicks confirmed since the last report. */
  readonly confirmed: readonly number[]
  /** Sends without an answer right now. */
  readonly unconfirmed: number
  /** Handlers that have started and not ended right now. */
  readonly running: number
  /** Handlers that ended well so far. */
  readonly handled: number
  /** How long it took to open the store, milliseconds. */
  readonly openMs: number
}

/** The descriptor a worker reports on. */
export const reportDescriptor = 3

/** Written synchronously: what was reported is out of the process before anything else happens in it. */
export function sendReport(report: Report): void {
  let rest: Uint8Array = Buffer.from(`${JSON.stringify(report)}\n`)
  while (rest.length > 0) rest = rest.subarray(writeSync(reportDescriptor, rest))
}

const maxReportBytes = 4 * 1024 * 1024

/** The reports of a worker until it ends. A report that its death cut short does not count. */
export async function* readReports(source: AsyncIterable<Uint8Array>): AsyncGenerator<Report> {
  for await (const lines of readLines(source, maxReportBytes)) {
    for (const line of lines) {
      if (!line.terminated || line.bytes === null) return
      yield JSON.parse(Buffer.from(line.bytes).toString('utf8')) as Report
    }
  }
}

/** Reads the assignment from `source`; `ended` resolves when the supervisor closes it, which means: send no more. */
export async function readAssignment(
  source: AsyncIterable<Uint8Array>,
): Promise<{ assignment: Assignment; ended: Promise<void> }> {
  const lines = readLines(source, maxReportBytes)
  const { value } = await lines.next()
  const bytes = value?.[0]?.bytes
  if (bytes === undefined || bytes === null) throw new Error('no assignment')
  const assignment = JSON.parse(Buffer.from(bytes).toString('utf8')) as Assignment
  const ended = lines.next().then(
    () => undefined,
    () => undefined,
  )
  return { assignment, ended }
}
