/**
 * The bytes of the log. Everything is little-endian; every frame and record begins at a multiple of 8.
 * Constants are frozen: a change needs a new `formatVersion` (docs/log-format.md tells the whole story).
 *
 * A segment file is a header, then frames back to back:
 *
 * ```
 *   header (128)                               frame (32 + records)
 *     0  8   magic "HOLDFAST"                    0  u32  CRC-32 of everything behind it, up to `length`
 *     8  u32 format version                      4  u32  length in bytes, header included, multiple of 8
 *    12  u32 epoch: marks this use of the file   8  u32  epoch of the segment
 *    16  16  log id: the same in all segments   12  u32  number of records
 *    32  u64 segment number                     16  u64  sequence of its first record
 *    40  u64 fence of the owner that made it    24  u64  syncedUpTo: every record below it was durable
 *    48  u64 sequence of its first record                when this frame was made
 *    56  u64 wall time of its making, ms        32  …    records
 *    64  60  zero
 *   124  u32 CRC-32 of the 124 bytes before     record (16 + payload, padded with zeros to 8)
 *                                                0  u32  length in bytes without padding
 *                                                4  u8   type     5  u8  flags     6  u16  by type
 *                                                8  u32  by type (topic)          12  u32  by type (partition)
 * ```
 *
 * The frame is the unit of checksum and of atomicity. Sequences are dense: a record's sequence is its frame's plus its place.
 * The random epoch keeps stale bytes of an earlier use of the file (or a frame inside a user's body) from ever
 * passing for a frame of this segment; `syncedUpTo` tells a torn tail from a damaged middle (after Pebble's sync offset).
 */
import { crc32 } from 'node:zlib'

export const formatVersion = 1

export const segmentHeaderBytes = 128
export const frameHeaderBytes = 32
export const recordHeaderBytes = 16

/** A frame closes when it has grown to this size; only a single batch can make it bigger. */
export const frameTargetBytes = 64 * 1024
/** No frame is longer: what claims to be is damage. Room for the largest batch and its frame. */
export const maxFrameBytes = 24 * 1024 * 1024

const magic = Buffer.from('HOLDFAST', 'latin1')

/** Record types below 16 are the log's own, the rest belongs to who stands on it. Numbers are never reused. */
export const RecordType = {
  /** The live segments at this moment; the first record of each segment, and the beginning of a snapshot. */
  segments: 1,
  /** The snapshot begun at the head of this segment is complete. */
  snapshotEnd: 2,
  /** The index of a segment. */
  footer: 3,
  /** A segment nobody needs any more. */
  released: 4,
  /** The log was closed in order. */
  closed: 5,
  /** A message; see record.ts. */
  message: 16,
} as const

/** A reader that does not know a type with this bit keeps and copies it; without it the log is refused. */
export const skippableType = 0x80

/** Unknown flags make a reader refuse the log: what they mean could change what it may do. */
export const RecordFlag = {
  /** Copied forward: an equal record of the same offset may still be in an older segment. */
  copy: 1,
  /** Last record of an atomic batch. Reserved: a batch is one frame today. */
  batchLast: 2,
  /** Sent by a program other than Holdfast. */
  foreign: 4,
} as const
export const knownFlags = RecordFlag.copy | RecordFlag.batchLast | RecordFlag.foreign

export interface SegmentHeader {
  readonly logId: Uint8Array
  readonly number: number
  readonly fence: number
  readonly epoch: number
  readonly baseSequence: number
  readonly createdAtMs: number
}

export const align8 = (bytes: number): number => (bytes + 7) & ~7

/** Safe integers only: 2^53 records at a million a second last 285 years. */
export function readU64(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
  return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(segmentHeaderBytes)
  const view = viewOf(bytes)
  bytes.set(magic, 0)
  view.setUint32(8, formatVersion, true)
  view.setUint32(12, header.epoch, true)
  bytes.set(header.logId, 16)
  writeU64(view, 32, header.number)
  writeU64(view, 40, header.fence)
  writeU64(view, 48, header.baseSequence)
  writeU64(view, 56, header.createdAtMs)
  view.setUint32(124, crc32(bytes.subarray(0, 124)), true)
  return bytes
}

export type HeaderProblem = { readonly problem: 'foreign' | 'newer' | 'damaged'; readonly version: number }

