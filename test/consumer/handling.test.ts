import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { startConsumer } from '../../src/consumer/consumer.ts'
import type { Context } from '../../src/consumer/context.ts'
import { DeadLetter } from '../../src/consumer/verdict.ts'
import { systemClock } from '../../src/core/clock.ts'
import { HoldfastError, isHoldfastError } from '../../src/core/errors.ts'
import { quietLogger } from '../../src/core/logger.ts'
import type { Message } from '../../src/core/message.ts'
import { systemRandom } from '../../src/core/random.ts'
import { FakeSubscription } from '../support/fake-subscription.ts'
import { consume, Gate, settle } from './harness.ts'

describe('a consumer', () => {
  it('acknowledges what its handler resolved, and only then', async () => {
    const gate = new Gate()
    const { subscription, consumer } = await consume({}, () => gate.promise)
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    assert.deepEqual(subscription.acked, [])
    gate.open()
    await settle()
    assert.deepEqual(subscription.acked, ['a'])
    assert.deepEqual(await consumer.close(), { handled: 1, unfinished: 0, unconfirmed: 0 })
    assert.equal(subscription.closes, 1)
  })

  it('gives the handler the whole message and its context', async () => {
    const seen: { message: Message; context: Context }[] = []
    const { subscription, consumer, lines } = await consume({}, (message, context) => {
      seen.push({ message, context })
      context.log.info({ cents: 1 }, 'charged')
    })
    await settle()
    subscription.send({ id: 'a', key: 'k', partition: 3, body: '{"cents":1}', fence: 7 })
    await settle()
    const [{ message, context }] = seen
    assert.deepEqual(message, {
      id: 'a',
      topic: 'clicks',
      partition: 3,
      offset: 0,
      key: 'k',
      body: { cents: 1 },
      headers: {},
      sentAtMs: 1,
      mayBeDuplicate: false,
      afterGap: false,
    })
    assert.equal(context.consumer, consumer)
    assert.equal(context.attempt, 1)
    assert.equal(context.fence, 7)
    assert.equal(context.signal.aborted, false)
    assert.equal(context.signal, context.signal)
    const { level, fields, message: text } = lines[0]
    assert.deepEqual([level, text], ['info', 'charged'])
    assert.deepEqual(fields, {
      topic: 'clicks',
      group: 'billing',
      partition: 3,
      offset: 0,
      messageId: 'a',
      attempt: 1,
      key: 'k',
      cents: 1,
    })
    await consumer.close()
  })

  it('calls no handler before its promise resolved and one macrotask passed', async () => {
    const order: string[] = []
    const subscription = new FakeSubscription()
    subscription.send({ id: 'a' })
    const consumer = await startConsumer(
      {
        clock: systemClock,
        random: systemRandom,
        logger: quietLogger,
        capabilities: { order: ['key'] },
        subscribe: async (_, sink) => subscription.attach(sink),
        decode: () => null,
      },
      { topic: 'clicks', group: 'billing' },
      () => order.push('handler'),
    )
    order.push('resolved')
    for (let i = 0; i < 100; i++) await null
    process.nextTick(() => order.push('tick'))
    await setImmediate()
    await setImmediate()
    assert.deepEqual(order, ['resolved', 'tick', 'handler'])
    await consumer.close()
  })

  it('accepts handlers that return nothing, thenables and promises', async () => {
    const results: unknown[] = [
      undefined,
      7,
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      { then: (resolve: () => void) => resolve() },
      Promise.resolve(),
    ]
    const { subscription, consumer } = await consume({}, () => results.shift())
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' })
    await settle()
    assert.deepEqual(subscription.acked, ['a', 'b', 'c', 'd'])
    await consumer.close()
  })

  it('decodes anew for every attempt', async () => {
    const bodies: unknown[] = []
    const { subscription, consumer, clock } = await consume({}, ({ body }) => {
      bodies.push(body)
      if (bodies.length === 1) {
        ;(body as { cents: number }).cents = 2
        throw new Error('again')
      }
    })
    await settle()
    subscription.send({ id: 'a', body: '{"cents":1}' })
    await settle()
    clock.advance(1000)
    await settle()
    assert.deepEqual(bodies, [{ cents: 2 }, { cents: 1 }])
    await consumer.close()
  })

  it('waits for a decoder that is asynchronous', async () => {
    const bodies: unknown[] = []
    const { subscription, consumer } = await consume({ decode: async () => 'late' }, ({ body }) =>
      bodies.push(body),
    )
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    assert.deepEqual(bodies, ['late'])
    await consumer.close()
  })

  for (const [name, decode] of [
    ['cannot be decoded', () => JSON.parse('{')],
    ['does not fit its schema', () => Promise.reject(new HoldfastError('invalid_body', 'cents: missing'))],
  ] as const) {
    it(`makes a body that ${name} a dead letter at once`, async () => {
      const { subscription, consumer } = await consume({ decode }, () => assert.fail('no handler'))
      await settle()
      subscription.send({ id: 'a' })
      await settle()
      assert.match(subscription.dead[0].death.reason, /^invalid_body: /)
      assert.equal(subscription.dead[0].death.attempts, 1)
      assert.deepEqual(subscription.retries, [])
      assert.deepEqual(subscription.acked, [])
      await consumer.close()
    })
  }

  it('says when a message may be a duplicate', async () => {
    const seen: [string, boolean][] = []
    const { subscription, consumer, clock } = await consume({ concurrency: 3 }, ({ id, mayBeDuplicate }) => {
      seen.push([id, mayBeDuplicate])
      if (seen.length === 3) throw new Error('again')
    })
    await settle()
    subscription.send({ id: 'a' }, { id: 'b', mayBeDuplicate: true }, { id: 'c' }, { id: 'd', failures: 1 })
    await settle()
    clock.advance(1000)
    await settle()
    assert.deepEqual(seen, [
      ['a', false],
      ['b', true],
      ['c', false],
      ['d', true],
      ['c', true],
    ])
    await consumer.close()
  })

  it('tells the messages behind a dead one of the gap, and no other key', async () => {
    const seen: [string, boolean][] = []
    const { subscription, consumer } = await consume({ concurrency: 8 }, ({ id, afterGap }) => {
      seen.push([id, afterGap])
      if (id === 'a1') throw new DeadLetter('no')
    })
    await settle()
    subscription.send({ id: 'a0', key: 'a' }, { id: 'a1', key: 'a' }, { id: 'a2', key: 'a' })
    subscription.send({ id: 'b1', key: 'b' }, { id: 'c1', key: 'c', afterGap: true }, { id: 'n' })
    await settle()
    subscription.send({ id: 'a3', key: 'a' })
    await settle()
    assert.deepEqual(Object.fromEntries(seen), {
      a0: false,
      a1: false,
      a2: true,
      a3: true,
      b1: false,
      c1: true,
      n: false,
    })
    await consumer.close()
  })

  for (const kind of ['without a promise', 'with a settled promise'] as const) {
    it(`runs handlers ${kind} in turns, so that timers run too`, async () => {
      const total = 2000
      const subscription = new FakeSubscription()
      let handled = 0
      const work = (): void => {
        const endMs = performance.now() + 0.02
        while (performance.now() < endMs);
        handled++
      }
      const consumer = await startConsumer(
        {
          clock: systemClock,
          random: systemRandom,
          logger: quietLogger,
          capabilities: { order: ['key'] },
          subscribe: async (_, sink) => subscription.attach(sink),
          decode: () => null,
        },
        { topic: 'clicks', group: 'billing', prefetch: total },
        kind === 'without a promise' ? work : async () => work(),
      )
      await settle()
      const atTimers: number[] = []
      const timer = setInterval(() => atTimers.push(handled), 1)
      subscription.send(...Array.from({ length: total }, (_, i) => ({ id: `m${i}` })))
      while (handled < total) await setImmediate()
      clearInterval(timer)
      assert.ok(atTimers.filter((count) => count > 0 && count < total).length >= 3)
      await consumer.close()
    })
  }

  it('refuses wrong options, all at once', async () => {
    const failing = consume({ concurrency: 0, maxAttempts: 0, group: 'a b' }, () => {})
    await assert.rejects(failing, (error) => {
      assert.ok(isHoldfastError(error))
      assert.equal(error.code, 'invalid_option')
      assert.match(error.message, /concurrency.*maxAttempts/)
      return true
    })
    await assert.rejects(
      consume({ group: 'a b' }, () => {}),
      { code: 'invalid_name' },
    )
  })

  it('refuses an order the engine cannot keep, before it subscribes', async () => {
    const parts = {
      clock: systemClock,
      random: systemRandom,
      logger: quietLogger,
      capabilities: { order: ['key'] as const },
      subscribe: () => assert.fail('subscribed'),
      decode: () => null,
    }
    const options = { topic: 'clicks', group: 'billing', order: 'none' as const }
    await assert.rejects(
      startConsumer(parts, options, () => {}),
      { code: 'unsupported' },
    )
  })

  it('passes prefetch on, twice the concurrency but at least 500', async () => {
    for (const [options, messages, bytes] of [
      [{}, 500, 2 ** 24],
      [{ concurrency: 400 }, 800, 2 ** 24],
      [{ prefetch: 7 }, 7, 2 ** 24],
      [{ prefetch: { messages: 7, bytes: 100 } }, 7, 100],
    ] as const) {
      const { subscription, consumer } = await consume(options, () => {})
      assert.deepEqual(subscription.credit, { messages: 0, bytes: 0 })
      await settle()
      assert.deepEqual(subscription.credit, { messages, bytes })
      await consumer.close()
    }
  })
})
