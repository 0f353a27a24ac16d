import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { engineWithFault } from './fault.ts'
import { directory, openEngine, openSender, simulatedDisk, subscribe, until } from './support.ts'

const timeout = 20_000

/** An engine whose log has no room for another record until the disk has taken some. */
async function flooded() {
  const engine = await openEngine(simulatedDisk(), { bufferBytes: 272 * 1024, segmentBytes: 1024 * 1024 })
  const { send } = await openSender(engine)
  await send()
  const sends = Array.from({ length: 400 }, () => send({ body: 'x'.repeat(1000) }))
  return { engine, sends }
}

describe('what is created while sends flood the log', { timeout }, () => {
  test('waits for room, in its turn', async () => {
    const { engine, sends } = await flooded()
    const [, , { collector }] = await Promise.all([
      engine.createTopic('orders', { partitions: 3 }),
      // Would make the topic with other settings, were it first.
      engine.createGroup('orders', 'audit', {}),
      subscribe(engine),
      engine.createTopic('refunds', { partitions: 2 }),
    ])
    const topics = new Map((await engine.topics()).map((topic) => [topic.topic, topic]))
    assert.deepEqual([topics.get('orders')?.partitions, topics.get('refunds')?.partitions], [3, 2])
    assert.deepEqual(topics.get('orders')?.groups, ['audit'])
    assert.ok((await Promise.all(sends)).every(({ outcome }) => outcome === 'confirmed'))
    await collector.received(401)
    await engine.close()
  })

  test('is refused for a reason of its own all the same', async () => {
    const { engine } = await flooded()
    const first = engine.createTopic('orders', { partitions: 3 })
    await assert.rejects(engine.createTopic('orders', { partitions: 4 }), { code: 'topic_mismatch' })
    await first
    await engine.close()
  })

  test('is told when the engine is closed', async () => {
    const { engine, sends } = await flooded()
    const asked = [engine.createTopic('orders', {}), subscribe(engine)]
    const told = Promise.all(asked.map((call) => assert.rejects(call, { code: 'closed' })))
    await engine.close()
    await told
    assert.ok((await Promise.all(sends)).every(({ outcome }) => outcome === 'confirmed'))
  })
})

describe('what is created while the log is repaired', { timeout }, () => {
  /** The log has failed, and `attempts` to open it again will. */
  async function failed(attempts: number) {
    const faulty = await engineWithFault({ operation: 'sync', fault: 'eio' })
    const { send } = await openSender(faulty.engine)
    await send()
    faulty.fail(attempts + 1)
    assert.equal((await send()).outcome, 'unknown')
    assert.equal(faulty.engine.health().state, 'failed')
    return faulty
  }

  test('waits until it is, and is there', async () => {
    const { engine, disk } = await failed(1)
    const asked = Promise.all([
      engine.createTopic('orders', { partitions: 3 }),
      engine.createGroup('clicks', 'audit', {}),
      subscribe(engine),
      openSender(engine),
    ])
    assert.equal(engine.health().state, 'failed')
    const [, , { collector }, { send }] = await asked
    assert.equal(engine.health().state, 'ready')
    assert.equal((await send()).outcome, 'confirmed')
    await collector.received(2)
    const again = await openEngine(disk.powerCut())
    const topics = (await again.topics()).map(({ topic, partitions, groups }) => [topic, partitions, groups])
    assert.deepEqual(topics, [
      ['clicks', 8, ['audit', 'billing']],
      ['orders', 3, []],
    ])
    await again.close()
  })

  test('is told when the engine is closed before', async () => {
    const { engine } = await failed(100)
    const asked = [engine.createTopic('orders', {}), engine.createGroup('clicks', 'a', {}), subscribe(engine)]
    const told = Promise.all(asked.map((call) => assert.rejects(call, { code: 'log_unavailable' })))
    await engine.close()
    await told
  })

  test('is told when it cannot be', async () => {
    const { engine, disk } = await failed(1)
    const asked = assert.rejects(engine.createTopic('orders', {}), { code: 'log_unavailable' })
    // Somebody damages the directory meanwhile: waiting does not help.
    disk.put(`${directory}/OWNER`, Buffer.from('what?'))
    await asked
    await assert.rejects(subscribe(engine), { code: 'log_unavailable' })
    await assert.rejects(openSender(engine), { code: 'log_unavailable' })
    await engine.close()
  })
})

test('the process is kept alive while the log is repaired, and no longer', { timeout }, async () => {
  let holds = 0
  const { engine, fail } = await engineWithFault(
    { operation: 'sync', fault: 'eio' },
    {
      keepAlive: () => {
        holds++
        return { cancel: () => void holds-- }
      },
    },
  )
  const { send } = await openSender(engine)
  await send()
  assert.equal(holds, 0)
  fail(2)
  const sent = await send()
  assert.ok(sent.outcome === 'unknown')
  assert.equal(holds, 1)
  assert.notEqual(await sent.resolution, undefined)
  await until(() => holds === 0)
  assert.equal(engine.health().state, 'ready')
  await engine.close()
})
