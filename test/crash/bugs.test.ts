import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bugs } from './bugs.ts'
import { runPool } from './pool.ts'

/** Deaths within which three seeds must have raised the alarm. */
const maxCuts = 2000
const neededFindings = 3

const timeout = 15 * 60_000

for (const { name } of bugs) {
  test(`planted bug: ${name}`, { timeout }, async (context) => {
    const summary = await runPool({
      seed: 1,
      runs: 1000,
      jobs: 2,
      maxCuts,
      maxFindings: neededFindings,
      bug: name,
    })
    const found = summary.findings.map(({ invariant, seed }) => `${invariant} (seed ${seed})`)
    context.diagnostic(`${summary.cuts} deaths: ${found.join(', ')}`)
    assert.ok(
      found.length >= neededFindings,
      `${found.length} findings within ${summary.cuts} deaths: ${found.join(', ')}`,
    )
    for (const { invariant, message } of summary.findings) {
      assert.notEqual(invariant, null, `the simulation itself failed: ${message}`)
      assert.doesNotMatch(message, /a call never returns/, 'a time-out finds nothing')
    }
  })
}
