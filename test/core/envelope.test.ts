import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DeadHeader,
  type DeadLetterEnvelope,
  deadLetterHeaders,
  deadLetterId,
  parseDeadLetter,
} from '../../src/core/envelope.ts'

const envelope: DeadLetterEnvelope = {
  topic: 'clicks',
  group: 'billing',
  messageId: 'order-7',
  partition: 3,
  offset: 41,
  reason: 'card declined',
  stack: 'Error: card declined\n    at charge (shop.ts:1:2)',
  attempts: 6,
  firstFailureMs: 1_700_000_000_000,
  lastFailureMs: 1_700_000_341_000,
}

test('the headers are frozen: other programs read them', () => {
  assert.deepEqual(deadLetterHeaders(envelope), {
    'hf-dead-id': deadLetterId('clicks', 'billing', 'order-7'),
    'hf-dead-reason': 'card declined',
    'hf-dead-stack': 'Error: card declined\\u000a    at charge (shop.ts:1:2)',
    'hf-dead-attempts': '6',
    'hf-dead-first-ms': '1700000000000',
    'hf-dead-last-ms': '1700000341000',
    'hf-dead-topic': 'clicks',
    'hf-dead-group': 'billing',
    'hf-dead-partition': '3',
    'hf-dead-offset': '41',
    'hf-dead-message-id': 'order-7',
  })
})

test('the id is frozen, and another topic, group or message has another', () => {
  assert.equal(deadLetterId('clicks', 'billing', 'order-7'), 'EsyeQIeQplSV5wmOxeXd0g')
  const ids = [
    deadLetterId('clicks', 'billing', 'order-7'),
    deadLetterId('clicks', 'billingorder', '-7'),
    deadLetterId('clicksbilling', '', 'order-7'),
    deadLetterId('clicks', 'billing', 'order-8'),
  ]
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{22}$/)
})

test('envelope and original headers come back', () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('\\', '\n', '\0', 'u', '\u2028', '\ud800', '€'), fc.string()),
    maxLength: 30,
  })
  fc.assert(
    fc.property(text, text, text, fc.maxSafeNat(), (reason, stack, messageId, offset) => {
      const whole = { ...envelope, reason, stack, messageId, offset }
      const own = { trace: 'a', 'HF-other': 'b' }
      const headers = { ...own, ...deadLetterHeaders(whole) }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      for (const value of Object.values(headers)) assert.doesNotMatch(value, /[\u0000-\u001f\u007f]/)
      for (const value of Object.values(headers)) assert.ok(value.isWellFormed())
      assert.deepEqual(parseDeadLetter(headers), { envelope: whole, headers: own })
    }),
  )
})

test('reason and stack are cut between characters', () => {
  const long = deadLetterHeaders({ ...envelope, reason: '💶'.repeat(1000), stack: '\n'.repeat(5000) })
  assert.equal(long[DeadHeader.reason], '💶'.repeat(256))
  assert.equal(long[DeadHeader.stack], '\\u000a'.repeat(682))
  const odd = deadLetterHeaders({ ...envelope, reason: `a${'💶'.repeat(1000)}` })
  assert.equal(odd[DeadHeader.reason], `a${'💶'.repeat(255)}`)
  assert.notEqual(parseDeadLetter(long), null)
})

test('what is no dead letter, or a damaged one, is null', () => {
  assert.equal(parseDeadLetter({}), null)
  const headers = deadLetterHeaders(envelope)
  for (const name of Object.values(DeadHeader)) {
    if (name === DeadHeader.id) continue
    const { [name]: _, ...rest } = headers
    assert.equal(parseDeadLetter(rest), null, name)
  }
  for (const name of [DeadHeader.attempts, DeadHeader.offset, DeadHeader.firstFailureMs]) {
    for (const value of ['', '-1', '1.5', 'x', '1e3', '9007199254740992', ' 1']) {
      assert.equal(parseDeadLetter({ ...headers, [name]: value }), null, `${name}: ${value}`)
    }
  }
  for (const value of ['\\', '\\n', '\\u00', '\\u00GG']) {
    assert.equal(parseDeadLetter({ ...headers, [DeadHeader.reason]: value }), null, value)
  }
})
