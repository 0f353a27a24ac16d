import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Gaps } from '../../src/consumer/gaps.ts'
import {
  cutBytes,
  DeadLetter,
  describe as describeError,
  Retry,
  verdictOf,
} from '../../src/consumer/verdict.ts'

describe('verdicts', () => {
  it('go by brand, so that another copy of the package counts too', () => {
    assert.deepEqual(verdictOf(new DeadLetter('no')), { kind: 'dead' })
    assert.deepEqual(verdictOf({ [Symbol.for('holdfast.dead-letter')]: true }), { kind: 'dead' })
    const retry = { [Symbol.for('holdfast.retry')]: true, afterMs: 5, countsAsAttempt: false }
    assert.deepEqual(verdictOf(retry), { kind: 'retry', afterMs: 5, countsAsAttempt: false })
    assert.deepEqual(verdictOf(new Retry()), { kind: 'retry', afterMs: undefined, countsAsAttempt: true })
    for (const other of [new Error('no'), undefined, null, 'DeadLetter', 0, Symbol('x'), {}]) {
      assert.deepEqual(verdictOf(other), { kind: 'failed' })
    }
  })

  it('keep reason and cause', () => {
    const cause = new Error('409')
    assert.equal(new Retry({ cause }).message, '409')
    assert.equal(new Retry({ cause, reason: 'busy' }).message, 'busy')
    assert.equal(new Retry({ cause }).cause, cause)
    assert.equal(new DeadLetter('no', { cause }).cause, cause)
  })

  it('refuse waits that are none', () => {
    for (const afterMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      assert.throws(() => new Retry({ afterMs }), TypeError)
    }
    assert.equal(new Retry({ afterMs: 0 }).afterMs, 0)
  })
})

describe('the description of an error', () => {
  const at = (message: string) => new RangeError(message)

  it('groups failures that differ in numbers only', () => {
    const [first, second, other] = ['order 17 is gone', 'order 4 is gone', 'order is late'].map(
      (message) => describeError(at(message)).fingerprint,
    )
    assert.equal(first, second)
    assert.notEqual(first, other)
    const elsewhere = new RangeError('order 17 is gone')
    assert.notEqual(describeError(elsewhere).fingerprint, first)
    for (const print of [first, other]) assert.ok(print >= 0 && print < 2 ** 32)
  })

  it('holds 4 KiB of stack and reason at most', () => {
    const { reason, stack } = describeError(new Error('€'.repeat(10_000)))
    assert.equal(reason, '€'.repeat(1365))
    assert.ok(Buffer.byteLength(stack) <= 4096)
    assert.match(stack, /^Error: €/)
  })

  it('takes whatever is thrown', () => {
    const hostile = {
      toString() {
        throw new Error('never')
      },
    }
    const broken = Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('never')
      },
    })
    assert.equal(describeError('text').reason, 'text')
    assert.equal(describeError(undefined).reason, 'undefined')
    assert.equal(describeError(new TypeError()).reason, 'TypeError')
    for (const value of [hostile, broken, Object.create(null)]) {
      assert.equal(describeError(value).reason, 'an error that cannot be described')
    }
  })

  it('follows causes, and not for ever', () => {
    const error = new Error('outer', { cause: new Error('inner') })
    assert.match(describeError(error).stack, /outer[\s\S]*caused by: Error: inner/)
    const loop = new Error('loop')
    loop.stack = 'Error: loop'
    loop.cause = loop
    assert.equal(describeError(loop).stack.split('caused by').length, 5)
  })

  it('cuts between characters', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.integer({ min: 0, max: 60 }),
        (text, max) => {
          const cut = cutBytes(text, max)
          assert.ok(Buffer.byteLength(cut) <= max)
          assert.ok(text.startsWith(cut))
          const next = text.codePointAt(cut.length)
          if (next !== undefined) assert.ok(Buffer.byteLength(cut + String.fromCodePoint(next)) > max)
        },
      ),
    )
  })
})

describe('gaps', () => {
  it('are exact up to a bound, and beyond it never miss a key', () => {
    const gaps = new Gaps()
    assert.equal(gaps.has('a'), false)
    for (let i = 0; i < Gaps.exactKeys; i++) gaps.add(`key ${i}`)
    for (let i = 0; i < 10_000; i++) assert.equal(gaps.has(`other ${i}`), false)
    gaps.add('key 0')
    assert.equal(gaps.has('other'), false)
    for (let i = 0; i < 5000; i++) gaps.add(`late ${i}`)
    for (let i = 0; i < Gaps.exactKeys; i++) assert.ok(gaps.has(`key ${i}`))
    for (let i = 0; i < 5000; i++) assert.ok(gaps.has(`late ${i}`))
    let wrong = 0
    for (let i = 0; i < 10_000; i++) if (gaps.has(`other ${i}`)) wrong++
    assert.ok(wrong < 200)
  })
})
