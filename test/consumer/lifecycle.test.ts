import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { startConsumer } from '../../src/consumer/consumer.ts'
import { systemClock } from '../../src/core/clock.ts'
import { HoldfastError, isHoldfastError } from '../../src/core/errors.ts'
import { quietLogger } from '../../src/core/logger.ts'
import { systemRandom } from '../../src/core/random.ts'
import { FakeSubscription } from '../support/fake-subscription.ts'
import { consume, Gate, settle } from './harness.ts'

const logFailed = () => new HoldfastError('log_failed', 'a sync failed')

/** Whether the promise settled, without waiting for it. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  await settle()
  return settled
}

describe('pause and resume', () => {
  it('starts no handler in between, not even for retries', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({}, ({ id }) => {
      seen.push(id)
      if (seen.length === 1) throw new Error('once')
    })
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    consumer.pause()
    subscription.send({ id: 'b' })
    clock.advance(10_000)
    await settle()
    assert.deepEqual(seen, ['a'])
    consumer.resume()
    await settle()
    assert.deepEqual(seen, ['a', 'b', 'a'])
    await consumer.close()
  })

  it('lets a handler pause its own consumer', async () => {
    const seen: string[] = []
    const { subscription, consumer } = await consume({ concurrency: 4 }, ({ id }, context) => {
      seen.push(id)
      context.consumer.pause()
    })
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' })
    await settle()
    assert.deepEqual(seen, ['a'])
    await consumer.close()
  })
})

describe('resume in every handler', () => {
  it('does not grow the stack', async () => {
    const total = 10_000
    const { subscription, consumer } = await consume(
      { concurrency: total, prefetch: total },
      (_, context) => {
        context.consumer.resume()
      },
    )
    await settle()
    subscription.send(...Array.from({ length: total }, (_, i) => ({ id: `m${i}` })))
    await settle()
    assert.equal(subscription.acked.length, total)
    assert.equal(subscription.retries.length, 0)
    await consumer.close()
  })
})

describe('drain', () => {
  it('settles everything in hand, retries included, flushes, and takes nothing new until resume', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ prefetch: 4 }, ({ id }) => {
      seen.push(id)
      if (seen.length === 1) throw new Error('once')
    })
    await settle()
    subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' }, { id: 'b1', key: 'b' })
    consumer.pause()
    await settle()
    const { requests } = subscription
    const drained = consumer.drain()
    subscription.send({ id: 'c1' }, { id: 'c2' }, { id: 'c3' })
    assert.equal(await isSettled(drained), false)
    clock.advance(1000)
    await drained
    assert.deepEqual(seen.toSorted(), ['a1', 'a1', 'a2', 'b1'])
    assert.equal(subscription.flushes, 1)
    await settle()
    assert.equal(subscription.requests, requests)
    assert.deepEqual([...subscription.inHand.keys()], ['c1', 'c2', 'c3'])
    consumer.resume()
    await settle()
    assert.deepEqual(subscription.acked.toSorted(), ['a1', 'a2', 'b1', 'c1', 'c2', 'c3'])
    await consumer.close()
  })

  it('resolves at once when nothing is in hand', async () => {
    const { subscription, consumer } = await consume({}, () => {})
    await settle()
    await consumer.drain()
    subscription.send({ id: 'a' })
    await settle()
    assert.deepEqual(subscription.acked, [])
    await consumer.drain()
    consumer.resume()
    await settle()
    assert.deepEqual(subscription.acked, ['a'])
    await consumer.close()
  })

  it('asks for nothing that was given back just before, until resume', async () => {
    const { subscription, consumer } = await consume({ prefetch: 2 }, () => {})
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' })
    assert.deepEqual(subscription.acked, ['a', 'b'])
    await consumer.drain()
    await settle()
    assert.equal(subscription.credit.messages, 0)
    consumer.resume()
    await settle()
    assert.equal(subscription.credit.messages, 2)
    await consumer.close()
  })

  it('finishes before a resume that comes meanwhile', async () => {
    const gate = new Gate()
    const seen: string[] = []
    const { subscription, consumer } = await consume({ concurrency: 2 }, ({ id }) => {
      seen.push(id)
      return gate.promise
    })
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    const drained = consumer.drain()
    consumer.resume()
    subscription.send({ id: 'b' })
    await settle()
    assert.deepEqual(seen, ['a'])
    gate.open()
    await drained
    await settle()
    assert.deepEqual(subscription.acked, ['a', 'b'])
    await consumer.close()
  })

  it('rejects when the consumer is closed before, and when nothing can be made durable', async () => {
    const gate = new Gate()
    const { subscription, consumer } = await consume({}, () => gate.promise)
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    const drained = assert.rejects(consumer.drain(), { code: 'closed' })
    gate.open()
    const closing = consumer.close()
    await drained
    await closing
    await assert.rejects(consumer.drain(), { code: 'closed' })

    const second = await consume({}, () => {})
    second.subscription.failure = logFailed()
    await assert.rejects(second.consumer.drain(), { code: 'log_failed' })
    second.subscription.failure = null
    await second.consumer.close()
  })
})

describe('close', () => {
  it('waits for running handlers, starts none, and gives the rest back', async () => {
    const gate = new Gate()
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ concurrency: 2 }, ({ id }) => {
      seen.push(id)
      return gate.promise
    })
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' }, { id: 'c' })
    await settle()
    const closing = consumer.close()
    subscription.send({ id: 'd' })
    assert.equal(await isSettled(closing), false)
    gate.open()
    assert.deepEqual(await closing, { handled: 2, unfinished: 0, unconfirmed: 0 })
    assert.deepEqual(seen, ['a', 'b'])
    assert.deepEqual(subscription.acked, ['a', 'b'])
    assert.deepEqual(await consumer.closed, { error: null })
    assert.equal(clock.pending, 0)
    assert.deepEqual(await consumer.close(), { handled: 2, unfinished: 0, unconfirmed: 0 })
    assert.equal(subscription.closes, 1)
  })

  it('aborts at its deadline; what resolves later is not acknowledged', async () => {
    const gate = new Gate()
    const reasons: unknown[] = []
    const { subscription, consumer, clock } = await consume({}, (_, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return gate.promise
    })
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    const closing = consumer.close()
    clock.advance(29_999)
    assert.equal(await isSettled(closing), false)
    assert.equal(reasons.length, 0)
    clock.advance(1)
    assert.deepEqual(await closing, { handled: 0, unfinished: 1, unconfirmed: 0 })
    const [reason] = reasons
    assert.ok(isHoldfastError(reason) && reason.code === 'closed')
    gate.open()
    await settle()
    assert.deepEqual(subscription.acked, [])
    assert.deepEqual(subscription.retries, [])
  })

  it('lets a second call bring the deadline forward', async () => {
    const { subscription, consumer, clock } = await consume({}, () => new Promise(() => {}))
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    const closing = consumer.close({ timeoutMs: 40_000 })
    consumer.close({ timeoutMs: 20_000 })
    consumer.close()
    clock.advance(20_000)
    assert.equal((await closing).unfinished, 1)
    assert.throws(() => consumer.close({ timeoutMs: -1 }), { code: 'invalid_option' })
  })

  it('still remembers failures while it waits, and starts nothing after a late body', async () => {
    const gate = new Gate()
    const bodies: unknown[] = ['now', new Promise((resolve) => gate.promise.catch(() => resolve('late')))]
    let calls = 0
    const { subscription, consumer } = await consume(
      { concurrency: 2, decode: () => bodies.shift() },
      async () => {
        calls++
        await gate.promise
      },
    )
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' })
    await settle()
    const closing = consumer.close()
    gate.break(new Error('no'))
    assert.deepEqual(await closing, { handled: 0, unfinished: 0, unconfirmed: 0 })
    assert.equal(calls, 1)
    assert.deepEqual(
      subscription.retries.map(({ id }) => id),
      ['a'],
    )
    assert.deepEqual(subscription.acked, [])
  })

  it('rejects when settlements cannot be made durable, and closed tells', async () => {
    const { subscription, consumer } = await consume({}, () => {})
    subscription.failure = logFailed()
    await assert.rejects(consumer.close(), { code: 'log_failed' })
    const { error } = await consumer.closed
    assert.equal(error?.code, 'log_failed')
  })

  it('is what the signal does', async () => {
    const controller = new AbortController()
    const { consumer, subscription } = await consume({ signal: controller.signal }, () => {})
    const { consumer: other } = await consume({ signal: controller.signal }, () => {})
    await other.close()
    assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
    controller.abort()
    assert.deepEqual(await consumer.closed, { error: null })
    assert.equal(subscription.closes, 1)
    await assert.rejects(
      consume({ signal: controller.signal }, () => {}),
      { code: 'aborted' },
    )
  })

  it('is done at once when the signal aborts while subscribing', async () => {
    const controller = new AbortController()
    const subscription = new FakeSubscription()
    const starting = startConsumer(
      {
        clock: systemClock,
        random: systemRandom,
        logger: quietLogger,
        capabilities: { order: ['key'] },
        subscribe: async () => {
          controller.abort()
          return subscription
        },
        decode: () => null,
      },
      { topic: 'clicks', group: 'billing', signal: controller.signal },
      () => {},
    )
    await assert.rejects(starting, { code: 'aborted' })
    assert.equal(subscription.closes, 1)
  })
})

describe('a store that fails', () => {
  it('ends the consumer with its error, aborts handlers and settles nothing more', async () => {
    const gate = new Gate()
    const reasons: unknown[] = []
    const { subscription, consumer, lines } = await consume({ concurrency: 2 }, (_, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return gate.promise
    })
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' }, { id: 'c' })
    await settle()
    const error = logFailed()
    subscription.failure = error
    subscription.fail(error)
    assert.deepEqual(await consumer.closed, { error })
    assert.deepEqual(reasons, [error, error])
    gate.open()
    await settle()
    assert.deepEqual(subscription.acked, [])
    assert.deepEqual(await consumer.close(), { handled: 0, unfinished: 2, unconfirmed: 0 })
    assert.equal(lines.filter(({ level }) => level === 'error').length, 1)
  })

  it('is assumed when a settlement throws', async () => {
    const { subscription, consumer } = await consume({}, () => {})
    await settle()
    subscription.ack = () => {
      throw new RangeError('no such delivery')
    }
    subscription.send({ id: 'a' })
    const { error } = await consumer.closed
    assert.equal(error?.code, 'internal')
    assert.ok(error?.cause instanceof RangeError)
    assert.equal((await consumer.close()).handled, 0)
  })
})

describe('listeners', () => {
  it('cannot break the consumer by throwing', async () => {
    const { subscription, consumer, clock } = await consume({ handlerTimeoutMs: 100 }, async ({ id }) => {
      if (id === 'a') await new Promise(() => {})
    })
    await settle()
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    consumer.on('stuck', () => {
      throw new Error('of a listener')
    })
    subscription.send({ id: 'a' })
    await settle()
    clock.advance(100)
    await settle()
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
    assert.equal(uncaught.length, 1)
    assert.equal(subscription.retries.length, 1)
    const closing = consumer.close({ timeoutMs: 0 })
    clock.advance(0)
    await closing
  })
})
