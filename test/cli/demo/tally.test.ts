import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Report, readReports } from '../../../src/cli/demo/protocol.ts'
import { Reporter } from '../../../src/cli/demo/reporter.ts'
import { Tally } from '../../../src/cli/demo/tally.ts'

const report = (change: Partial<Report>): Report => ({
  sent: 0,
  confirmed: [],
  unconfirmed: 0,
  running: 0,
  handled: 0,
  openMs: 0,
  ...change,
})

test('the tally goes on over the lives of workers and counts a click once', () => {
  const tally = new Tally(10)
  tally.note(report({ sent: 4, confirmed: [0, 2], handled: 1 }))
  tally.note(report({ sent: 5, handled: 2 }))
  assert.deepEqual(tally.unconfirmed(), [1, 3, 4])
  tally.workerEnded()
  tally.note(report({ sent: 5, confirmed: [1, 2, 3], handled: 5 }))
  assert.deepEqual([tally.sent, tally.confirmed, tally.handled], [5, 4, 7])
  assert.deepEqual([tally.isConfirmed(3), tally.isConfirmed(4)], [true, false])
})

test('a report that death cut short does not count', async () => {
  async function* pipe() {
    yield Buffer.from(`${JSON.stringify(report({ sent: 1 }))}\n{"sent":2,"conf`)
  }
  const reports: Report[] = []
  for await (const one of readReports(pipe())) reports.push(one)
  assert.deepEqual(reports, [report({ sent: 1 })])
})

test('a worker reports once a turn, and at once before what takes long', async () => {
  const reports: Report[] = []
  const reporter = new Reporter(7, (one) => reports.push(one))
  reporter.opened(12)
  reporter.sending(7)
  reporter.sending(8)
  reporter.started(2)
  reporter.flush()
  reporter.flush()
  assert.deepEqual(reports, [report({ sent: 9, unconfirmed: 2, running: 2, openMs: 12 })])
  reporter.confirmed(8)
  reporter.settled(1)
  reporter.handled(2)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.deepEqual(reports.slice(1), [
    report({ sent: 9, confirmed: [8], unconfirmed: 1, handled: 2, openMs: 12 }),
  ])
})
