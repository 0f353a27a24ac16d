import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HoldQueue } from '../../src/consumer/hold-queue.ts'
import { Lane, Work } from '../../src/consumer/lane.ts'
import type { Delivery } from '../../src/core/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'

const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 200 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ advance: fc.integer({ min: 0, max: 20 }) }) },
)

test('a hold queue wakes each lane at its time, in due order, removed ones never', () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 200 }), (actions) => {
      const clock = new ManualClock()
      const waiting = new Set<Lane>()
      const queue = new HoldQueue(
        clock,
        (lane) => {
          assert.ok(waiting.delete(lane))
          assert.equal(lane.place, -1)
          assert.equal(clock.monotonic(), lane.dueMs)
        },
        () => {},
      )
      for (const one of actions) {
        if ('add' in one) {
          const lane = new Lane(null, new Work({} as Delivery))
          waiting.add(lane)
          queue.add(lane, one.add)
        } else if ('remove' in one) {
          const lane = [...waiting][one.remove]
          if (lane === undefined) continue
          waiting.delete(lane)
          queue.remove(lane)
          queue.remove(lane)
        } else clock.advance(one.advance)
        for (const lane of waiting) assert.ok(lane.dueMs >= clock.monotonic())
        assert.ok(clock.pending <= 1)
      }
      clock.advance(200)
      assert.equal(waiting.size, 0)
    }),
    { numRuns: 1000 },
  )
})

test('a wait longer than timers can be is waited in full', () => {
  const clock = new ManualClock()
  let woken = 0
  const queue = new HoldQueue(
    clock,
    () => woken++,
    () => {},
  )
  const lane = new Lane(null, new Work({} as Delivery))
  queue.add(lane, 2 ** 32)
  clock.advance(2 ** 32 - 1)
  assert.equal(woken, 0)
  clock.advance(1)
  assert.equal(woken, 1)
})
