import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isHoldfastError } from '../../src/core/errors.ts'
import { checkGroupName, checkTopicName, derivedName, nearestName } from '../../src/core/names.ts'

const invalid = (message: RegExp) => (error: unknown) => {
  assert.ok(isHoldfastError(error))
  assert.equal(error.code, 'invalid_name')
  assert.match(error.message, message)
  return true
}

test('names of letters, digits, dots, underscores and hyphens', () => {
  for (const name of ['clicks', 'a', 'A.b_c-9', 'x'.repeat(100), 'hfx', '.', '-']) {
    checkTopicName(name)
    checkGroupName(name)
  }
})

test('other names are refused, with the name and the rule', () => {
  for (const name of ['', 'x'.repeat(101), 'a b', 'ä', 'a/b', 'a\n', '../x', 'a\0']) {
    assert.throws(() => checkTopicName(name), invalid(/^topic ".*" is not 1–100 of the characters A–Z/))
    assert.throws(() => checkGroupName(name), invalid(/^group ".*" is not 1–100 of the characters A–Z/))
  }
  assert.throws(() => checkTopicName('x'.repeat(100_000)), invalid(/^.{1,300}$/))
})

test('a name that is no string is a mistake of the program', () => {
  assert.throws(
    () => checkTopicName(7 as unknown as string),
    new TypeError('topic: a string is needed, not number'),
  )
  assert.throws(
    () => checkGroupName(null as unknown as string),
    new TypeError('group: a string is needed, not null'),
  )
})

test("topics cannot take the names of Holdfast's own; groups have no such names", () => {
  assert.throws(
    () => checkTopicName('hf_dead_clicks_billing'),
    invalid(/"hf_dead_clicks_billing".*Holdfast's own/),
  )
  checkGroupName('hf_x')
})

test('derived names are plain where they can be', () => {
  assert.equal(derivedName('dead', 'clicks', 'billing'), 'hf_dead_clicks_billing')
  assert.equal(derivedName('dead', 'my-clicks', 'b'), 'hf_dead_my-clicks_b')
})

test('derived names are frozen: they are durable names in brokers', () => {
  assert.equal(derivedName('dead', 'a_b', 'c'), 'hf_dead_a_b_c_0c1d18f5e74d27869980')
  assert.equal(derivedName('dead', 'a', 'b_c'), 'hf_dead_a_b_c_662f0bbbda83090c2517')
  assert.equal(derivedName('retry', 'a.b', 'c', 30), 'hf_retry__8b745bb4ec41bcac3a1a')
})

test('two groups never share a derived name, however short it must be', () => {
  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), minLength: 1, maxLength: 5 }),
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 100 }),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 20, maxLength: 20 }),
  )
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(part, part, fc.constantFrom(60, 127, 249), (topic, group, max) => {
      const name = derivedName('dead', topic, group, max)
      assert.ok(name.length <= max)
      assert.match(name, /^hf_dead_[A-Za-z0-9._-]+$/)
      const pair = `${topic} ${group}`
      const known = seen.get(`${max} ${name}`)
      assert.ok(known === undefined || known === pair, `${known} and ${pair} are both ${name}`)
      seen.set(`${max} ${name}`, pair)
    }),
    { numRuns: 5000 },
  )
})

test('a group that looks like a hash cannot take the name of a cut one', () => {
  const cut = derivedName('dead', 'a'.repeat(100), 'b', 60)
  const [, topic, hash] = /^hf_dead_(a+)_([0-9a-f]{20})$/.exec(cut) ?? []
  assert.notEqual(derivedName('dead', topic ?? '', hash ?? '', 60), cut)
})

test('the name that was probably meant', () => {
  const known = ['clicks', 'orders', 'payments', 'id']
  assert.equal(nearestName('click', known), 'clicks')
  assert.equal(nearestName('Clicks', known), 'clicks')
  assert.equal(nearestName('cilcks', known), 'clicks')
  assert.equal(nearestName('ordesr', known), 'orders')
  assert.equal(nearestName('paymnt', known), 'payments')
  assert.equal(nearestName('shipping', known), null)
  assert.equal(nearestName('xy', known), null)
  assert.equal(nearestName('clicks', known), null)
  assert.equal(nearestName('x', []), null)
})
