import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { isHoldfastError } from '../../../src/core/errors.ts'
import { all, openEngine, openSender, simulatedDisk, subscribe, until } from './support.ts'

const code = (wanted: string) => (error: unknown) => isHoldfastError(error) && error.code === wanted
const timeout = 20_000

describe('topics and groups', { timeout }, () => {
  test('are created once; other settings are refused and name the stored ones', async () => {
    const engine = await openEngine(simulatedDisk())
    await engine.createTopic('clicks', { partitions: 3, maxBytes: 5000 })
    await engine.createTopic('clicks', { partitions: 3 })
    await engine.createTopic('clicks', {})
    await assert.rejects(engine.createTopic('clicks', { partitions: 4 }), code('topic_mismatch'))
    await engine.createGroup('clicks', 'billing', {})
    await engine.createGroup('clicks', 'billing', { order: 'key' })
    await assert.rejects(engine.createGroup('clicks', 'other', { order: 'none' }), code('unsupported'))
    const [topic] = await engine.topics()
    assert.deepEqual([topic?.partitions, topic?.maxBytes, topic?.groups], [3, 5000, ['billing']])
    await engine.close()
  })

  test('outlive the process, however it ends', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    await engine.createTopic('clicks', { partitions: 3, retentionMs: 7 })
    await engine.createGroup('clicks', 'billing', {})
    const again = await openEngine(disk.powerCut())
    const [topic] = await again.topics()
    assert.deepEqual([topic?.topic, topic?.partitions, topic?.retentionMs], ['clicks', 3, 7])
    assert.deepEqual(
      (await again.groups()).map((group) => group.group),
      ['billing'],
    )
    await again.close()
  })

  test('a second consumer of a group in the process is refused with advice', async () => {
    const engine = await openEngine(simulatedDisk())
    const { subscription } = await subscribe(engine)
    await assert.rejects(subscribe(engine), code('unsupported'))
    await subscription.close()
    await (await subscribe(engine)).subscription.close()
    await engine.close()
  })

  test('a new group gets everything still kept', async () => {
    const engine = await openEngine(simulatedDisk())
    const { send } = await openSender(engine)
    await Promise.all(Array.from({ length: 30 }, () => send()))
    const { collector } = await subscribe(engine, 'late')
    await collector.received(30)
    assert.deepEqual(
      collector.deliveries.map((delivery) => delivery.offset),
      Array.from({ length: 30 }, (_, i) => i),
    )
    await engine.close()
  })

  test('a group that comes when segments are gone gets the rest and is not stuck', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine, 'first')
    for (let i = 0; i < 10; i++)
      await Promise.all(Array.from({ length: 20 }, () => send({ body: `{"pad":"${'x'.repeat(400)}"}` })))
    await collector.received(200)
    for (const delivery of collector.deliveries.slice(0, 150)) subscription.ack(delivery)
    await subscription.flush()
    await until(async () => (await engine.topics())[0]!.messages < 200)
    const kept = (await engine.topics())[0]!.messages
    const late = await subscribe(engine, 'late')
    await late.collector.received(kept)
    const offsets = late.collector.deliveries.map((delivery) => delivery.offset)
    assert.deepEqual(
      offsets,
      Array.from({ length: kept }, (_, i) => 200 - kept + i),
    )
    const [info] = (await engine.groups()).filter((group) => group.group === 'late')
    assert.equal(info?.lag, kept)
    await engine.close()
  })
})

