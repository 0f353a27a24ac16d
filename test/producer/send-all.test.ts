import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HoldfastError } from '../../src/core/errors.ts'
import { bodies, makeProducer, stateOf, tick } from './support.ts'

const clicks = (count: number) => Array.from({ length: count }, (_, n) => ({ topic: 'clicks', body: n }))

describe('sendAll', () => {
  it('feeds any number of messages through the window, in order, and never trips over maxPending', async () => {
    const { producer, engine } = makeProducer({
      window: { messages: 10, bytes: 1 << 20 },
      maxPending: { messages: 16, bytes: 1 << 20 },
    })
    let most = 0
    engine.onBatch = () => {
      most = Math.max(most, engine.open.length)
      setImmediate(() => engine.confirmAll())
    }
    const results = await producer.sendAll(clicks(1000))
    assert.equal(results.length, 1000)
    assert.ok(results.every((result) => result.ok))
    assert.deepEqual(
      results.map((result) => (result.ok ? result.receipt.offset : -1)),
      clicks(1000).map(({ body }) => body),
    )
    assert.deepEqual(
      bodies(engine.taken),
      clicks(1000).map(({ body }) => body),
    )
    assert.ok(most <= 10)
  })

  it('leaves room for single sends beside it', async () => {
    const { producer, engine } = makeProducer({
      window: { messages: 10, bytes: 1 << 20 },
      maxPending: { messages: 4, bytes: 1 << 20 },
    })
    const all = producer.sendAll(clicks(100))
    await tick()
    const single = producer.send({ topic: 'clicks', body: 'single' })
    engine.onBatch = () => setImmediate(() => engine.confirmAll())
    engine.confirmAll()
    await Promise.all([single, all])
  })

  it('bounds its bytes too', async () => {
    const { producer, engine } = makeProducer({ maxPending: { messages: 1000, bytes: 20_000 } })
    const all = producer.sendAll(
      Array.from({ length: 50 }, () => ({ topic: 'clicks', body: 'x'.repeat(3000) })),
    )
    await tick()
    assert.ok(engine.open.length <= 4, `${engine.open.length} under way`)
    engine.onBatch = () => setImmediate(() => engine.confirmAll())
    engine.confirmAll()
    assert.equal((await all).length, 50)
  })

  it('reports each failure in its place', async () => {
    const { producer, engine } = makeProducer()
    const all = producer.sendAll([
      { topic: 'clicks', body: 1 },
      { topic: 'clicks', body: 1n },
      { topic: 'no spaces', body: 1 },
      { topic: 'clicks', body: 4 },
    ])
    await tick()
    engine.confirm()
    engine.take().refused(new HoldfastError('topic_full', 'full'))
    const results = await all
    assert.deepEqual(
      results.map((result) => (result.ok ? 'ok' : result.error.code)),
      ['ok', 'invalid_message', 'invalid_name', 'topic_full'],
    )
    assert.ok(results[1]?.ok === false && results[1].error.cause instanceof TypeError)
  })

  it('takes the list as it was at the call; an empty one is done', async () => {
    const { producer, engine } = makeProducer()
    assert.deepEqual(await producer.sendAll([]), [])
    await assert.rejects(producer.sendAll('clicks' as never), TypeError)
    const list = clicks(2)
    const all = producer.sendAll(list)
    list.length = 0
    await tick()
    engine.confirmAll()
    assert.equal((await all).length, 2)
  })

  it('goes on while the producer closes, until the deadline', async () => {
    const { producer, engine, clock } = makeProducer({ window: { messages: 2, bytes: 1 << 20 } })
    const all = producer.sendAll(clicks(10))
    const closing = producer.close({ timeoutMs: 1000 })
    await tick()
    engine.confirmAll()
    await tick()
    assert.equal(engine.taken.length, 4)
    assert.equal(await stateOf(closing), 'pending')
    clock.advance(1000)
    assert.deepEqual(await closing, { unconfirmed: 8 })
    assert.deepEqual(
      (await all).map((result) => (result.ok ? 'ok' : result.error.code)),
      ['ok', 'ok', 'send_pending', 'send_pending', ...Array.from({ length: 6 }, () => 'closed')],
    )
    const late = await producer.sendAll(clicks(1))
    assert.ok(late[0]?.ok === false && late[0].error.code === 'closed')
  })
})
