import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { epochText, messageId, parseEpoch, parseMessageId } from '../../src/core/id.ts'

const epochs = fc.uint8Array({ minLength: 16, maxLength: 16 })

test('an epoch and its text are one', () => {
  fc.assert(
    fc.property(epochs, (epoch) => {
      const text = epochText(epoch)
      assert.equal(text.length, 22)
      assert.deepEqual(parseEpoch(text), epoch)
    }),
  )
  assert.equal(epochText(new Uint8Array(16)), 'AAAAAAAAAAAAAAAAAAAAAA')
})

test('an epoch that is a view is read where it lies', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i)
  assert.deepEqual(parseEpoch(epochText(bytes.subarray(7, 23))), bytes.slice(7, 23))
})

test('what is no epoch is refused', () => {
  assert.throws(() => epochText(new Uint8Array(15)), RangeError)
  // The last: decodes to the same bytes as …A, so it must not be a second name of them.
  for (const text of ['', 'A'.repeat(21), 'A'.repeat(23), `${'A'.repeat(20)}+A`, `${'A'.repeat(21)}B`]) {
    assert.equal(parseEpoch(text), null, text)
  }
})

test('a message id is read back', () => {
  fc.assert(
    fc.property(epochs, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (epoch, counter) => {
      const text = epochText(epoch)
      assert.deepEqual(parseMessageId(messageId(text, counter)), { epoch: text, counter })
    }),
  )
})

test("callers' ids are not Holdfast's", () => {
  const epoch = 'A'.repeat(22)
  for (const id of [
    '',
    'order-7',
    epoch,
    `${epoch}-`,
    `${epoch}-0`,
    `${epoch}-07`,
    `${epoch}-1e3`,
    `${epoch}-9007199254740992`,
    ` ${epoch}-1`,
    `${epoch}-1\n`,
  ]) {
    assert.equal(parseMessageId(id), null, id)
  }
})
