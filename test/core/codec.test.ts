import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Codec, decodeBody, encodeBody, encodeJson } from '../../src/core/codec.ts'
import { isHoldfastError } from '../../src/core/errors.ts'

test('the codec numbers are frozen', () => {
  assert.deepEqual(Codec, { bytes: 0, json: 1 })
})

test('bytes stay untouched', () => {
  const bytes = Uint8Array.of(0, 255, 128)
  const encoded = encodeBody(bytes)
  assert.equal(encoded.codec, 0)
  assert.equal(encoded.body, bytes)
  assert.equal(decodeBody(0, bytes), bytes)
  assert.equal(encodeBody(Buffer.from('x')).codec, 0)
})

test('every JSON value comes back, from text and from bytes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { codec, body } = encodeBody(value)
      assert.equal(codec, 1)
      assert.equal(typeof body, 'string')
      const expected = JSON.parse(JSON.stringify(value))
      assert.deepEqual(decodeBody(codec, body), expected)
      assert.deepEqual(decodeBody(codec, Buffer.from(body)), expected)
    }),
  )
})

const cycle: { order: { self?: unknown } } = { order: {} }
cycle.order.self = cycle

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ['undefined', undefined, /^body cannot be written as JSON: it is undefined$/],
  ['a function', () => 1, /^body cannot be written as JSON: it is a function$/],
  ['a symbol', Symbol('x'), /^body cannot be written as JSON: it is a symbol$/],
  ['a BigInt', 10n, /^body cannot be written as JSON: .*BigInt/],
  ['a nested BigInt', { cents: [10n] }, /^body cannot be written as JSON: .*BigInt/],
  ['a cycle', cycle, /^body cannot be written as JSON: .*circular/],
  ['NaN', Number.NaN, /^body is NaN; JSON would lose it$/],
  ['nested NaN', { items: [{ cents: 1 }, { cents: Number.NaN }] }, /^body\.items\[1\]\.cents is NaN;/],
  ['Infinity', { 'a-b': Number.POSITIVE_INFINITY }, /^body\["a-b"\] is Infinity;/],
  ['-Infinity', [null, Number.NEGATIVE_INFINITY], /^body\[1\] is -Infinity;/],
  ['a boxed NaN', [Object(Number.NaN)], /^body\[0\] is NaN;/],
  ['NaN from toJSON', { price: { toJSON: () => Number.NaN } }, /^body\.price is NaN;/],
  ['an invalid Date', { at: new Date(Number.NaN) }, /^body\.at is an invalid Date;/],
  ['a Map', { prices: new Map([['a', 1]]) }, /^body\.prices is a Map;/],
  ['a Set', new Set([1]), /^body is a Set;/],
  ['a promise not awaited', { order: Promise.resolve(1) }, /^body\.order is a Promise;/],
  ['an error', [new Error('x')], /^body\[0\] is a Error;/],
]

for (const [name, value, message] of refused) {
  test(`${name} is a TypeError with its path`, () => {
    assert.throws(
      () => encodeBody(value),
      (error) => {
        assert.ok(error instanceof TypeError && !isHoldfastError(error))
        assert.match(error.message, message)
        return true
      },
    )
  })
}

test('the path starts where the caller says', () => {
  assert.throws(() => encodeJson({ x: Number.NaN }, 'details'), /^TypeError: details\.x is NaN/)
})

test('what JSON leaves out, writes as null by intent or writes otherwise stays as JSON does it', () => {
  const same = { shared: 1 }
  const values = [
    null,
    { a: null, b: undefined, c: () => 1 },
    [undefined, null],
    'null and {}',
    {},
    { a: {}, b: [] },
    new Date(0),
    { at: new Date(0), none: null },
    Object.create(null),
    [same, same, null],
    { toJSON: () => null },
    new (class Empty {})(),
    '\ud800',
  ]
  for (const value of values) assert.equal(encodeJson(value), JSON.stringify(value))
})

test('a body that is no JSON or of an unknown codec is invalid_body', () => {
  const invalid = (message: RegExp) => (error: unknown) =>
    isHoldfastError(error) &&
    error.code === 'invalid_body' &&
    error.outcome === 'none' &&
    message.test(error.message)
  assert.throws(() => decodeBody(1, '{'), invalid(/not JSON/))
  assert.throws(() => decodeBody(1, ''), invalid(/not JSON/))
  assert.throws(() => decodeBody(1, Uint8Array.of(0x22, 0xff, 0x22)), invalid(/not JSON/))
  assert.throws(() => decodeBody(2, '{}'), invalid(/codec 2/))
  assert.throws(() => decodeBody(0, 'text'), TypeError)
})
