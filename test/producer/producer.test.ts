import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HoldfastError } from '../../src/core/errors.ts'
import { type StandardSchemaV1, type Topic, topic } from '../../src/core/topic.ts'
import { fakeDurability } from '../support/fake-engine.ts'
import { bodies, makeProducer, rejection, stateOf, tick } from './support.ts'

function click(n: number) {
  return { topic: 'clicks', body: n }
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof HoldfastError, String(error))
  assert.equal(error.code, expected)
  return true
}

describe('send', () => {
  it('hands all messages of a tick over in one batch, in the order of the calls', async () => {
    const { producer, engine } = makeProducer()
    const sends = [1, 2, 3].map((n) => producer.send(click(n)))
    assert.equal(engine.batches.length, 0, 'nothing is handed over inside the call')
    await tick()
    assert.equal(engine.batches.length, 1)
    assert.deepEqual(bodies(engine.taken), [1, 2, 3])
    assert.deepEqual(
      engine.taken.map(({ counter }) => counter),
      [1, 2, 3],
    )
    engine.confirmAll()
    await Promise.all(sends)
  })

  it('resolves with a receipt of plain data', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send({ topic: 'clicks', key: 'a', headers: { h: '1' }, body: { cents: 1 } })
    await tick()
    engine.confirm()
    const receipt = await sent
    assert.deepEqual(JSON.parse(JSON.stringify(receipt)), {
      id: 'BwcHBwcHBwcHBwcHBwcHBw-1',
      engine: 'fake',
      topic: 'clicks',
      partition: 0,
      offset: 0,
      attempts: 1,
      duplicate: false,
      sentAtMs: 1_700_000_000_000,
      durability: fakeDurability,
    })
  })

  it('leaves the offset out where the engine has none', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send(click(1))
    await tick()
    engine.take().confirmed(3, undefined)
    const receipt = await sent
    assert.equal('offset' in receipt, false)
    assert.equal(receipt.partition, 3)
  })

  it('keeps what the caller gave at the call, whatever happens to it afterwards', async () => {
    const { producer, engine } = makeProducer()
    const body = Buffer.from('abc')
    const headers = { trace: '1' }
    producer.send({ topic: 'clicks', headers, body })
    body[0] = 0
    headers.trace = '2'
    await tick()
    assert.deepEqual(engine.taken[0]?.headers, { trace: '1' })
    assert.equal(Buffer.from(engine.taken[0]?.body as Uint8Array).toString(), 'abc')
    engine.confirmAll()
  })

  it('rejects mistakes of the call with a TypeError and hands nothing over', async () => {
    const { producer, engine } = makeProducer()
    const wrong: unknown[] = [
      undefined,
      {},
      { topic: 7, body: 1 },
      { topic: 'clicks', body: 1n },
      { topic: 'clicks' },
      { topic: 'clicks', body: 1, key: 7 },
      { topic: 'clicks', body: 1, id: 7 },
      { topic: 'clicks', body: 1, headers: { a: 1 } },
      { topic: 'clicks', body: 1, signal: {} },
    ]
    for (const message of wrong) {
      await assert.rejects(producer.send(message as never), TypeError, JSON.stringify(typeof message))
      assert.throws(() => producer.unsafeSendOneway(message as never), TypeError)
    }
    await tick()
    assert.equal(engine.taken.length, 0)
  })

  it('refuses names, bodies and headers beyond the limits before anything is handed over', async () => {
    const limits = { bodyBytes: 10, headerBytes: 10, keyBytes: 1024, nameCharacters: 100 }
    const { producer, engine } = makeProducer({ limits })
    await assert.rejects(producer.send({ topic: 'no spaces', body: 1 }), code('invalid_name'))
    await assert.rejects(producer.send({ topic: 'clicks', body: 'x'.repeat(9) }), code('message_too_large'))
    await assert.rejects(
      producer.send({ topic: 'clicks', body: new Uint8Array(11) }),
      code('message_too_large'),
    )
    await assert.rejects(
      producer.send({ topic: 'clicks', body: 1, headers: { a: 'x'.repeat(10) } }),
      code('message_too_large'),
    )
    const exact = [
      producer.send({ topic: 'clicks', body: 'x'.repeat(8) }),
      producer.send({ topic: 'clicks', body: new Uint8Array(10) }),
    ]
    await tick()
    engine.confirmAll()
    await Promise.all(exact)
  })

  it('rejects with the error of the engine, about this message', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send({ ...click(1), id: 'mine' })
    await tick()
    const cause = new HoldfastError('topic_full', 'the topic is full')
    engine.take().refused(cause)
    await assert.rejects(sent, (error: HoldfastError) => {
      assert.equal(error.code, 'topic_full')
      assert.equal(error.outcome, 'failed')
      assert.equal(error.messageId, 'mine')
      assert.equal(error.topic, 'clicks')
      assert.match(error.message, /'mine' to topic 'clicks'/)
      assert.equal(error.cause, cause)
      assert.equal(error.settled, undefined)
      return true
    })
  })

  it('gives the answer once, whatever the engine says later', async () => {
    const { producer, engine } = makeProducer()
    const sent = producer.send(click(1))
    await tick()
    const message = engine.take()
    message.confirmed(0, 0)
    message.refused(new HoldfastError('disk_full', 'late'))
    message.confirmed(0, 1)
    assert.equal((await sent).offset, 0)
  })
})

