import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import { checkHeaders, checkId, checkKey, isReservedHeader } from '../../src/core/fields.ts'
import type { Headers } from '../../src/core/message.ts'

const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(isHoldfastError(error))
  assert.equal(error.code, code)
  assert.match(error.message, message)
  assert.ok(error.message.length < 300)
  return true
}

test('keys have up to the limit in bytes of UTF-8, and the empty key is one', () => {
  for (const key of ['', 'a', 'a'.repeat(1024), '€'.repeat(341), '💶'.repeat(256)]) checkKey(key, 1024)
  for (const key of ['a'.repeat(1025), '€'.repeat(342), `${'💶'.repeat(256)}a`]) {
    assert.throws(
      () => checkKey(key, 1024),
      refused('invalid_message', /^key ".*" has 10\d\d bytes of UTF-8, 1024 are/),
    )
  }
})

test('ids have 1 to 255 bytes of UTF-8', () => {
  for (const id of ['a', 'a'.repeat(255), '€'.repeat(85)]) checkId(id)
  assert.throws(() => checkId(''), refused('invalid_message', /^id is ''/))
  assert.throws(
    () => checkId('a'.repeat(256)),
    refused('invalid_message', /256 bytes of UTF-8, 255 are allowed/),
  )
  assert.throws(() => checkId('€'.repeat(86)), refused('invalid_message', /258 bytes of UTF-8/))
})

test('half a surrogate pair is refused everywhere', () => {
  const broken = /half a surrogate pair/
  assert.throws(() => checkKey('a\ud83d', 1024), refused('invalid_message', broken))
  assert.throws(() => checkId('\udcb6'), refused('invalid_message', broken))
  assert.throws(() => checkHeaders({ a: '\ud83d' }, 1000), refused('invalid_message', broken))
  assert.throws(() => checkHeaders({ 'a\ud83d': '' }, 1000), refused('invalid_message', broken))
})

test('what is no string is a mistake of the program', () => {
  for (const value of [1, null, undefined, {}, Buffer.from('x')]) {
    assert.throws(() => checkKey(value as unknown as string, 9), TypeError)
    assert.throws(() => checkId(value as unknown as string), TypeError)
    assert.throws(
      () => checkHeaders({ trace: value } as unknown as Headers, 99),
      /TypeError: header "trace": a string is/,
    )
  }
  for (const headers of [null, 'a', ['a'], 1]) {
    assert.throws(() => checkHeaders(headers as unknown as Headers, 99), TypeError)
  }
})

test('headers are counted in bytes, names included', () => {
  assert.equal(checkHeaders({}, 0), 0)
  assert.equal(checkHeaders({ a: 'xy', ö: '€' }, 8), 8)
  assert.throws(
    () => checkHeaders({ a: 'xy', ö: '€' }, 7),
    refused('message_too_large', /8 bytes of UTF-8, 7 are/),
  )
})

test("headers that look like Holdfast's own are refused, in any case", () => {
  for (const name of ['hf', 'HF', 'hf-dead-reason', 'Hfx', 'hF-']) {
    assert.equal(isReservedHeader(name), true)
    assert.throws(() => checkHeaders({ [name]: 'x' }, 99), refused('invalid_message', /Holdfast's own/))
  }
  for (const name of ['h', 'x-hf', 'hello', 'f', 'trace', '(f', 'h&'])
    assert.equal(isReservedHeader(name), false)
  assert.throws(() => checkHeaders({ '': 'x' }, 99), refused('invalid_message', /empty name/))
})
