import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, count, duration, oneLine, plural, time } from '../../src/cli/format.ts'

test('formats numbers, sizes and times for people', () => {
  assert.equal(count(1_234_567), '1,234,567')
  assert.equal(plural(1, 'message'), '1 message')
  assert.equal(plural(2000, 'message'), '2,000 messages')
  assert.deepEqual([0, 1023, 1536, 64 * 1024 ** 2].map(bytes), [
    '0 bytes',
    '1,023 bytes',
    '1.5 KiB',
    '64.0 MiB',
  ])
  assert.deepEqual([0.4, 999.4, 999.6, 12_340, 200_000].map(duration), [
    '0 ms',
    '999 ms',
    '1.0 s',
    '12.3 s',
    '3 min 20 s',
  ])
  assert.equal(time(0), '1970-01-01 00:00:00Z')
})

test('what others wrote cannot steer the terminal', () => {
  assert.equal(oneLine('a\u001b[31m\nb\u202ec', 20), 'a [31m b c')
  assert.equal(oneLine('0123456789', 5), '0123…')
})
