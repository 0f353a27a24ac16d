import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from './manual-clock.ts'

test('timers run in due order, the clock standing at each due time', () => {
  const clock = new ManualClock(1_000)
  const seen: string[] = []
  const note = (name: string) => () => seen.push(`${name}@${clock.monotonic()}/${clock.now()}`)
  clock.after(30, note('c'))
  clock.after(10, note('a'))
  clock.after(10, note('b'))
  clock.after(31, note('late'))
  clock.advance(30)
  assert.deepEqual(seen, ['a@10/1010', 'b@10/1010', 'c@30/1030'])
  assert.equal(clock.pending, 1)
  assert.equal(clock.monotonic(), 30)
})

test('a timer set by a timer runs in the same advance when it is due', () => {
  const clock = new ManualClock()
  const at: number[] = []
  clock.after(10, () => clock.after(5, () => at.push(clock.monotonic())))
  clock.advance(14)
  assert.deepEqual(at, [])
  clock.advance(1)
  assert.deepEqual(at, [15])
})

test('a cancelled timer never runs', () => {
  const clock = new ManualClock()
  let ran = false
  const timer = clock.after(1, () => {
    ran = true
  })
  timer.cancel()
  timer.cancel()
  clock.advance(10)
  assert.equal(ran, false)
  assert.equal(clock.pending, 0)
})

test('runNext jumps to the next timer', () => {
  const clock = new ManualClock()
  let at = -1
  clock.after(500, () => {
    at = clock.monotonic()
  })
  assert.equal(clock.runNext(), true)
  assert.equal(at, 500)
  assert.equal(clock.runNext(), false)
})

test('stepping the wall clock moves no timer', () => {
  const clock = new ManualClock(5_000)
  let ran = false
  clock.after(10, () => {
    ran = true
  })
  clock.stepWall(-4_000)
  assert.equal(clock.now(), 1_000)
  clock.advance(9)
  assert.equal(ran, false)
  clock.advance(1)
  assert.equal(ran, true)
  assert.equal(clock.now(), 1_010)
})