describe('unknown outcomes', () => {
  const failure = () => new HoldfastError('log_failed', 'the disk said no')

  it('reject, and settled() follows what the engine finds out', async () => {
    const { producer, engine } = makeProducer()
    const [stored, absent, lost] = [1, 2, 3].map((n) => producer.send(click(n)))
    await tick()
    engine.take().unknown(failure(), Promise.resolve({ partition: 2, offset: 9 }))
    engine.take().unknown(failure(), Promise.resolve(null))
    engine.take().unknown(failure(), null)
    const errors = await Promise.all([stored, absent, lost].map(rejection))
    assert.deepEqual(
      errors.map((error) => [error?.code, error?.outcome, error?.settled !== undefined]),
      [
        ['log_failed', 'unknown', true],
        ['log_failed', 'unknown', true],
        ['log_failed', 'unknown', false],
      ],
    )
    const receipt = await errors[0]?.settled?.()
    assert.deepEqual([receipt?.partition, receipt?.offset, receipt?.id], [2, 9, errors[0]?.messageId])
    await assert.rejects(errors[1]?.settled?.() ?? Promise.resolve(), (error: HoldfastError) => {
      assert.deepEqual([error.code, error.outcome], ['log_failed', 'failed'])
      return true
    })
  })

  it('do not end the process when nobody looks', async () => {
    const { producer, engine, log } = makeProducer()
    const unhandled: unknown[] = []
    const listener = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const sent = producer.send(click(1))
    await tick()
    engine.take().unknown(failure(), Promise.resolve(null))
    await assert.rejects(sent, (error: HoldfastError) => {
      void error.settled?.()
      return true
    })
    await tick()
    await tick()
    process.off('unhandledRejection', listener)
    assert.deepEqual(unhandled, [])
    assert.equal(log.lines.length, 1, 'a failure that no caller was told is logged')
  })

  it('a repetition of the id joins while the engine finds out', async () => {
    const { producer, engine } = makeProducer()
    const first = producer.send({ ...click(1), id: 'a' })
    await tick()
    const resolution = Promise.withResolvers<{ partition: number; offset: number } | null>()
    engine.take().unknown(failure(), resolution.promise)
    await assert.rejects(first, code('log_failed'))
    const second = producer.send({ ...click(1), id: 'a' })
    await tick()
    assert.equal(engine.taken.length, 1, 'it is not handed over again')
    resolution.resolve({ partition: 1, offset: 5 })
    assert.deepEqual([(await second).offset, (await second).duplicate], [5, true])
  })

  it('an engine that throws leaves them unknown', async () => {
    const { producer, engine } = makeProducer()
    engine.onBatch = () => {
      throw new Error('a defect')
    }
    await assert.rejects(producer.send(click(1)), (error: HoldfastError) => {
      assert.deepEqual([error.code, error.outcome], ['internal', 'unknown'])
      return true
    })
  })
})

