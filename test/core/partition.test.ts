import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, murmur2Bytes, partitionFor } from '../../src/core/partition.ts'

const vectors: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

test("the hash is Kafka's", () => {
  for (const [text, hash] of vectors) {
    assert.equal(murmur2(text), hash, text)
    assert.equal(murmur2Bytes(Buffer.from(text)), hash, text)
  }
})

test('the sign bit is dropped, not negated', () => {
  assert.equal(partitionFor('21', 8), (-973932308 & 0x7fffffff) % 8)
  assert.notEqual(partitionFor('21', 1000), 973932308 % 1000)
})

test('string and byte hash agree, whatever the characters and the length', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme-ascii' }),
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 1024 }), (text, partitions) => {
      const hash = murmur2Bytes(new TextEncoder().encode(text))
      assert.equal(murmur2(text), hash)
      const partition = partitionFor(text, partitions)
      assert.equal(partition, (hash & 0x7fffffff) % partitions)
    }),
    { numRuns: 2000 },
  )
})

test('one character outside ASCII anywhere leaves the fast path', () => {
  for (let at = 0; at < 9; at++) {
    for (const odd of ['\u0080', 'é', '€', '💶']) {
      const text = `${'x'.repeat(at)}${odd}${'x'.repeat(8 - at)}`
      assert.equal(murmur2(text), murmur2Bytes(new TextEncoder().encode(text)), text)
    }
  }
})

test('keys spread over the partitions', () => {
  const counts = new Array<number>(8).fill(0)
  for (let i = 0; i < 8000; i++) counts[partitionFor(`advertiser-${i}`, 8)]++
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts))
})
