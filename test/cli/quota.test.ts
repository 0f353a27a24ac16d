import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quota } from '../../src/cli/quota.ts'

test('a quota counts what runs, and takes back what failed', () => {
  const quota = new Quota(2)
  assert.equal(quota.start(), true)
  assert.equal(quota.start(), true)
  assert.equal(quota.taken, true)
  assert.equal(quota.start(), false)
  quota.failed()
  assert.equal(quota.taken, false)
  assert.equal(quota.start(), true)
  quota.succeeded()
  quota.succeeded()
  assert.deepEqual([quota.reached, quota.done], [true, 2])
})