describe('the window', () => {
  it('bounds the messages under way and keeps the order of the rest', async () => {
    const { producer, engine } = makeProducer({ window: { messages: 2, bytes: 1 << 20 } })
    const sends = [1, 2, 3, 4, 5].map((n) => producer.send(click(n)))
    await tick()
    assert.deepEqual(bodies(engine.taken), [1, 2])
    engine.confirm()
    await tick()
    assert.deepEqual(bodies(engine.taken), [1, 2, 3])
    engine.confirmAll()
    await tick()
    engine.confirmAll()
    await Promise.all(sends)
    assert.deepEqual(bodies(engine.taken), [1, 2, 3, 4, 5])
  })

  it('bounds the bytes under way, but lets one large message pass alone', async () => {
    const { producer, engine } = makeProducer({ window: { messages: 100, bytes: 1000 } })
    const large = { topic: 'clicks', body: 'x'.repeat(5000) }
    const sends = [large, large, click(1), click(2)].map((message) => producer.send(message))
    const sizes = []
    while (engine.taken.length < 4) {
      await tick()
      sizes.push(engine.open.length)
      engine.confirmAll()
    }
    await Promise.all(sends)
    assert.deepEqual(sizes, [1, 1, 2])
  })

  it('refuses sends beyond maxPending at once, and takes them again when there is room', async () => {
    const { producer, engine } = makeProducer({ maxPending: { messages: 2, bytes: 1 << 20 } })
    const sends = [producer.send(click(1)), producer.send(click(2))]
    await assert.rejects(producer.send(click(3)), (error: HoldfastError) => {
      assert.deepEqual([error.code, error.outcome, error.retryable], ['too_many_pending', 'failed', true])
      return true
    })
    assert.throws(() => producer.unsafeSendOneway(click(3)), code('too_many_pending'))
    await tick()
    engine.confirmAll()
    await Promise.all(sends)
    const next = producer.send(click(4))
    await tick()
    engine.confirmAll()
    assert.equal((await next).id.split('-').at(-1), '3', 'a refused send takes no number')
  })

  it('refuses sends beyond the bytes of maxPending', async () => {
    const { producer, engine } = makeProducer({ maxPending: { messages: 100, bytes: 4000 } })
    const first = producer.send({ topic: 'clicks', body: 'x'.repeat(3000) })
    await assert.rejects(producer.send({ topic: 'clicks', body: 'x'.repeat(3000) }), code('too_many_pending'))
    await tick()
    engine.confirmAll()
    await first
  })
})

describe('sendTimeoutMs', () => {
  it('fails what was not handed over and takes it back', async () => {
    const { producer, engine, clock } = makeProducer({ window: { messages: 1, bytes: 1 << 20 } })
    const first = producer.send(click(1))
    const second = producer.send(click(2))
    await tick()
    clock.advance(59_999)
    assert.equal(await stateOf(second), 'pending')
    clock.advance(1)
    await assert.rejects(second, (error: HoldfastError) => {
      assert.deepEqual([error.code, error.outcome], ['timed_out', 'failed'])
      assert.equal(error.settled, undefined)
      return true
    })
    await assert.rejects(first, code('send_pending'))
    engine.confirm()
    await tick()
    assert.deepEqual(bodies(engine.taken), [1])
  })

  it('leaves what was handed over to the engine; settled() tells the end', async () => {
    const { producer, engine, clock } = makeProducer()
    const sends = [1, 2].map((n) => producer.send(click(n)))
    await tick()
    clock.advance(60_000)
    const errors = await Promise.all(sends.map(rejection))
    assert.deepEqual(
      errors.map(({ code, outcome }) => [code, outcome]),
      [
        ['send_pending', 'unknown'],
        ['send_pending', 'unknown'],
      ],
    )
    const asked = errors[0]?.settled?.()
    engine.confirm()
    engine.confirm()
    assert.equal((await asked)?.offset, 0, 'asked before')
    assert.equal((await errors[1]?.settled?.())?.offset, 1, 'asked after')
  })

  it('runs on one timer, however many messages wait', async () => {
    const { producer, engine, clock } = makeProducer()
    const early = producer.send(click(1))
    await tick()
    clock.advance(10)
    const late = [2, 3, 4].map((n) => producer.send(click(n)))
    await tick()
    assert.equal(clock.pending, 1)
    clock.advance(59_990)
    await assert.rejects(early, code('send_pending'))
    assert.equal(await stateOf(late[0] as Promise<unknown>), 'pending')
    assert.equal(clock.pending, 1)
    engine.confirmAll()
    await Promise.all(late)
    clock.advance(60_000)
    assert.equal(clock.pending, 0, 'an idle producer has no timer')
  })
})

