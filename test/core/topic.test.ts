import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import {
  type SchemaResult,
  type StandardSchemaV1,
  type Topic,
  topic,
  topicName,
  validateBody,
} from '../../src/core/topic.ts'

interface Click {
  readonly cents: number
}

/** Takes cents as a number or a text, gives a number. */
function validateClick(value: unknown): SchemaResult<Click> {
  const cents = Number((value as { cents?: unknown } | null)?.cents)
  if (Number.isInteger(cents)) return { value: { cents } }
  return {
    issues: [
      { message: 'not whole', path: ['cents'] },
      { message: 'odd', path: [{ key: 'a' }, 0] },
      { message: 'no click' },
    ],
  }
}

type ClickSchema = StandardSchemaV1<{ cents: number | string }, Click>
const schema: ClickSchema = { '~standard': { version: 1, vendor: 'test', validate: validateClick } }
const later: ClickSchema = {
  '~standard': { version: 1, vendor: 'test', validate: async (value) => validateClick(value) },
}

const invalid = (error: unknown): boolean => {
  assert.ok(isHoldfastError(error))
  assert.equal(error.code, 'invalid_body')
  assert.equal(error.topic, 'clicks')
  assert.equal(
    error.message,
    "the body does not fit the schema of topic 'clicks': cents: not whole; a.0: odd; no click",
  )
  return true
}

test('a schema types and checks the bodies', () => {
  const clicks = topic('clicks', { schema })
  // The types are checked by the compiler: an input of one, an output of the other.
  const typed: Topic<{ cents: number | string }, Click> = clicks
  const click = validateBody(typed, { cents: '12' }) as Click
  assert.deepEqual(click, { cents: 12 })
  assert.throws(() => validateBody(clicks, { cents: 1.5 }), invalid)
})

test('an asynchronous schema gives a promise', async () => {
  const clicks = topic('clicks', { schema: later })
  const click = validateBody(clicks, { cents: '12' })
  assert.ok(click instanceof Promise)
  assert.deepEqual(await click, { cents: 12 })
  await assert.rejects(async () => validateBody(clicks, null), invalid)
})

test('an unchecked topic takes what comes', () => {
  const clicks = topic.unchecked<Click>('clicks')
  const value = { anything: true }
  assert.equal(validateBody(clicks, value), value)
  assert.equal(clicks.schema, null)
})

test('a schema may be a function', () => {
  const callable = Object.assign(() => true, schema)
  assert.deepEqual(validateBody(topic('clicks', { schema: callable }), { cents: 3 }), { cents: 3 })
})

test('names and schemas are checked at once', () => {
  const code = (error: unknown): boolean => isHoldfastError(error) && error.code === 'invalid_name'
  assert.throws(() => topic('a b', { schema }), code)
  assert.throws(() => topic.unchecked('hf_x'), code)
  for (const wrong of [undefined, null, {}, { '~standard': { version: 2, validate: validateClick } }]) {
    assert.throws(() => topic('clicks', { schema: wrong as unknown as ClickSchema }), TypeError)
  }
  assert.throws(() => topic('clicks', undefined as unknown as { schema: ClickSchema }), TypeError)
})

test('a topic cannot be changed', () => {
  assert.ok(Object.isFrozen(topic('clicks', { schema })))
  assert.ok(Object.isFrozen(topic.unchecked('clicks')))
})

test('the name of a topic', () => {
  assert.equal(topicName('clicks'), 'clicks')
  assert.equal(topicName(topic('clicks', { schema })), 'clicks')
  assert.throws(() => topicName(undefined as unknown as string), TypeError)
  assert.throws(() => topicName({} as unknown as string), TypeError)
})
