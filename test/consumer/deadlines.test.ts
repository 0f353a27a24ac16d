import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Context } from '../../src/consumer/context.ts'
import { DeadLetter } from '../../src/consumer/verdict.ts'
import { isHoldfastError } from '../../src/core/errors.ts'
import { consume, Gate, type Harness, settle } from './harness.ts'

const handlerTimeoutMs = 10_000

interface Run extends Harness {
  readonly seen: string[]
  readonly contexts: Context[]
  readonly gate: Gate
  readonly stuck: unknown[]
}

/** The first attempt of a1 runs until its gate opens; everything else succeeds at once. */
async function stuckRun(options: Parameters<typeof consume>[0] = {}): Promise<Run> {
  const seen: string[] = []
  const contexts: Context[] = []
  const gate = new Gate()
  const harness = await consume({ concurrency: 4, handlerTimeoutMs, ...options }, ({ id }, context) => {
    seen.push(id)
    contexts.push(context)
    return seen.length === 1 ? gate.promise : Promise.resolve()
  })
  const stuck: unknown[] = []
  harness.consumer.on('stuck', (event) => stuck.push(event))
  await settle()
  harness.subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' }, { id: 'b1', key: 'b' })
  await settle()
  return { ...harness, seen, contexts, gate, stuck }
}

