import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { engineWithFault } from './fault.ts'
import {
  all,
  directory,
  openEngine,
  openSender,
  type Sent,
  simulatedDisk,
  subscribe,
  until,
} from './support.ts'

const timeout = 20_000

describe('after a failed write or sync', { timeout }, () => {
  for (const operation of ['sync', 'write'] as const) {
    test(`${operation}: waiters learn unknown, then the truth; the engine goes on`, async () => {
      const { disk, engine, fail } = await engineWithFault({ operation, fault: 'eio' })
      const { send } = await openSender(engine)
      const { collector, subscription } = await subscribe(engine)
      const before = await Promise.all(Array.from({ length: 10 }, () => send()))
      assert.ok(before.every((sent) => sent.outcome === 'confirmed'))
      await collector.received(10)
      subscription.ack(collector.deliveries[3]!)
      fail()
      const during = await Promise.all(Array.from({ length: 10 }, () => send()))
      const unknown = during.filter((sent) => sent.outcome === 'unknown')
      assert.ok(unknown.length > 0)
      assert.ok(unknown.every(({ error }) => error.code === 'log_failed' && error.outcome === 'unknown'))
      const placed = await Promise.all(unknown.map(({ resolution }) => resolution))
      assert.equal(engine.health().state, 'ready')
      const after = await Promise.all(Array.from({ length: 10 }, () => send()))
      assert.ok(after.every((sent) => sent.outcome === 'confirmed'))
      const stored = [
        ...offsets(before),
        ...placed.flatMap((place) => (place === null ? [] : [place.offset!])),
        ...offsets(after),
      ]
      assert.deepEqual(stored, Array.from(stored.keys()), 'every offset once, in the order of the sends')
      await collector.received(stored.length)
      for (const delivery of collector.deliveries) if (delivery.offset !== 3) subscription.ack(delivery)
      await subscription.flush()
      const [group] = await engine.groups()
      assert.equal(group?.lag, 0, 'acknowledgements under way when it failed are kept')
      await engine.close()
      const again = await openEngine(disk.powerCut())
      assert.equal((await again.groups())[0]?.lag, 0)
      await again.close()
    })
  }

  test('a dead letter under way is stored all the same', async () => {
    const { disk, engine, fail } = await engineWithFault({ operation: 'sync', fault: 'eio' })
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    await send()
    await collector.received(1)
    fail()
    const death = { reason: 'r', stack: 's', attempts: 1, firstFailureMs: 1, lastFailureMs: 1 }
    subscription.deadLetter(collector.deliveries[0]!, death)
    await subscription.flush()
    const again = await openEngine(disk.powerCut())
    assert.equal((await all(again.deadLetters('clicks', 'billing'))).length, 1)
    assert.equal((await again.groups('clicks'))[0]?.lag, 0)
    await again.close()
  })

  test('while it cannot be opened, sends are refused as failed and health says so; then it is repaired', async () => {
    const { engine, fail } = await engineWithFault({ operation: 'sync', fault: 'eio' })
    const { send } = await openSender(engine)
    assert.equal((await send()).outcome, 'confirmed')
    // The next three syncs fail: the group's, and those of two attempts to open the log again.
    fail(3)
    assert.equal((await send()).outcome, 'unknown')
    assert.equal(engine.health().state, 'failed')
    const refused = await send()
    assert.equal(refused.outcome, 'refused')
    if (refused.outcome === 'refused') {
      assert.deepEqual(
        [refused.error.code, refused.error.outcome, refused.error.retryable],
        ['log_unavailable', 'failed', true],
      )
    }
    await until(() => engine.health().state === 'ready')
    assert.equal((await send()).outcome, 'confirmed')
    await engine.close()
  })

  test('an owner that was replaced confirms nothing and does not come back', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector } = await subscribe(engine)
    assert.equal((await send()).outcome, 'confirmed')
    // What another owner does first: it puts its own file in the place of OWNER.
    const other = disk.writer()
    await other.create(`${directory}/OWNER.other`)
    await other.rename(`${directory}/OWNER.other`, `${directory}/OWNER`)
    const sent = await send()
    assert.deepEqual([sent.outcome, sent.outcome === 'unknown' && sent.error.code], ['unknown', 'fenced'])
    assert.equal(collector.error?.code, 'fenced')
    assert.equal(engine.health().state, 'failed')
    assert.equal((await send()).outcome, 'refused')
    await engine.close()
  })
})

function offsets(sent: readonly Sent[]): number[] {
  return sent.flatMap((result) => (result.outcome === 'confirmed' ? [result.place.offset!] : []))
}
