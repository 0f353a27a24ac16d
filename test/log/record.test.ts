import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { align8, buildFrame, forEachRecord, RecordFlag, RecordType } from '../../src/log/format.ts'
import {
  contentHashBytes,
  encodeMessage,
  type MessageContent,
  MessageRecord,
  type MessageStamp,
  messageBound,
  placeOf,
  recordProblem,
  slabOf,
} from '../../src/log/record.ts'

const text = (maxLength: number) =>
  fc.string({ unit: 'binary', maxLength }).filter((value) => value.isWellFormed())
const u32 = fc.nat(2 ** 32 - 1)

/** A message whole, as the tests compare it. */
type MessageFields = MessageContent & MessageStamp

const messageArbitrary: fc.Arbitrary<MessageFields> = fc
  .record({
    topic: u32,
    partition: fc.nat(65535),
    offset: fc.maxSafeNat(),
    number: fc.maxSafeNat(),
    counter: fc.maxSafeNat(),
    sentAtMs: fc.maxSafeNat(),
    producer: u32,
    codec: fc.nat(65535),
    flags: fc.nat(RecordFlag.copy | RecordFlag.batchLast | RecordFlag.foreign),
    id: fc.option(text(40).filter((id) => id !== '')),
    key: fc.option(text(40)),
    headers: fc.option(
      fc.dictionary(
        text(20).filter((name) => name !== ''),
        text(60),
        { minKeys: 1, maxKeys: 4, noNullPrototype: true },
      ),
    ),
    body: fc.oneof(text(200), fc.uint8Array({ maxLength: 200 })),
  })
  .chain((fields) =>
    fc
      .uint8Array({ minLength: contentHashBytes, maxLength: contentHashBytes })
      .map((hash) => ({ ...fields, contentHash: fields.id === null ? null : hash })),
  )

function encoded(message: MessageFields): { bytes: Buffer; length: number } {
  const room = align8(messageBound(message))
  const slab = slabOf(new Uint8Array(room + 16))
  slab.bytes.fill(0xee)
  const length = encodeMessage(slab, 8, message, message)
  assert.ok(length <= messageBound(message), 'within its bound')
  assert.ok(
    slab.bytes.subarray(8 + align8(length)).every((byte) => byte === 0xee),
    'nothing is written behind',
  )
  assert.ok(
    slab.bytes.subarray(8 + length, 8 + align8(length)).every((byte) => byte === 0),
    'padded with zeros',
  )
  return { bytes: slab.bytes.subarray(8, 8 + length), length }
}

describe('the record of a message', () => {
  it('gives back every part, whatever the characters', () => {
    fc.assert(
      fc.property(messageArbitrary, (message) => {
        const { bytes, length } = encoded(message)
        const frame = Buffer.from(buildFrame([bytes], { epoch: 1, firstSequence: 0, syncedUpTo: 0 }))
        forEachRecord(frame, (at, recordLength) => {
          assert.equal(recordLength, length)
          assert.equal(recordProblem(frame, at, recordLength, new Set([RecordType.message])), null)
          const read = new MessageRecord(frame, at)
          assert.ok(read.coherent && read.headersCoherent)
          for (const name of [
            'topic',
            'partition',
            'offset',
            'number',
            'counter',
            'sentAtMs',
            'producer',
          ] as const)
            assert.equal(read[name], message[name], name)
          for (const name of ['codec', 'flags', 'id', 'key'] as const)
            assert.equal(read[name], message[name], name)
          assert.deepEqual(read.headers, message.headers)
          if (typeof message.body === 'string') assert.equal(read.bodyText, message.body)
          assert.deepEqual(Buffer.from(read.body), Buffer.from(message.body as string))
          assert.deepEqual(
            read.contentHash === null ? null : new Uint8Array(read.contentHash),
            message.contentHash,
          )
          const { topic, partition, offset } = message
          assert.deepEqual(placeOf(frame, at), { topic, partition, offset })
        })
      }),
      { numRuns: 500 },
    )
  })

  it('keeps a header whose name means something to JavaScript', () => {
    const headers = JSON.parse('{"__proto__":"a","constructor":"b","1":"c"}') as Record<string, string>
    const { bytes } = encoded({ ...plain, headers })
    assert.deepEqual(
      Object.entries(new MessageRecord(bytes, 0).headers ?? {}).sort(),
      Object.entries(headers).sort(),
    )
  })

  it('never needs more than its bound, also of characters that have no encoding', () => {
    const anyText = fc.string({
      unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    })
    fc.assert(
      fc.property(anyText, anyText, anyText, (key, value, body) => {
        encoded({ ...plain, key, headers: { name: value }, body })
      }),
      { numRuns: 300 },
    )
  })

  it('is refused where its parts do not add up', () => {
    const { bytes, length } = encoded(plain)
    const problem = (at: number, value: number): string | null => {
      const copy = Buffer.from(bytes)
      copy.writeUInt32LE(value, at)
      return recordProblem(copy, 0, length, new Set([RecordType.message]))
    }
    assert.equal(problem(60, plain.body.length), null)
    assert.match(problem(60, 5000) ?? '', /do not add up/)
    assert.match(problem(56, 1) ?? '', /do not add up/)
    const flagged = Buffer.from(bytes)
    flagged[5] = 8
    assert.match(recordProblem(flagged, 0, length, new Set([RecordType.message])) ?? '', /unknown flags 8/)
  })

  it('is frozen', () => {
    const { bytes } = encoded({
      ...plain,
      id: 'i',
      contentHash: new Uint8Array(16).fill(0xaa),
      headers: { a: 'bc' },
    })
    assert.equal(
      bytes.toString('hex'),
      [
        '5f000000 10 04 0200 03000000 04000000', // length, type, flags, codec, topic, partition
        '0500000000000000 0600000000000000', // offset, number
        '0700000000000000 0068e5cf8b010000', // counter, sent at
        '08000000 0100 0200 07000000 05000000', // producer, lengths of id, key, headers, body
        `69${'aa'.repeat(16)}`, // id, hash
        '6b31', // key
        '0100 0200 61 6263', // header
        '7b2261227d', // body
      ]
        .join('')
        .replace(/ /g, ''),
    )
  })
})

const plain: MessageFields = {
  topic: 3,
  partition: 4,
  offset: 5,
  number: 6,
  counter: 7,
  sentAtMs: 1_700_000_000_000,
  producer: 8,
  codec: 2,
  flags: RecordFlag.foreign,
  id: null,
  contentHash: null,
  key: 'k1',
  headers: null,
  body: '{"a"}',
}