describe('the deadline of a handler', () => {
  it('aborts its signal, counts the attempt, and blocks the key until it settles', async () => {
    const { clock, subscription, consumer, seen, contexts, gate, stuck } = await stuckRun()
    const { signal } = contexts[0]
    clock.advance(handlerTimeoutMs - 1)
    await settle()
    assert.equal(signal.aborted, false)
    clock.advance(1)
    await settle()
    assert.equal(signal.aborted, true)
    assert.ok(isHoldfastError(signal.reason) && signal.reason.code === 'timed_out')
    assert.deepEqual(stuck, [{ topic: 'clicks', key: 'a', id: 'a1' }])
    assert.equal(subscription.retries[0].failure.failures, 1)
    clock.advance(60_000)
    await settle()
    assert.deepEqual(seen, ['a1', 'b1'])
    assert.equal(stuck.length, 1)

    gate.break(new Error('aborted'))
    await settle()
    assert.deepEqual(seen, ['a1', 'b1', 'a1', 'a2'])
    assert.equal(contexts[2].attempt, 2)
    assert.equal(subscription.retries.length, 1)
    assert.deepEqual(subscription.acked, ['b1', 'a1', 'a2'])
    await consumer.close()
  })

  it('still waits for the backoff when the handler settles before its end', async () => {
    const { clock, consumer, seen, gate } = await stuckRun()
    clock.advance(handlerTimeoutMs)
    gate.break(new Error('aborted'))
    await settle()
    clock.advance(999)
    await settle()
    assert.deepEqual(seen, ['a1', 'b1'])
    clock.advance(1)
    await settle()
    assert.deepEqual(seen, ['a1', 'b1', 'a1', 'a2'])
    await consumer.close()
  })

  for (const waitMs of [0, 60_000]) {
    it(`acknowledges what resolves late, ${waitMs} ms: the work was done once`, async () => {
      const { clock, subscription, consumer, seen, gate } = await stuckRun()
      clock.advance(handlerTimeoutMs)
      clock.advance(waitMs)
      gate.open()
      await settle()
      clock.advance(60_000)
      await settle()
      assert.deepEqual(seen, ['a1', 'b1', 'a2'])
      assert.deepEqual(subscription.acked, ['b1', 'a1', 'a2'])
      await consumer.close()
    })
  }

  it('heeds a DeadLetter that comes late', async () => {
    const { clock, subscription, consumer, seen, gate } = await stuckRun()
    clock.advance(handlerTimeoutMs)
    gate.break(new DeadLetter('gone'))
    await settle()
    assert.equal(subscription.dead[0].death.reason, 'gone')
    assert.equal(subscription.dead[0].death.attempts, 1)
    assert.deepEqual(seen, ['a1', 'b1', 'a2'])
    await consumer.close()
  })

  it('makes a dead letter of the last attempt, and settles nothing twice', async () => {
    for (const ending of ['open', 'break'] as const) {
      const { clock, subscription, consumer, seen, gate } = await stuckRun({ maxAttempts: 1 })
      clock.advance(handlerTimeoutMs)
      await settle()
      assert.deepEqual(
        subscription.dead.map(({ id }) => id),
        ['a1'],
      )
      // The handler still runs, so the key still waits.
      assert.deepEqual(seen, ['a1', 'b1'])
      subscription.send({ id: 'a3', key: 'a' })
      await settle()
      gate[ending](new Error('late'))
      await settle()
      assert.deepEqual(seen, ['a1', 'b1', 'a2', 'a3'])
      assert.deepEqual(subscription.acked, ['b1', 'a2', 'a3'])
      assert.equal(subscription.dead.length, 1)
      await consumer.close()
    }
  })

  it('takes the messages of a key that arrives after it died at its deadline', async () => {
    const gate = new Gate()
    const seen: string[] = []
    const { clock, subscription, consumer } = await consume(
      { handlerTimeoutMs, maxAttempts: 1 },
      ({ id }) => {
        seen.push(id)
        return id === 'a1' ? gate.promise : undefined
      },
    )
    await settle()
    subscription.send({ id: 'a1', key: 'a' })
    await settle()
    clock.advance(handlerTimeoutMs)
    subscription.send({ id: 'a2', key: 'a' })
    await settle()
    assert.deepEqual(seen, ['a1'])
    // Nothing of the key can run: none of it uses the prefetch.
    subscription.send({ id: 'a3', key: 'a' })
    await settle()
    assert.equal(subscription.credit.messages, 500)
    consumer.pause()
    gate.open()
    await settle()
    // It can run again: what comes now uses the prefetch.
    subscription.send({ id: 'a4', key: 'a' })
    await settle()
    assert.equal(subscription.credit.messages, 499)
    consumer.resume()
    await settle()
    assert.deepEqual(seen, ['a1', 'a2', 'a3', 'a4'])
    await consumer.close()
  })

  it('gives the prefetch of what waits behind a dead message back too', async () => {
    const { clock, subscription, consumer, gate } = await stuckRun({ maxAttempts: 1 })
    clock.advance(handlerTimeoutMs)
    await settle()
    assert.deepEqual([...subscription.inHand.keys()], ['a2'])
    assert.equal(subscription.credit.messages, 500)
    gate.open()
    await consumer.close()
  })

  it('forgets the retry of what resolved late', async () => {
    const { clock, subscription, consumer, seen, gate } = await stuckRun()
    clock.advance(handlerTimeoutMs)
    consumer.pause()
    gate.open()
    await settle()
    subscription.send({ id: 'a3', key: 'a' })
    clock.advance(60_000)
    consumer.resume()
    await settle()
    assert.deepEqual(seen, ['a1', 'b1', 'a2', 'a3'])
    assert.deepEqual(subscription.acked, ['b1', 'a1', 'a2', 'a3'])
    await consumer.close()
  })

  it('passes once for each handler', async () => {
    const { clock, subscription, consumer } = await consume({ concurrency: 2, handlerTimeoutMs }, () => {
      return new Promise(() => {})
    })
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    clock.advance(handlerTimeoutMs / 2)
    subscription.send({ id: 'b' })
    await settle()
    clock.advance(handlerTimeoutMs * 3)
    await settle()
    assert.deepEqual(
      subscription.retries.map(({ id }) => id),
      ['a', 'b'],
    )
    const closing = consumer.close({ timeoutMs: 0 })
    clock.advance(0)
    assert.equal((await closing).unfinished, 2)
  })

  it('is moved by extend, counted from now and never to an earlier time', async () => {
    const { clock, subscription, consumer, contexts, gate, stuck } = await stuckRun()
    clock.advance(4000)
    contexts[0].extend(20_000)
    contexts[0].extend(1)
    assert.deepEqual(subscription.extended, [
      { id: 'a1', ms: 20_000 },
      { id: 'a1', ms: 1 },
    ])
    clock.advance(19_999)
    await settle()
    assert.equal(stuck.length, 0)
    clock.advance(1)
    await settle()
    assert.equal(stuck.length, 1)
    contexts[0].extend(50_000)
    assert.equal(subscription.extended.length, 2)
    assert.throws(() => contexts[0].extend(0), TypeError)
    assert.throws(() => contexts[0].extend(Number.NaN), TypeError)
    gate.open()
    await consumer.close()
  })

  it('covers the decoder, and then no handler starts', async () => {
    const decoded = Promise.withResolvers<string>()
    let calls = 0
    const bodies = [decoded.promise, Promise.resolve('second')]
    const { clock, subscription, consumer } = await consume(
      { handlerTimeoutMs, decode: () => bodies.shift() },
      ({ body }) => {
        calls++
        assert.equal(body, 'second')
      },
    )
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    clock.advance(handlerTimeoutMs)
    decoded.resolve('first')
    await settle()
    assert.equal(calls, 0)
    clock.advance(1000)
    await settle()
    assert.equal(calls, 1)
    assert.deepEqual(subscription.acked, ['a'])
    await consumer.close()
  })

  it('needs one timer for all handlers', async () => {
    const gate = new Gate()
    const { clock, subscription, consumer } = await consume({ concurrency: 50 }, () => gate.promise)
    await settle()
    subscription.send(...Array.from({ length: 50 }, (_, i) => ({ id: `m${i}` })))
    await settle()
    assert.equal(clock.pending, 1)
    gate.open()
    await consumer.close()
  })
})