describe('deliveries', { timeout }, () => {
  test('what was acknowledged and flushed does not come again, the rest does, marked', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    await Promise.all(Array.from({ length: 10 }, () => send()))
    await collector.received(10)
    for (const i of [7, 1, 3]) subscription.ack(collector.deliveries[i]!)
    await subscription.flush()
    const again = await openEngine(disk.kill())
    const second = await subscribe(again)
    await second.collector.received(7)
    assert.deepEqual(
      second.collector.deliveries.map((delivery) => delivery.offset),
      [0, 2, 4, 5, 6, 8, 9],
    )
    assert.ok(second.collector.deliveries.every((delivery) => delivery.mayBeDuplicate))
    await again.close()
  })

  test('a message nobody was given is no possible duplicate', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    await engine.createGroup('clicks', 'billing', {})
    await send()
    const again = await openEngine(disk.kill())
    const { collector } = await subscribe(again)
    await collector.received(1)
    assert.equal(collector.deliveries[0]?.mayBeDuplicate, false)
    await again.close()
  })

  test('failed attempts and their backoff outlive a restart', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    await send()
    await collector.received(1)
    subscription.retry(collector.deliveries[0]!, {
      failures: 2,
      delayMs: 60_000,
      firstFailureMs: 5,
      fingerprint: 9,
    })
    await subscription.flush()
    const again = await openEngine(disk.powerCut())
    const second = await subscribe(again)
    await second.collector.received(1)
    const [delivery] = second.collector.deliveries
    assert.deepEqual([delivery?.failures, delivery?.firstFailureMs], [2, 5])
    const waitMs = delivery!.notBeforeMs - Date.now()
    assert.ok(waitMs > 50_000 && waitMs <= 60_000, `waits ${waitMs} ms`)
    assert.equal((await again.groups())[0]?.retrying, 1)
    await again.close()
  })

  test('a wait that was asked for is neither cut nor stretched, wherever the wall clock goes', async () => {
    const disk = simulatedDisk()
    let wallMs = 1_700_000_000_000
    const clock: Clock = { ...systemClock, now: () => wallMs, keepAlive: () => ({ cancel: () => undefined }) }
    const engine = await openEngine(disk, { clock })
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    await send()
    await collector.received(1)
    const delayMs = 3_600_000
    subscription.retry(collector.deliveries[0]!, { failures: 1, delayMs, firstFailureMs: 5, fingerprint: 9 })
    await subscription.flush()
    wallMs += 600_000
    const waits: number[] = []
    let next = disk.kill()
    for (const step of [0, -86_400_000]) {
      wallMs += step
      const again = await openEngine(next, { clock })
      const second = await subscribe(again)
      await second.collector.received(1)
      waits.push(second.collector.deliveries[0]!.notBeforeMs - wallMs)
      next = next.kill()
    }
    assert.deepEqual(waits, [3_000_000, 3_600_000])
  })

  test('a dead letter is stored once with everything, and its message is at rest', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    await send({ key: 'ключ', id: 'click-77', body: new Uint8Array([0, 255, 7]) })
    await collector.received(1)
    const death = {
      reason: 'no such card',
      stack: 'Error: no such card\n  at charge',
      attempts: 6,
      firstFailureMs: 1,
      lastFailureMs: 2,
    }
    subscription.deadLetter(collector.deliveries[0]!, death)
    await subscription.flush()
    const again = await openEngine(disk.powerCut())
    const [letter, ...more] = await all(again.deadLetters('clicks', 'billing'))
    assert.equal(more.length, 0)
    assert.deepEqual({ ...letter, ...death }, letter)
    assert.deepEqual(
      [letter?.id, letter?.key, letter?.topic, letter?.group, letter?.offset],
      ['click-77', 'ключ', 'clicks', 'billing', 0],
    )
    assert.deepEqual([...(letter!.body as Uint8Array)], [0, 255, 7])
    const [group] = await again.groups('clicks')
    assert.deepEqual([group?.lag, group?.dead], [0, 1])
    assert.deepEqual(
      (await again.topics()).map((topic) => topic.topic),
      ['clicks'],
    )
    await again.close()
  })

  test('a paused partition catches up when it goes on, and others do not wait for it', async () => {
    const engine = await openEngine(simulatedDisk())
    await engine.createTopic('clicks', { partitions: 2 })
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    const [first, second] = [await partitionOf(send, 'a'), await partitionOf(send, 'd')]
    assert.notEqual(first, second)
    await collector.received(2)
    subscription.pausePartition(first)
    for (let i = 0; i < 100; i++) await Promise.all([send({ key: 'a' }), send({ key: 'd' })])
    await collector.received(102)
    assert.ok(collector.deliveries.slice(2).every((delivery) => delivery.partition === second))
    subscription.resumePartition(first)
    await collector.received(202)
    for (const partition of [first, second]) {
      const offsets = collector.deliveries.filter((d) => d.partition === partition).map((d) => d.offset)
      assert.deepEqual(
        offsets,
        Array.from({ length: 101 }, (_, i) => i),
      )
    }
    await engine.close()
  })

  test('never more than was requested', async () => {
    const engine = await openEngine(simulatedDisk())
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine, 'billing', 'clicks', 7)
    await Promise.all(Array.from({ length: 50 }, () => send()))
    await collector.received(7)
    await subscription.flush()
    assert.equal(collector.deliveries.length, 7)
    subscription.request(43, 2 ** 30)
    await collector.received(50)
    await engine.close()
  })
})

