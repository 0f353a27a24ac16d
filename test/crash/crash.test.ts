import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { describe } from './finding.ts'
import { runPool } from './pool.ts'

const baseSeed = 1
const deaths = 26_000
/** A feature that was not met so often was not tested. */
const leastMarks = 500
const leastOperations = 200

/** Two idle cores need about five minutes; a stuck simulation ends by itself, with its seed. */
const timeout = 40 * 60_000

test(`${deaths} deaths of the process or the machine break no promise`, { timeout }, async (context) => {
  const summary = await runPool({
    seed: baseSeed,
    runs: deaths,
    jobs: availableParallelism(),
    maxCuts: deaths,
    maxFindings: 3,
  })
  const operations = summary.operations / summary.cuts
  context.diagnostic(
    `${summary.cuts} deaths in ${summary.runs} directories from seed ${baseSeed}, ${operations.toFixed(0)} operations each`,
  )
  for (const [name, times] of summary.marks.counts) context.diagnostic(`${times} × ${name}`)
  assert.deepEqual(summary.findings.map(describe), [])
  assert.ok(operations >= leastOperations, `only ${operations} operations between two deaths`)
  const rare = [...summary.marks.counts].filter(([, times]) => times < leastMarks)
  assert.deepEqual(rare, [], `happened less than ${leastMarks} times`)
})
