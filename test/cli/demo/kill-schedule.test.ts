import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KillSchedule } from '../../../src/cli/demo/kill-schedule.ts'
import { SeededRandom } from '../../../src/core/random.ts'

const busy = { unconfirmed: 2000, running: 10 }
const clicks = 100_000

/** The progress at which each kill falls due, when each one lands. */
function points(seed: number, kills: number): number[] {
  const schedule = new KillSchedule(new SeededRandom(seed), kills, clicks)
  const found: number[] = []
  for (let confirmed = 0; confirmed <= clicks; confirmed += 10) {
    if (!schedule.due(confirmed, busy)) continue
    found.push(confirmed)
    schedule.judge(busy)
  }
  return found
}

test('the same seed kills at the same moments, another seed at others', () => {
  assert.deepEqual(points(1, 5), points(1, 5))
  assert.notDeepEqual(points(1, 5), points(2, 5))
})

test('kills are spread over the story, and leave room for a repetition at its end', () => {
  for (let seed = 0; seed < 50; seed++) {
    const all = points(seed, 5)
    assert.equal(all.length, 5)
    all.forEach((point, i) => {
      assert.ok(point >= 5_000 + i * 15_000 && point <= 5_010 + (i + 1) * 15_000, `${seed}: ${all}`)
    })
  }
})

test('a kill is due only where it hits 100 unconfirmed sends and a running handler', () => {
  const schedule = new KillSchedule(new SeededRandom(1), 1, clicks)
  assert.equal(schedule.due(clicks, { unconfirmed: 99, running: 1 }), false)
  assert.equal(schedule.due(clicks, { unconfirmed: 100, running: 0 }), false)
  assert.equal(schedule.due(clicks, { unconfirmed: 100, running: 1 }), true)
})

test('a kill that hit too little is repeated', () => {
  const schedule = new KillSchedule(new SeededRandom(1), 2, clicks)
  assert.equal(schedule.judge({ unconfirmed: 1000, running: 0 }), false)
  assert.deepEqual([schedule.landed, schedule.due(clicks, busy)], [0, true])
  assert.equal(schedule.judge(busy), true)
  assert.equal(schedule.judge(busy), true)
  assert.deepEqual([schedule.landed, schedule.complete, schedule.due(clicks, busy)], [2, true, false])
})

test('without kills nothing is ever due', () => {
  const schedule = new KillSchedule(new SeededRandom(1), 0, clicks)
  assert.deepEqual([schedule.complete, schedule.due(clicks, busy)], [true, false])
})