async function partitionOf(
  send: Awaited<ReturnType<typeof openSender>>['send'],
  key: string,
): Promise<number> {
  const sent = await send({ key })
  assert.equal(sent.outcome, 'confirmed')
  return sent.outcome === 'confirmed' ? sent.place.partition : -1
}

describe('space', { timeout }, () => {
  const big = `{"pad":"${'x'.repeat(900)}"}`

  test('falls back to a few segments, a straggler holds one', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    for (let i = 0; i < 30; i++) await Promise.all(Array.from({ length: 20 }, () => send({ body: big })))
    await collector.received(600)
    const segments = () => disk.paths().filter((path) => path.endsWith('.seg')).length
    // One without messages may be gone already.
    assert.ok(segments() >= 10, `${segments()} segments`)
    collector.deliveries.forEach((delivery, i) => {
      if (i !== 100) subscription.ack(delivery)
    })
    await subscription.flush()
    await until(() => segments() <= 3)
    subscription.ack(collector.deliveries[100]!)
    await subscription.flush()
    await until(() => segments() <= 2)
    await engine.close()
  })

  test('a slow group and a topic without a group keep their messages', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine)
    await engine.createGroup('clicks', 'slow', {})
    const { collector, subscription } = await subscribe(engine)
    for (let i = 0; i < 5; i++) {
      await Promise.all(Array.from({ length: 20 }, () => send({ body: big })))
      await Promise.all(Array.from({ length: 20 }, () => send({ topic: 'nobody', body: big })))
    }
    await collector.received(100)
    for (const delivery of collector.deliveries) subscription.ack(delivery)
    await subscription.flush()
    await engine.close()
    const again = await openEngine(disk.powerCut())
    const late = await subscribe(again, 'slow')
    await late.collector.received(100)
    const first = await subscribe(again, 'first', 'nobody')
    await first.collector.received(100)
    await again.close()
  })

  test('a topic over its limit is refused, others are not', async () => {
    const engine = await openEngine(simulatedDisk())
    await engine.createTopic('clicks', { maxBytes: 10_000 })
    const { send } = await openSender(engine)
    const sent = await Promise.all(Array.from({ length: 20 }, () => send({ body: big })))
    const refused = sent.filter((result) => result.outcome === 'refused')
    assert.ok(refused.length > 5)
    assert.ok(refused.every(({ error }) => error.code === 'topic_full' && error.outcome === 'failed'))
    assert.equal((await send({ topic: 'other', body: big })).outcome, 'confirmed')
    await engine.close()
  })

  test('a full disk refuses sends, consumers go on, and space comes back', async () => {
    const disk = simulatedDisk(1, 1024 * 1024)
    const engine = await openEngine(disk, { reserveBytes: 128 * 1024 })
    const { send } = await openSender(engine)
    const { collector, subscription } = await subscribe(engine)
    let confirmed = 0
    for (;;) {
      const sent = await send({ body: big })
      if (sent.outcome === 'refused') {
        assert.deepEqual(
          [sent.error.code, sent.error.outcome, sent.error.retryable],
          ['disk_full', 'failed', true],
        )
        break
      }
      assert.equal(sent.outcome, 'confirmed')
      confirmed++
    }
    assert.ok(confirmed > 300, `only ${confirmed} fitted`)
    assert.equal(engine.health().state, 'degraded')
    await collector.received(confirmed)
    collector.deliveries.forEach((delivery, i) => {
      if (i === 0) {
        subscription.deadLetter(delivery, {
          reason: 'r',
          stack: 's',
          attempts: 1,
          firstFailureMs: 1,
          lastFailureMs: 1,
        })
      } else subscription.ack(delivery)
    })
    await subscription.flush()
    await until(async () => (await send({ body: big })).outcome === 'confirmed')
    assert.equal(engine.health().state, 'ready')
    assert.equal((await all(engine.deadLetters('clicks', 'billing'))).length, 1)
    await engine.close()
    const again = await openEngine(disk.powerCut(), { reserveBytes: 128 * 1024 })
    await again.close()
  })
})