export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | HeaderProblem {
  if (bytes.length < segmentHeaderBytes) return { problem: 'damaged', version: 0 }
  const view = viewOf(bytes)
  const version = view.getUint32(8, true)
  const isOurs = magic.compare(bytes, 0, magic.length) === 0
  if (!isOurs || version !== formatVersion) {
    // With magic and version as they should be, does the checksum hold? Then only they are damaged.
    const repaired = bytes.slice(0, 124)
    repaired.set(magic, 0)
    viewOf(repaired).setUint32(8, formatVersion, true)
    if (view.getUint32(124, true) === crc32(repaired)) return { problem: 'damaged', version }
    if (!isOurs) return { problem: 'foreign', version }
    // A newer version may lay out the rest in another way, its checksum included; only magic and version stay.
    return { problem: version > formatVersion ? 'newer' : 'damaged', version }
  }
  if (view.getUint32(124, true) !== crc32(bytes.subarray(0, 124))) return { problem: 'damaged', version }
  return {
    logId: bytes.slice(16, 32),
    number: readU64(view, 32),
    fence: readU64(view, 40),
    epoch: view.getUint32(12, true),
    baseSequence: readU64(view, 48),
    createdAtMs: readU64(view, 56),
  }
}

/** One intact frame, seen in the bytes that were read. */
export interface Frame {
  /** Where it begins in its segment file. */
  readonly position: number
  /** The whole frame, header included. */
  readonly bytes: Buffer
  readonly count: number
  readonly firstSequence: number
  readonly syncedUpTo: number
}

/** Completes a frame whose records are in place behind the header. */
export function sealFrame(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  length: number,
  frame: { epoch: number; count: number; firstSequence: number; syncedUpTo: number },
): void {
  view.setUint32(at + 4, length, true)
  view.setUint32(at + 8, frame.epoch, true)
  view.setUint32(at + 12, frame.count, true)
  writeU64(view, at + 16, frame.firstSequence)
  writeU64(view, at + 24, frame.syncedUpTo)
  view.setUint32(at, crc32(bytes.subarray(at + 4, at + length)), true)
}

/**
 * The frame at `at`, or null where there is none of this epoch and sequence. `sequence` null accepts any.
 * `limit` is how many bytes of the file lie behind `at`: longer is damage. `need` in the result asks for more bytes.
 */
export function decodeFrame(
  bytes: Buffer,
  at: number,
  position: number,
  expected: { epoch: number; sequence: number | null; limit: number },
): Frame | { readonly need: number } | null {
  if (expected.limit < frameHeaderBytes) return null
  if (bytes.length - at < frameHeaderBytes) return { need: frameHeaderBytes }
  const length = bytes.readUInt32LE(at + 4)
  if (bytes.readUInt32LE(at + 8) !== expected.epoch) return null
  if (length < frameHeaderBytes || length % 8 !== 0 || length > maxFrameBytes || length > expected.limit)
    return null
  const view = viewOf(bytes)
  const firstSequence = readU64(view, at + 16)
  const syncedUpTo = readU64(view, at + 24)
  if (expected.sequence !== null && firstSequence !== expected.sequence) return null
  if (!(syncedUpTo <= firstSequence)) return null
  if (bytes.length - at < length) return { need: length }
  if (bytes.readUInt32LE(at) !== crc32(bytes.subarray(at + 4, at + length))) return null
  const frame = bytes.subarray(at, at + length)
  return { position, bytes: frame, count: frame.readUInt32LE(12), firstSequence, syncedUpTo }
}

/** A frame made of finished records, for the paths that are not hot. */
export function buildFrame(
  records: readonly Uint8Array[],
  frame: { epoch: number; firstSequence: number; syncedUpTo: number },
): Uint8Array {
  const length = records.reduce((sum, record) => sum + align8(record.length), frameHeaderBytes)
  const bytes = new Uint8Array(length)
  let at = frameHeaderBytes
  for (const record of records) {
    bytes.set(record, at)
    at += align8(record.length)
  }
  sealFrame(viewOf(bytes), bytes, 0, length, { ...frame, count: records.length })
  return bytes
}

/** A record with a plain payload. */
export function buildRecord(type: number, payload: Uint8Array, topic = 0, partition = 0): Uint8Array {
  const bytes = new Uint8Array(recordHeaderBytes + payload.length)
  const view = viewOf(bytes)
  view.setUint32(0, bytes.length, true)
  view.setUint8(4, type)
  view.setUint32(8, topic, true)
  view.setUint32(12, partition, true)
  bytes.set(payload, recordHeaderBytes)
  return bytes
}

/**
 * Calls `visit` with the start and the end (without padding) of each record of an intact frame. Its checksum held, so a length
 * that does not add up is a writer's fault, not a disk's: it throws.
 */
export function forEachRecord(
  frame: Buffer,
  visit: (at: number, length: number, type: number) => void,
): void {
  let at = frameHeaderBytes
  for (let left = frame.readUInt32LE(12); left > 0; left--) {
    const length = at + recordHeaderBytes <= frame.length ? frame.readUInt32LE(at) : 0
    if (length < recordHeaderBytes || at + length > frame.length)
      throw new RangeError('record beyond its frame')
    visit(at, length, frame[at + 4]!)
    at += align8(length)
  }
}
