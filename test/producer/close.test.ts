import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HoldfastError } from '../../src/core/errors.ts'
import { makeProducer, rejection, stateOf, tick } from './support.ts'

const click = { topic: 'clicks', body: 1 }

describe('close', () => {
  it('waits for pending outcomes, refuses new sends, and ends the epoch', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send(click)
    const closing = producer.close()
    await tick()
    assert.equal(await stateOf(closing), 'pending')
    assert.equal(engine.closes, 0)
    for (const refused of [producer.send(click), producer.enqueue(click)]) {
      await assert.rejects(refused, (error: HoldfastError) => error.code === 'closed')
    }
    assert.throws(() => producer.unsafeSendOneway(click), { code: 'closed' })
    engine.confirm()
    await sent
    assert.deepEqual(await closing, { unconfirmed: 0 })
    assert.equal(engine.closes, 1)
    assert.equal(await producer.close(), await closing)
    assert.equal(engine.closes, 1)
  })

  it('answers everybody at the deadline', async () => {
    const { producer, engine, clock } = makeProducer({ window: { messages: 1, bytes: 1 << 20 } })
    const message = { ...click, id: 'a' }
    const sends = [producer.send(message), producer.send(message), producer.send(click), producer.send(click)]
    await tick()
    const closing = producer.close({ timeoutMs: 100 })
    clock.advance(100)
    const errors = await Promise.all(sends.map(rejection))
    assert.deepEqual(
      errors.map(({ code, outcome }) => `${code} ${outcome}`),
      ['send_pending unknown', 'send_pending unknown', 'closed failed', 'closed failed'],
    )
    assert.deepEqual(await closing, { unconfirmed: 4 })
    engine.confirm()
    assert.equal((await errors[0]?.settled?.())?.duplicate, false)
    assert.equal((await errors[1]?.settled?.())?.duplicate, true)
    await tick()
    assert.equal(engine.taken.length, 1, 'nothing is handed over afterwards')
    assert.equal(clock.pending, 0)
  })

  it('waits for what the engine is still finding out', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send(click)
    await tick()
    const resolution = Promise.withResolvers<null>()
    const { HoldfastError } = await import('../../src/core/errors.ts')
    engine.take().unknown(new HoldfastError('log_failed', 'no'), resolution.promise)
    await assert.rejects(sent)
    const closing = producer.close()
    assert.equal(await stateOf(closing), 'pending')
    resolution.resolve(null)
    assert.deepEqual(await closing, { unconfirmed: 0 })
  })

  it('does not reject when the engine cannot record the end', async () => {
    const { producer, engine, log } = makeProducer()
    engine.close = () => Promise.reject(new Error('the disk said no'))
    await producer.close()
    assert.equal(log.lines[0]?.level, 'warn')
  })
})
