import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { epochText } from '../../src/core/id.ts'
import { formatStamp, parseStamp, type Stamp } from '../../src/core/wire.ts'

interface Golden {
  readonly valid: readonly { readonly name: string; readonly stamp: Stamp; readonly header: string }[]
  readonly foreign: readonly string[]
  readonly damaged: readonly { readonly header: string; readonly damage: string }[]
}

const golden: Golden = JSON.parse(readFileSync(new URL('../golden/wire.json', import.meta.url), 'utf8'))

test('the golden file holds cases of every kind', () => {
  assert.ok(golden.valid.length >= 14 && golden.foreign.length >= 14 && golden.damaged.length >= 36)
})

for (const { name, stamp, header } of golden.valid) {
  test(`golden: ${name}`, () => {
    assert.equal(formatStamp(stamp), header)
    assert.deepEqual(parseStamp(header), { stamp })
    assert.ok(Buffer.byteLength(header) <= 255)
  })
}

test('golden: foreign headers are none', () => {
  assert.equal(parseStamp(undefined), null)
  for (const header of golden.foreign) assert.equal(parseStamp(header), null, header)
})

test('golden: damaged headers say what is wrong', () => {
  for (const { header, damage } of golden.damaged) assert.deepEqual(parseStamp(header), { damage }, header)
})

const stamps = fc.record(
  {
    epoch: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(epochText),
    number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    partition: fc.nat(1023),
    topic: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((text) => Buffer.byteLength(text) < 40),
    counter: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    sentAtMs: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
)

test('every stamp comes back, in printable ASCII', () => {
  fc.assert(
    fc.property(stamps, (stamp) => {
      const header = formatStamp(stamp)
      assert.match(header, /^[!-~]{1,255}$/)
      assert.deepEqual(parseStamp(header), { stamp })
    }),
  )
})

test('a changed header is another stamp or damaged, and every stamp has one form', () => {
  const change = fc.tuple(fc.nat(60), fc.constantFrom('', '0', '1', ';', '%', 'A', ' ', '-'))
  fc.assert(
    fc.property(stamps, change, (stamp, [at, put]) => {
      const header = formatStamp(stamp)
      const changed = header.slice(0, at) + put + header.slice(at + 1)
      const parsed = parseStamp(changed)
      if (parsed !== null && 'stamp' in parsed) assert.equal(formatStamp(parsed.stamp), changed)
    }),
    { numRuns: 1000 },
  )
})

test('a stamp that does not fit is not written', () => {
  const stamp: Stamp = {
    epoch: 'A'.repeat(22),
    number: 1,
    partition: 0,
    topic: '€'.repeat(30),
    counter: 1,
    sentAtMs: 0,
  }
  assert.throws(() => formatStamp(stamp), RangeError)
})