describe('an AbortSignal', () => {
  it('that is aborted before the call fails it', async () => {
    const { producer, engine } = makeProducer()
    await assert.rejects(
      producer.send({ ...click(1), signal: AbortSignal.abort() }),
      (error: HoldfastError) => {
        assert.deepEqual([error.code, error.outcome], ['aborted', 'failed'])
        return true
      },
    )
    await tick()
    assert.equal(engine.taken.length, 0)
  })

  it('takes a message back that was not handed over', async () => {
    const { producer, engine } = makeProducer()
    const controller = new AbortController()
    const sent = producer.send({ ...click(1), signal: controller.signal })
    const other = producer.send(click(2))
    controller.abort()
    await assert.rejects(sent, code('aborted'))
    await tick()
    assert.deepEqual(bodies(engine.taken), [2])
    engine.confirmAll()
    await other
  })

  it('only stops the waiting once it was handed over', async () => {
    const { producer, engine } = makeProducer()
    const controller = new AbortController()
    const sent = producer.send({ ...click(1), signal: controller.signal })
    await tick()
    controller.abort()
    const error = await rejection(sent)
    assert.deepEqual([error.code, error.outcome], ['send_pending', 'unknown'])
    engine.confirm()
    assert.equal((await error.settled?.())?.id, error.messageId)
  })

  it('is left alone when the message has its outcome', async () => {
    const { producer, engine } = makeProducer()
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: never) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: never) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    const sent = producer.send({ ...click(1), signal })
    assert.equal(listeners, 1)
    await tick()
    engine.confirm()
    await sent
    assert.equal(listeners, 0)
  })
})

describe("a caller's id", () => {
  it('joins the pending send of the same message', async () => {
    const { producer, engine } = makeProducer()
    const message = { topic: 'clicks', key: 'k', id: 'order-1', body: { cents: 1 } }
    const first = producer.send(message)
    const second = producer.send({ ...message, headers: { trace: 'another' } })
    await tick()
    assert.equal(engine.taken.length, 1)
    assert.equal(engine.taken[0]?.id, 'order-1')
    engine.confirm()
    const receipt = await first
    assert.equal(receipt.duplicate, false)
    assert.deepEqual(await second, { ...receipt, duplicate: true })
  })

  it('is refused for another key or body, but is free in another topic', async () => {
    const { producer, engine } = makeProducer()
    const message = { topic: 'clicks', key: 'k', id: 'order-1', body: { cents: 1 } }
    const first = producer.send(message)
    await assert.rejects(producer.send({ ...message, body: { cents: 2 } }), (error: HoldfastError) => {
      assert.deepEqual([error.code, error.outcome, error.messageId], ['id_conflict', 'failed', 'order-1'])
      return true
    })
    await assert.rejects(producer.send({ ...message, key: 'other' }), code('id_conflict'))
    const elsewhere = producer.send({ ...message, topic: 'views', body: 0 })
    await tick()
    engine.confirmAll()
    assert.equal((await first).duplicate, false)
    assert.equal((await elsewhere).duplicate, false)
  })

  it('shares a failure, and is free again afterwards', async () => {
    const { producer, engine } = makeProducer()
    const message = { topic: 'clicks', id: 'order-1', body: 1 }
    const both = [producer.send(message), producer.send(message)]
    await tick()
    engine.take().refused(new HoldfastError('disk_full', 'full'))
    for (const sent of both) await assert.rejects(sent, code('disk_full'))
    const again = producer.send(message)
    await tick()
    engine.confirm()
    assert.equal((await again).duplicate, false)
  })

  it('keeps the message on its way while one of its callers still waits', async () => {
    const { producer, engine } = makeProducer()
    const controller = new AbortController()
    const message = { topic: 'clicks', id: 'order-1', body: 1 }
    const first = producer.send({ ...message, signal: controller.signal })
    const second = producer.send(message)
    controller.abort()
    const error = await rejection(first)
    assert.equal(error.code, 'send_pending', 'it will be sent for the other: not failed')
    await tick()
    engine.confirm()
    const receipt = await second
    assert.equal((await error.settled?.())?.offset, receipt.offset)
  })
})

