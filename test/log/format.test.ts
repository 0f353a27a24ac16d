import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import {
  align8,
  buildFrame,
  buildRecord,
  decodeFrame,
  decodeSegmentHeader,
  encodeSegmentHeader,
  forEachRecord,
  formatVersion,
  frameHeaderBytes,
  maxFrameBytes,
  RecordFlag,
  RecordType,
  readU64,
  recordHeaderBytes,
  segmentHeaderBytes,
  viewOf,
  writeU64,
} from '../../src/log/format.ts'
import { decodeTable, encodeTable, parseSegmentName, segmentName } from '../../src/log/segment.ts'

/** Hexadecimal with spaces and comments between, as a person writes it down. */
function hex(text: string): string {
  return text.replace(/#.*$/gm, '').replace(/\s+/g, '')
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const header = {
  logId: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
  number: 3,
  fence: 0x18bcfe56800,
  epoch: 0xdeadbeef,
  baseSequence: 2 ** 32 + 5,
  createdAtMs: 1_700_000_000_000,
}

const headerHex = hex(`
  484f4c4446415354                  # HOLDFAST
  01000000                          # version
  efbeadde                          # epoch
  000102030405060708090a0b0c0d0e0f  # log
  0300000000000000                  # number
  0068e5cf8b010000                  # fence
  0500000001000000                  # first sequence
  0068e5cf8b010000                  # made at
  ${'00'.repeat(60)}
`)

function crcHex(bytesHex: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(crc32(Buffer.from(bytesHex, 'hex')))
  return bytes.toString('hex')
}

describe('the bytes of a segment', () => {
  it('are frozen: the header', () => {
    assert.equal(formatVersion, 1)
    assert.equal(segmentHeaderBytes, 128)
    assert.equal(toHex(encodeSegmentHeader(header)), headerHex + crcHex(headerHex))
    assert.deepEqual(decodeSegmentHeader(encodeSegmentHeader(header)), {
      ...header,
      logId: new Uint8Array(header.logId),
    })
  })

  it('are frozen: a frame with its records', () => {
    const records = [
      buildRecord(40, Buffer.from('abc'), 7, 9),
      buildRecord(RecordType.closed, new Uint8Array(0)),
    ]
    const frame = buildFrame(records, { epoch: 0xdeadbeef, firstSequence: 0x1_0000_0002, syncedUpTo: 1 })
    const behindChecksum = hex(`
      48000000  # length
      efbeadde  # epoch
      02000000  # records
      0200000001000000  # sequence of the first
      0100000000000000  # everything below was durable
      13000000 28 00 0000 07000000 09000000 616263 0000000000
      10000000 05 00 0000 00000000 00000000
    `)
    assert.equal(toHex(frame), crcHex(behindChecksum) + behindChecksum)
    assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926, 'CRC-32 of IEEE 802.3')
  })

  it('are frozen: the types and flags', () => {
    assert.deepEqual(RecordType, {
      segments: 1,
      snapshotEnd: 2,
      footer: 3,
      released: 4,
      closed: 5,
      message: 16,
    })
    assert.deepEqual(RecordFlag, { copy: 1, batchLast: 2, foreign: 4 })
    assert.deepEqual([frameHeaderBytes, recordHeaderBytes, maxFrameBytes], [32, 16, 24 * 1024 * 1024])
  })

  it('are frozen: the table of segments and the names', () => {
    const entry = {
      number: 1,
      fence: 2,
      epoch: 3,
      baseSequence: 4,
      endSequence: 5,
      endPosition: 6,
      footerSegment: 7,
      footerPosition: 2 ** 33,
    }
    assert.equal(
      toHex(encodeTable([entry])),
      hex(`
        0100000000000000 0200000000000000 03000000 00000000 0400000000000000
        0500000000000000 0600000000000000 0700000000000000 0000000002000000
      `),
    )
    assert.deepEqual(decodeTable(encodeTable([entry, { ...entry, number: 2 }])), [
      entry,
      { ...entry, number: 2 },
    ])
    assert.deepEqual(decodeTable(new Uint8Array(0)), [])
    assert.throws(() => decodeTable(new Uint8Array(63)), RangeError)
    assert.equal(segmentName(12, 0xabc), '0000000000000012-00000000000abc.seg')
    assert.deepEqual(parseSegmentName('0000000000000012-00000000000abc.seg'), { number: 12, fence: 0xabc })
    for (const name of ['12-abc.seg', '0000000000000012-00000000000abc.seg.bak', 'next-ff-1.tmp'])
      assert.equal(parseSegmentName(name), null)
  })

  it('hold whole numbers up to 2^53', () => {
    const view = new DataView(new ArrayBuffer(8))
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        writeU64(view, 0, value)
        assert.equal(readU64(view, 0), value)
        assert.equal(view.getBigUint64(0, true), BigInt(value))
      }),
    )
    view.setBigUint64(0, 2n ** 53n, true)
    assert.ok(Number.isNaN(readU64(view, 0)), 'what is more is not taken for a number')
  })
})

