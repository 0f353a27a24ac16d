import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import {
  boolean,
  defineOptions,
  given,
  integer,
  integers,
  nested,
  oneOf,
  text,
} from '../../src/core/options.ts'

interface Sink {
  write(line: string): void
}

const table = defineOptions({
  id: text({ maxCharacters: 10, optional: true, about: 'Label.' }),
  topic: text({ maxCharacters: 20, about: 'Where to.' }),
  timeoutMs: integer({ min: 1, max: 1000, default: 500, unit: 'ms', about: 'Patience.' }),
  order: oneOf(['key', 'none'], { default: 'key', about: 'Order.' }),
  create: boolean({ default: true, about: 'Whether to create.' }),
  backoffMs: integers({
    min: 0,
    max: 9,
    minItems: 1,
    maxItems: 3,
    unit: 'ms',
    default: [1, 2],
    about: 'Steps.',
  }),
  sink: given<Sink>(
    'an object with write()',
    (value) => typeof (value as Sink | null)?.write === 'function',
    {
      optional: true,
      about: 'Where lines go.',
    },
  ),
  prefetch: nested(
    {
      messages: integer({ min: 1, max: 100, default: 10, about: 'Messages.' }),
      bytes: integer({ min: 1, max: 1000, default: 100, unit: 'bytes', about: 'Bytes.' }),
    },
    { shorthand: 'messages', about: 'Ahead.' },
  ),
})

function refusal(input: unknown): string {
  try {
    table.parse(input, 'consume')
  } catch (error) {
    assert.ok(isHoldfastError(error))
    assert.equal(error.code, 'invalid_option')
    return error.message
  }
  return assert.fail('nothing was refused')
}

test('missing options take their defaults', () => {
  const options = table.parse({ topic: 'clicks' }, 'consume')
  const plain: unknown = options
  assert.deepEqual(plain, {
    id: undefined,
    topic: 'clicks',
    timeoutMs: 500,
    order: 'key',
    create: true,
    backoffMs: [1, 2],
    sink: undefined,
    prefetch: { messages: 10, bytes: 100 },
  })
  // The compiler infers them; these lines are the test.
  const timeoutMs: number = options.timeoutMs
  const order: 'key' | 'none' = options.order
  const id: string | undefined = options.id
  const sink: Sink | undefined = options.sink
  const bytes: number = options.prefetch.bytes
  assert.deepEqual([timeoutMs, order, id, sink, bytes], [500, 'key', undefined, undefined, 100])
})

test('given options stay, undefined is missing', () => {
  const sink = { write: () => {} }
  const options = table.parse(
    {
      topic: 't',
      timeoutMs: undefined,
      order: 'none',
      create: false,
      backoffMs: [0, 9],
      sink,
      prefetch: { bytes: 7 },
    },
    'consume',
  )
  assert.equal(options.timeoutMs, 500)
  assert.equal(options.order, 'none')
  assert.equal(options.create, false)
  assert.equal(options.sink, sink)
  assert.deepEqual(options.prefetch, { messages: 10, bytes: 7 })
})

test('a shorthand stands for one nested option', () => {
  assert.deepEqual(table.parse({ topic: 't', prefetch: 3 }, 'x').prefetch, { messages: 3, bytes: 100 })
  assert.match(
    refusal({ topic: 't', prefetch: 0 }),
    /^consume: prefetch is 0, allowed is a whole number, 1–100$/,
  )
})

test('the result is frozen and not the caller’s', () => {
  const backoffMs = [1]
  const options = table.parse({ topic: 't', backoffMs }, 'consume')
  backoffMs.push(5)
  assert.deepEqual(options.backoffMs, [1])
  for (const value of [options, options.backoffMs, options.prefetch]) assert.ok(Object.isFrozen(value))
})

test('every violation is named in one error', () => {
  const message = refusal({
    timeoutMS: 5,
    timeoutMs: 1001,
    order: 'keys',
    create: 'yes',
    backoffMs: [1, 1.5, 3, 4],
    sink: {},
    prefetch: { messages: '7', byte: 1 },
    id: '',
  })
  assert.deepEqual(message.replace('consume: ', '').split('; '), [
    "timeoutMS is no option (did you mean 'timeoutMs'?)",
    'id is "", allowed is a text of 1–10 characters',
    'topic is missing, needed is a text of 1–20 characters',
    'timeoutMs is 1001, allowed is a whole number, 1–1000 ms',
    `order is "keys", allowed is 'key' or 'none' (did you mean 'key'?)`,
    'create is "yes", allowed is true or false',
    'backoffMs has 4 items, allowed is a list of 1–3 whole numbers, each 0–9 ms',
    'backoffMs[1] is 1.5, allowed is a whole number, 0–9 ms',
    'sink is an object, allowed is an object with write()',
    "prefetch.byte is no option (did you mean 'bytes'?)",
    'prefetch.messages is "7", allowed is a whole number, 1–100',
  ])
})

test('wrong types are refused everywhere', () => {
  assert.match(refusal('clicks'), /^consume: options is "clicks", allowed is an object of id, topic/)
  assert.match(refusal([]), /options is an array/)
  for (const value of [Number.NaN, 1.5, Number.POSITIVE_INFINITY, 0, '5', null, {}, 2 ** 60]) {
    assert.match(
      refusal({ topic: 't', timeoutMs: value }),
      /^consume: timeoutMs is .*, allowed is a whole number/,
    )
  }
  assert.match(refusal({ topic: null }), /topic is null/)
  assert.match(refusal({ topic: 't', backoffMs: 5 }), /backoffMs is 5, allowed is a list/)
  assert.match(refusal({ topic: 't', backoffMs: [] }), /backoffMs has 0 items/)
  assert.match(refusal({ topic: 't', prefetch: [] }), /prefetch is an array, allowed is a whole number/)
  assert.match(refusal({ topic: 't', create: () => true }), /create is a function/)
})

test('inherited names are no options', () => {
  assert.match(refusal({ topic: 't', toString: 1 }), /toString is no option/)
})

test('a default that its rule refuses is a mistake of the table', () => {
  assert.throws(
    () => defineOptions({ size: integer({ min: 1, max: 5, default: 6, about: '' }) }),
    /TypeError: the default of size is 6, allowed is a whole number, 1–5/,
  )
})
