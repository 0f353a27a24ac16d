import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { align8, buildFrame } from '../../src/log/format.ts'
import { encodeMessage, messageBound, slabOf } from '../../src/log/record.ts'
import { SegmentIndex } from '../../src/log/segment-index.ts'

function message(topic: number, partition: number, offset: number, sentAtMs: number): Uint8Array {
  const fields = {
    topic,
    partition,
    offset,
    number: 1,
    counter: 1,
    sentAtMs,
    producer: 1,
    codec: 0,
    flags: 0,
    id: null,
    contentHash: null,
    key: null,
    headers: null,
    body: 'x',
  }
  const slab = slabOf(new Uint8Array(align8(messageBound(fields))))
  return slab.bytes.subarray(0, encodeMessage(slab, 0, fields, fields))
}

/** Frames of messages of a few partitions, each with ascending offsets. */
const framesArbitrary = fc
  .array(fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { minLength: 1, maxLength: 90 }), { maxLength: 12 })
  .map((frames) => {
    const next = new Map<string, number>()
    return frames.map((places) =>
      places.map(([topic, partition]) => {
        const offset = next.get(`${topic} ${partition}`) ?? topic * 1000
        next.set(`${topic} ${partition}`, offset + 1)
        return { topic, partition, offset }
      }),
    )
  })

describe('the index of a segment', () => {
  it('finds a frame at or before each message, survives its encoding, and counts', () => {
    fc.assert(
      fc.property(framesArbitrary, (frames) => {
        const index = new SegmentIndex()
        const places = new Map<number, { topic: number; partition: number; offset: number }[]>()
        let position = 128
        let messages = 0
        for (const frame of frames) {
          const records = frame.map(({ topic, partition, offset }) =>
            message(topic, partition, offset, offset),
          )
          const bytes = Buffer.from(buildFrame(records, { epoch: 1, firstSequence: messages, syncedUpTo: 0 }))
          index.addFrame({ bytes, position })
          places.set(position, frame)
          position += bytes.length
          messages += frame.length
        }
        const decoded = SegmentIndex.decode(index.encode(7), 7)
        assert.ok(decoded !== null)
        assert.equal(index.encode(7).length, index.encodedBytes)
        for (const read of [index, decoded]) {
          assert.equal(read.messages, messages)
          assert.equal(read.bytes, index.bytes)
          assert.equal(read.newestAtMs, Math.max(0, ...frames.flat().map(({ offset }) => offset)))
          assert.deepEqual(read.encode(7), index.encode(7), 'the same again')
          const behind = [...places.keys()]
          for (const [at, frame] of places) {
            for (const { topic, partition, offset } of frame) {
              const found = read.of(topic, partition)
              assert.ok(found !== undefined && offset >= found.first && offset <= found.last)
              const from = found.positionOf(offset)
              assert.ok(from <= at && behind.includes(from), 'a frame from which a reader meets it')
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('starts near the message in a long segment', () => {
    const index = new SegmentIndex()
    for (let i = 0; i < 1000; i++) {
      const bytes = Buffer.from(
        buildFrame([message(1, 0, i, 0)], { epoch: 1, firstSequence: i, syncedUpTo: 0 }),
      )
      index.addFrame({ bytes, position: 1000 + i })
    }
    for (const offset of [0, 63, 64, 500, 999]) {
      const from = index.of(1, 0)?.positionOf(offset) ?? 0
      assert.ok(from <= 1000 + offset && from > 1000 + offset - 64, `${offset} from ${from}`)
    }
  })

  it('is nothing where the payload does not add up, or belongs to another segment', () => {
    const index = new SegmentIndex()
    index.addFrame({
      bytes: Buffer.from(buildFrame([message(1, 0, 0, 0)], { epoch: 1, firstSequence: 0, syncedUpTo: 0 })),
      position: 128,
    })
    const payload = index.encode(3)
    assert.equal(SegmentIndex.decode(payload, 4), null)
    for (let length = 0; length < payload.length; length++)
      assert.equal(SegmentIndex.decode(payload.subarray(0, length), 3), null, `${length} bytes`)
    assert.equal(SegmentIndex.decode(Buffer.concat([payload, Buffer.alloc(4)]), 3), null)
  })
})