describe('a segment header', () => {
  const bytes = () => Buffer.from(encodeSegmentHeader(header))

  it('of somebody else is foreign, of a later version newer, and with a wrong bit damaged', () => {
    assert.deepEqual(decodeSegmentHeader(Buffer.alloc(128, 'x')), { problem: 'foreign', version: 0x78787878 })
    assert.deepEqual(decodeSegmentHeader(Buffer.alloc(10)), { problem: 'damaged', version: 0 })
    const newer = bytes()
    newer.writeUInt32LE(2, 8)
    newer.writeUInt32LE(77, 100)
    assert.deepEqual(decodeSegmentHeader(newer), { problem: 'newer', version: 2 })
    for (let bit = 0; bit < 128 * 8; bit++) {
      const flipped = bytes()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const found = decodeSegmentHeader(flipped)
      assert.ok('problem' in found && found.problem === 'damaged', `bit ${bit}`)
    }
  })
})

describe('a frame', () => {
  const epoch = 0x1234
  const recordArbitrary = fc
    .tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 40 }))
    .map(([type, payload]) => buildRecord(type, payload))

  it('gives back the records it was made of', () => {
    fc.assert(
      fc.property(fc.array(recordArbitrary, { maxLength: 6 }), fc.nat(1000), (records, before) => {
        const frame = buildFrame(records, { epoch, firstSequence: before + 5, syncedUpTo: before })
        assert.equal(frame.length % 8, 0)
        const read = decodeFrame(Buffer.from(frame), 0, 128, {
          epoch,
          sequence: before + 5,
          limit: frame.length,
        })
        assert.ok(read !== null && !('need' in read))
        assert.deepEqual(
          [read.count, read.firstSequence, read.syncedUpTo],
          [records.length, before + 5, before],
        )
        const found: Uint8Array[] = []
        forEachRecord(read.bytes, (at, length, type) => {
          assert.equal(at % 8, 0)
          assert.equal(type, read.bytes[at + 4])
          found.push(new Uint8Array(read.bytes.subarray(at, at + length)))
        })
        assert.deepEqual(found, records)
      }),
    )
  })

  it('is none with a bit that is wrong, of another epoch, out of its turn, or cut', () => {
    const frame = Buffer.from(
      buildFrame([buildRecord(40, Buffer.from('12345678'))], { epoch, firstSequence: 9, syncedUpTo: 9 }),
    )
    const decode = (bytes: Buffer, sequence: number | null = 9, of = epoch, limit = bytes.length) =>
      decodeFrame(bytes, 0, 0, { epoch: of, sequence, limit })
    assert.ok(decode(frame) !== null)
    assert.ok(decode(frame, null) !== null)
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const found = decodeFrame(flipped, 0, 0, { epoch, sequence: 9, limit: 1000 })
      assert.ok(found === null || 'need' in found, `bit ${bit}`)
    }
    assert.equal(decode(frame, 8), null)
    assert.equal(decode(frame, 9, epoch + 1), null)
    assert.equal(decode(frame, 9, epoch, frame.length - 1), null, 'longer than the file')
    assert.deepEqual(decode(frame.subarray(0, 20), 9, epoch, 1000), { need: 32 })
    assert.deepEqual(decode(frame.subarray(0, 40), 9, epoch, 1000), { need: frame.length })
    assert.equal(decode(Buffer.alloc(64)), null, 'zeros are none')
  })

  it('does not vouch for what comes behind itself', () => {
    const frame = Buffer.from(buildFrame([], { epoch, firstSequence: 9, syncedUpTo: 10 }))
    assert.equal(decodeFrame(frame, 0, 0, { epoch, sequence: null, limit: frame.length }), null)
  })

  it('is refused where its records do not add up, although its checksum holds', () => {
    const record = buildRecord(40, new Uint8Array(8))
    viewOf(record).setUint32(0, 400, true)
    const frame = Buffer.from(buildFrame([record], { epoch, firstSequence: 0, syncedUpTo: 0 }))
    assert.throws(() => forEachRecord(frame, () => undefined), RangeError)
  })

  it('is aligned to 8 bytes', () => {
    assert.deepEqual([0, 1, 7, 8, 9].map(align8), [0, 8, 8, 8, 16])
  })
})
