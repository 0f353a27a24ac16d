import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../../src/core/engine.ts'
import type { SimulatedDisk } from '../../../src/disk/simulated.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { openEngine, openSender, simulatedDisk, subscribe } from './support.ts'

const retentionMs = 60_000
const dayMs = 86_400_000

/** A clock that counts the timers that were set. */
class CountingClock extends ManualClock {
  timers = 0

  override after(delayMs: number, callback: () => void) {
    this.timers++
    return super.after(delayMs, callback)
  }
}

async function pass(clock: ManualClock, ms: number, stepMs = 5): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(stepMs)
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

async function opened(disk: SimulatedDisk, clock: ManualClock): Promise<Engine> {
  const opening = openEngine(disk, { clock })
  await pass(clock, 50)
  return opening
}

/** Several segments of messages sent just now; all of them handled where `isHandled`. */
async function filled(disk: SimulatedDisk, clock: ManualClock, isHandled = true): Promise<Engine> {
  const engine = await opened(disk, clock)
  await engine.createTopic('clicks', { partitions: 1, retentionMs })
  const { send } = await openSender(engine)
  const { collector, subscription } = await subscribe(engine)
  for (let i = 0; i < 20; i++) {
    await Promise.all(Array.from({ length: 5 }, () => send({ body: `{"pad":"${'x'.repeat(400)}"}` })))
  }
  await pass(clock, 200)
  await collector.received(100)
  if (isHandled) for (const delivery of collector.deliveries) subscription.ack(delivery)
  await subscription.flush()
  await pass(clock, 1000)
  return engine
}

const stored = async (engine: Engine): Promise<number> => (await engine.topics())[0]!.messages

describe('retentionMs', { timeout: 20_000 }, () => {
  test('that passes gives handled messages back, though nothing else happens', async () => {
    const clock = new CountingClock()
    const engine = await filled(simulatedDisk(), clock)
    assert.equal(await stored(engine), 100)
    await pass(clock, retentionMs - 10_000, 1000)
    assert.equal(await stored(engine), 100, 'not before')
    await pass(clock, 10_000, 1000)
    assert.ok((await stored(engine)) < 40, `${await stored(engine)} messages are left`)
    const { timers } = clock
    await pass(clock, dayMs, dayMs / 10)
    // The record that gives a segment up, written and synced, and the vouch for it.
    assert.ok(
      clock.timers - timers < 20,
      `${clock.timers - timers} timers in a day in which nothing can expire`,
    )
    await engine.close()
  })

  test('counts on over a restart', async () => {
    const clock = new ManualClock()
    const disk = simulatedDisk()
    await filled(disk, clock)
    const again = await opened(disk.kill(), clock)
    assert.equal(await stored(again), 100)
    await pass(clock, retentionMs, 1000)
    assert.ok((await stored(again)) < 40, `${await stored(again)} messages are left`)
    await again.close()
  })

  test('sets no timer for what is not handled', async () => {
    const clock = new CountingClock()
    const engine = await filled(simulatedDisk(), clock, false)
    const { timers } = clock
    await pass(clock, dayMs, dayMs / 10)
    assert.equal(clock.timers, timers)
    assert.equal(await stored(engine), 100)
    await engine.close()
  })
})
