import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkPlatform, connect } from '../src/connect.ts'
import { encodeBody } from '../src/core/codec.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { SeededRandom } from '../src/core/random.ts'
import { topic } from '../src/core/topic.ts'
import { Holdfast } from '../src/holdfast.ts'
import { FakeEngine, fakeDelivery } from './support/fake-engine.ts'
import { LogRecorder } from './support/log-recorder.ts'
import { ManualClock } from './support/manual-clock.ts'

function open(engine = new FakeEngine()) {
  const clock = new ManualClock()
  const log = new LogRecorder()
  const holdfast = new Holdfast(engine, { clock, random: new SeededRandom(1), logger: log })
  return { holdfast, engine, clock, log }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof HoldfastError, String(error))
  assert.equal(error.code, expected)
  return true
}

describe('producer', () => {
  it('has a label and an epoch of its own', async () => {
    const { holdfast, engine } = open()
    const [a, b] = [await holdfast.producer({ id: 'clicks-service' }), await holdfast.producer()]
    assert.equal(a.label, 'clicks-service')
    assert.match(b.label, new RegExp(`-${process.pid}$`))
    assert.deepEqual(
      engine.producers.map(({ label, epoch }) => [label, epoch.length]),
      [
        [a.label, 16],
        [b.label, 16],
      ],
    )
    assert.notDeepEqual(engine.producers[0]?.epoch, engine.producers[1]?.epoch)
    await holdfast.close()
  })

  it('refuses wrong options, all at once', async () => {
    const { holdfast, engine } = open()
    const wrong = { sendTimeoutMs: 0, window: { messages: 'many' }, maxPendign: {} }
    await assert.rejects(holdfast.producer(wrong as never), (error: HoldfastError) => {
      assert.equal(error.code, 'invalid_option')
      for (const part of ['sendTimeoutMs', 'window.messages', "did you mean 'maxPending'"]) {
        assert.ok(error.message.includes(part), `${part} in: ${error.message}`)
      }
      return true
    })
    assert.equal(engine.producers.length, 0)
  })
})

describe('consume', () => {
  it('hands decoded bodies to the handler and acknowledges them', async () => {
    const { holdfast, engine } = open()
    const seen: unknown[] = []
    const consumer = await holdfast.consume({ topic: 'clicks', group: 'billing' }, (message) => {
      seen.push(message.body)
    })
    await tick()
    const delivery = fakeDelivery({ ...encodeBody({ cents: 1 }) })
    engine.subscriptions[0]?.sink.deliver([delivery])
    await tick()
    await tick()
    assert.deepEqual(seen, [{ cents: 1 }])
    assert.deepEqual(engine.subscriptions[0]?.acked, [delivery])
    assert.equal((await consumer.close()).handled, 1)
    assert.deepEqual(await holdfast.close(), { handled: 1, unfinished: 0, unconfirmed: 0 })
  })

  it('gives handlers of a typed topic what the schema makes of the body, and dead-letters what does not fit', async () => {
    const { holdfast, engine } = open()
    const validate = (value: unknown) =>
      typeof value === 'number' ? { value: value * 2 } : { issues: [{ message: 'no number' }] }
    const numbers = topic('numbers', { schema: { '~standard': { version: 1, vendor: 'test', validate } } })
    const seen: unknown[] = []
    await holdfast.consume({ topic: numbers, group: 'billing' }, (message) => void seen.push(message.body))
    await tick()
    const wrong = fakeDelivery({ id: 'b', offset: 1, ...encodeBody('x') })
    engine.subscriptions[0]?.sink.deliver([fakeDelivery({ ...encodeBody(21) }), wrong])
    await tick()
    await tick()
    assert.equal(engine.subscriptions[0]?.options.topic, 'numbers')
    assert.deepEqual(seen, [42])
    assert.deepEqual(engine.subscriptions[0]?.dead, [wrong])
    await holdfast.close()
  })
})

describe('topics and groups', () => {
  it('are created with checked names and settings', async () => {
    const { holdfast, engine } = open()
    await holdfast.topics.create('clicks', { partitions: 4 })
    await holdfast.groups.create('clicks', 'billing')
    assert.deepEqual(
      engine.created.map(({ topic: name, group }) => [name, group]),
      [
        ['clicks', undefined],
        ['clicks', 'billing'],
      ],
    )
    await assert.rejects(holdfast.topics.create('no spaces'), code('invalid_name'))
    await assert.rejects(holdfast.topics.create('clicks', { partitions: 0 }), code('invalid_option'))
    await assert.rejects(holdfast.groups.create('clicks', 'no spaces'), code('invalid_name'))
    await assert.rejects(holdfast.groups.create('clicks', 'x', { order: 'none' }), code('unsupported'))
    assert.equal(engine.created.length, 2)
  })

  it('are found by name, or the nearest name is told', async () => {
    const { holdfast } = open()
    await holdfast.topics.create('clicks')
    await holdfast.groups.create('clicks', 'billing')
    assert.equal((await holdfast.topics.get('clicks')).topic, 'clicks')
    assert.equal((await holdfast.groups.get('clicks', 'billing')).group, 'billing')
    assert.deepEqual(
      (await holdfast.groups.list('views')).map(({ group }) => group),
      [],
    )
    await assert.rejects(holdfast.topics.get('click'), (error: HoldfastError) => {
      assert.equal(error.code, 'unknown_topic')
      assert.match(error.message, /did you mean 'clicks'/)
      return true
    })
    await assert.rejects(holdfast.groups.get('clicks', 'biling'), (error: HoldfastError) => {
      assert.equal(error.code, 'unknown_group')
      assert.match(error.message, /did you mean 'billing'/)
      return true
    })
  })
})

