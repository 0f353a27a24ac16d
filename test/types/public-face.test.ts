/** What the compiler must accept and refuse. `npm test` type-checks it; the one test only shows that it loads. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  type Consumer,
  type Handler,
  type Holdfast,
  type Producer,
  type Receipt,
  type SendResult,
  type StandardSchemaV1,
  topic,
} from '../../src/index.ts'

interface Click {
  readonly cents: number
}

interface RawClick {
  readonly cents: string
}

declare const clickSchema: StandardSchemaV1<RawClick, Click>

/** Never called. */
export async function producers(producer: Producer): Promise<void> {
  const clicks = topic.unchecked<Click>('clicks')
  const parsed = topic('clicks', { schema: clickSchema })

  const receipt: Receipt = await producer.send({ topic: 'clicks', key: 'a', body: { anything: 1 } })
  await producer.send({ topic: clicks, body: { cents: 1 } })
  // @ts-expect-error: the body decides nothing about the topic's type
  await producer.send({ topic: clicks, body: { cents: 'one' } })
  // @ts-expect-error: a body is needed
  await producer.send({ topic: 'clicks' })
  // @ts-expect-error: a typo in an option
  await producer.send({ topic: 'clicks', body: 1, kye: 'a' })
  // @ts-expect-error: headers are strings
  await producer.send({ topic: 'clicks', body: 1, headers: { n: 1 } })

  // What is sent is what the schema reads, not what it makes of it.
  await producer.send({ topic: parsed, body: { cents: '1' } })
  // @ts-expect-error: that is its output
  await producer.send({ topic: parsed, body: { cents: 1 } })

  const results: SendResult[] = await producer.sendAll([{ topic: clicks, body: { cents: 1 } }])
  const [first] = results
  if (first?.ok === true) receipt.id.concat(first.receipt.id)
  else first?.error.code.concat()
  // @ts-expect-error: one of them does not fit
  await producer.sendAll([{ topic: clicks, body: { cents: 'one' } }])

  const { settled } = await producer.enqueue({ topic: clicks, body: { cents: 1 } })
  const late: Receipt = await settled()
  const { id } = producer.unsafeSendOneway({ topic: clicks, body: { cents: 1 } })
  // @ts-expect-error: a receipt is plain data, whose offset may be missing
  Math.max(late.offset, id.length)
}

/** Never called. */
export async function consumers(holdfast: Holdfast): Promise<void> {
  const parsed = topic('clicks', { schema: clickSchema })
  const consumer: Consumer = await holdfast.consume(
    { topic: parsed, group: 'billing' },
    (message, context) => {
      const cents: number = message.body.cents
      context.log.info({ cents }, 'charged')
      context.extend(1000)
    },
  )
  consumer.on('stuck', ({ key, id }) => key?.concat(id))
  const { error } = await consumer.closed
  error?.code.concat()

  const handler: Handler<Click> = (message) => message.body.cents
  await holdfast.consume({ topic: parsed, group: 'billing' }, handler)

  await holdfast.consume({ topic: 'clicks', group: 'billing' }, (message) => {
    // @ts-expect-error: without a typed topic the body is unknown
    void message.body.cents
    const offset: number | undefined = message.offset
    return offset
  })
  // @ts-expect-error: a group is needed
  await holdfast.consume({ topic: 'clicks' }, () => undefined)

  for await (const letter of holdfast.deadLetters('clicks', 'billing')) {
    const body: unknown = letter.body
    letter.reason.concat(String(body))
  }
  const { handled, unfinished, unconfirmed } = await holdfast.close({ timeoutMs: 1000 })
  Math.max(handled, unfinished, unconfirmed)
}

it('the face has what the types promise', () => {
  assert.equal(typeof producers, 'function')
  assert.equal(topic.unchecked('clicks').name, 'clicks')
})