describe('enqueue', () => {
  it('resolves with the confirmation where the engine itself is durable', async () => {
    const { producer, engine } = makeProducer()
    const enqueued = producer.enqueue(click(1))
    await tick()
    assert.equal(await stateOf(enqueued), 'pending')
    engine.confirm()
    const { id, settled } = await enqueued
    assert.equal((await settled()).id, id)
  })
})

describe('unsafeSendOneway', () => {
  it('returns the id at once and tells failures to the log', async () => {
    const { producer, engine, log } = makeProducer()
    const first = producer.unsafeSendOneway(click(1))
    const second = producer.unsafeSendOneway({ ...click(2), id: 'mine' })
    assert.deepEqual([first.id, second.id], ['BwcHBwcHBwcHBwcHBwcHBw-1', 'mine'])
    await tick()
    engine.confirm()
    assert.equal(log.lines.length, 0)
    engine.take().refused(new HoldfastError('disk_full', 'full'))
    await tick()
    assert.equal(log.lines.length, 1)
    assert.match(log.lines[0]?.message ?? '', /'mine'/)
  })

  it('writes one line for all failures of a tick', async () => {
    const { producer, engine, log } = makeProducer()
    for (let n = 0; n < 100; n++) producer.unsafeSendOneway(click(n))
    await tick()
    while (engine.open.length > 0) engine.take().refused(new HoldfastError('disk_full', 'full'))
    await tick()
    assert.equal(log.lines.length, 1)
    assert.match(log.lines[0]?.message ?? '', /and 99 more/)
  })
})

describe('a typed topic', () => {
  type Validate = StandardSchemaV1<number>['~standard']['validate']
  const schema = (validate: Validate): Topic<number> =>
    topic('clicks', {
      schema: { '~standard': { version: 1, vendor: 'test', validate } } as StandardSchemaV1<number>,
    })

  it('checks the body and sends it as the caller gave it: what the schema makes of it is for readers', async () => {
    const { producer, engine } = makeProducer()
    const doubled = schema((value) => ({ value: (value as number) * 2 }))
    const sent = producer.send({ topic: doubled, body: 21 })
    await tick()
    assert.deepEqual(bodies(engine.taken), [21])
    engine.confirm()
    assert.equal((await sent).topic, 'clicks')
  })

  it('refuses a body that does not fit', async () => {
    const { producer } = makeProducer()
    const never = schema(() => ({ issues: [{ message: 'no' }] }))
    await assert.rejects(producer.send({ topic: never, body: 1 }), code('invalid_body'))
    assert.throws(() => producer.unsafeSendOneway({ topic: never, body: 1 }), code('invalid_body'))
  })

  it('may be checked asynchronously, within maxPending', async () => {
    const { producer, engine } = makeProducer({ maxPending: { messages: 1, bytes: 1 << 20 } })
    const later = schema(async (value) => ({ value: value as number }))
    const sent = producer.send({ topic: later, body: 1 })
    await assert.rejects(producer.send({ topic: later, body: 2 }), code('too_many_pending'))
    assert.throws(() => producer.unsafeSendOneway({ topic: later, body: 3 }), TypeError)
    await tick()
    engine.confirm()
    await sent
  })

  it('that refuses asynchronously frees its place', async () => {
    const { producer } = makeProducer({ maxPending: { messages: 1, bytes: 1 << 20 } })
    const never = schema(async () => ({ issues: [{ message: 'no' }] }))
    await assert.rejects(producer.send({ topic: never, body: 1 }), code('invalid_body'))
    await assert.rejects(producer.send({ topic: never, body: 1 }), code('invalid_body'))
    assert.equal((await producer.close()).unconfirmed, 0)
  })
})