describe('deadLetters', () => {
  it('lists them decoded, and as stored where that is what failed', async () => {
    const { holdfast, engine } = open()
    const record = {
      ...fakeDelivery(),
      group: 'billing',
      deadLetterId: 'd',
      reason: 'no',
      stack: '',
      attempts: 6,
      firstFailureMs: 1,
      lastFailureMs: 2,
    }
    engine.deadLetterRecords = [
      { ...record, ...encodeBody({ cents: 1 }) },
      { ...record, codec: 1, body: '{' },
    ]
    const bodies: unknown[] = []
    for await (const letter of holdfast.deadLetters('clicks', 'billing')) {
      assert.equal('codec' in letter, false)
      bodies.push(letter.body)
    }
    assert.deepEqual(bodies, [{ cents: 1 }, '{'])
  })
})

describe('close', () => {
  it('drains consumers, then producers, then the engine', async () => {
    const { holdfast, engine } = open()
    engine.onBatch = (producer) => setImmediate(() => producer.confirmAll())
    const producer = await holdfast.producer({ id: 'p' })
    let forwarded: unknown = null
    await holdfast.consume({ topic: 'clicks', group: 'billing' }, async () => {
      await tick()
      // Handlers that run may send until they are done.
      forwarded = await producer.send({ topic: 'bills', body: 1 })
    })
    await tick()
    engine.subscriptions[0]?.sink.deliver([fakeDelivery({ ...encodeBody(1) })])
    await tick()
    const report = await holdfast.close()
    assert.deepEqual(report, { handled: 1, unfinished: 0, unconfirmed: 0 })
    assert.notEqual(forwarded, null)
    assert.deepEqual(engine.closings, ['subscription billing', 'producer p', 'engine'])
    assert.equal(await holdfast.close(), report)
    assert.equal(holdfast.health().state, 'failed')
  })

  it('reports at the deadline what was left', async () => {
    const { holdfast, engine, clock } = open()
    const producer = await holdfast.producer()
    const sent = producer.send({ topic: 'clicks', body: 1 })
    const signals: AbortSignal[] = []
    await holdfast.consume({ topic: 'clicks', group: 'billing' }, (_, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    })
    await tick()
    engine.subscriptions[0]?.sink.deliver([fakeDelivery({ ...encodeBody(1) })])
    await tick()
    const closing = holdfast.close({ timeoutMs: 1000 })
    await tick()
    clock.advance(1000)
    await tick()
    clock.advance(0)
    await assert.rejects(sent, code('send_pending'))
    await tick()
    clock.advance(0)
    assert.deepEqual(await closing, { handled: 0, unfinished: 1, unconfirmed: 1 })
    assert.equal(signals[0]?.aborted, true)
    assert.deepEqual(engine.subscriptions[0]?.acked, [])
  })

  it('does not wait for ever for the engine', async () => {
    const { holdfast, engine, clock } = open()
    engine.close = () => new Promise(() => undefined)
    const closing = holdfast.close({ timeoutMs: 0 })
    await tick()
    clock.advance(5000)
    assert.equal((await closing).unconfirmed, 0)
  })

  it('rejects when the store cannot end, after everything else is closed', async () => {
    const { holdfast, engine } = open()
    const producer = await holdfast.producer()
    engine.close = () => Promise.reject(new HoldfastError('io_failed', 'no'))
    await assert.rejects(holdfast.close(), code('io_failed'))
    await assert.rejects(producer.send({ topic: 'clicks', body: 1 }), code('closed'))
  })

  it('refuses what comes later', async () => {
    const { holdfast } = open()
    await holdfast.close()
    await assert.rejects(holdfast.producer(), code('closed'))
    await assert.rejects(
      holdfast.consume({ topic: 'clicks', group: 'billing' }, () => undefined),
      code('closed'),
    )
    await assert.rejects(holdfast.topics.list(), code('closed'))
    await assert.rejects(holdfast.groups.list(), code('closed'))
    await assert.rejects(async () => {
      for await (const _ of holdfast.deadLetters('clicks', 'billing')) assert.fail()
    }, code('closed'))
  })

  it('closes what was being opened at that moment', async () => {
    const { holdfast, engine } = open()
    const producer = holdfast.producer({ id: 'late' })
    const consumer = holdfast.consume({ topic: 'clicks', group: 'late' }, () => undefined)
    const closing = holdfast.close()
    await assert.rejects(producer, code('closed'))
    await assert.rejects(consumer, code('closed'))
    await closing
    assert.equal(engine.closings.includes('producer late'), true)
    assert.equal(engine.subscriptions[0]?.closed, true)
  })
})

describe('connect', () => {
  it('names every wrong option at once, before it touches anything', async () => {
    const wrong = { segmentBytes: 4096, ackSyncMs: 'soon', logger: {}, unsafe: true }
    await assert.rejects(connect('file:./must-not-exist', wrong as never), (error: HoldfastError) => {
      assert.equal(error.code, 'invalid_option')
      for (const part of ['segmentBytes', 'ackSyncMs', 'logger', 'unsafe is no option']) {
        assert.ok(error.message.includes(part), `${part} in: ${error.message}`)
      }
      return true
    })
  })

  it('refuses engines it has not, and platforms on which nothing is proved', async () => {
    await assert.rejects(connect('amqp://localhost'), code('unsupported'))
    assert.throws(() => checkPlatform('win32', 'LE'), code('unsupported_platform'))
    assert.throws(() => checkPlatform('linux', 'BE'), code('unsupported_platform'))
    checkPlatform('linux', 'LE')
    checkPlatform('darwin', 'LE')
  })
})
