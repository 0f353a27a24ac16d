import assert from 'node:assert/strict'
import { test } from 'node:test'
import { untilAborted } from '../../src/cli/until-aborted.ts'

test('ends while the source waits', async () => {
  const controller = new AbortController()
  async function* source() {
    yield 1
    await new Promise(() => undefined)
  }
  const seen: number[] = []
  setTimeout(() => controller.abort(), 20)
  for await (const value of untilAborted(source(), controller.signal)) seen.push(value)
  assert.deepEqual(seen, [1])
})

test('passes an error on and lets the source clean up when left early', async () => {
  let cleaned = false
  async function* source() {
    try {
      yield 1
      throw new Error('broken')
    } finally {
      cleaned = true
    }
  }
  const { signal } = new AbortController()
  for await (const value of untilAborted(source(), signal)) {
    assert.equal(value, 1)
    break
  }
  await new Promise(setImmediate)
  assert.equal(cleaned, true)
  await assert.rejects(async () => {
    for await (const _ of untilAborted(source(), signal));
  }, /broken/)
})
