/** One file of the log, its name, and its line in the table of live segments. */
import { readU64, viewOf, writeU64 } from './format.ts'
import type { SegmentIndex } from './segment-index.ts'

export class Segment {
  readonly path: string
  readonly number: number
  readonly fence: number
  readonly epoch: number
  readonly baseSequence: number
  /** Sequence behind its last record; grows while it is the current one. */
  endSequence: number
  /** Where its last frame ends, bytes. */
  endPosition: number
  /** Where its footer lies: in itself, or in a later segment when it was not sealed in order; 0: nowhere yet. */
  footerSegment = 0
  footerPosition = 0
  index: SegmentIndex
  /** Bytes of the file that are really allocated: writes up to here need no space. */
  allocatedBytes = 0

  constructor(
    path: string,
    fields: { number: number; fence: number; epoch: number; baseSequence: number },
    index: SegmentIndex,
  ) {
    this.path = path
    this.number = fields.number
    this.fence = fields.fence
    this.epoch = fields.epoch
    this.baseSequence = fields.baseSequence
    this.endSequence = fields.baseSequence
    this.endPosition = 0
    this.index = index
  }
}

const namePattern = /^(\d{16})-([0-9a-f]{14})\.seg$/

/** The fence is part of the name: two owners can never make the same file. */
export function segmentName(number: number, fence: number): string {
  return `${String(number).padStart(16, '0')}-${fence.toString(16).padStart(14, '0')}.seg`
}

export function parseSegmentName(name: string): { number: number; fence: number } | null {
  const match = namePattern.exec(name)
  return match === null ? null : { number: Number(match[1]), fence: Number.parseInt(match[2]!, 16) }
}

/** The highest number among the names of segments; 0: there is none. */
export function newestNumber(names: readonly string[]): number {
  return names.reduce((newest, name) => Math.max(newest, parseSegmentName(name)?.number ?? 0), 0)
}

/** A line of the table of live segments. */
export interface SegmentEntry {
  readonly number: number
  readonly fence: number
  readonly epoch: number
  readonly baseSequence: number
  readonly endSequence: number
  readonly endPosition: number
  readonly footerSegment: number
  readonly footerPosition: number
}

const entryBytes = 64

export function encodeTable(segments: readonly SegmentEntry[]): Uint8Array {
  const out = new Uint8Array(segments.length * entryBytes)
  const view = viewOf(out)
  let at = 0
  for (const segment of segments) {
    writeU64(view, at, segment.number)
    writeU64(view, at + 8, segment.fence)
    view.setUint32(at + 16, segment.epoch, true)
    writeU64(view, at + 24, segment.baseSequence)
    writeU64(view, at + 32, segment.endSequence)
    writeU64(view, at + 40, segment.endPosition)
    writeU64(view, at + 48, segment.footerSegment)
    writeU64(view, at + 56, segment.footerPosition)
    at += entryBytes
  }
  return out
}

export function decodeTable(payload: Uint8Array): SegmentEntry[] {
  const view = viewOf(payload)
  if (payload.length % entryBytes !== 0) throw new RangeError('segment table of a broken length')
  const entries: SegmentEntry[] = []
  for (let at = 0; at < payload.length; at += entryBytes) {
    entries.push({
      number: readU64(view, at),
      fence: readU64(view, at + 8),
      epoch: view.getUint32(at + 16, true),
      baseSequence: readU64(view, at + 24),
      endSequence: readU64(view, at + 32),
      endPosition: readU64(view, at + 40),
      footerSegment: readU64(view, at + 48),
      footerPosition: readU64(view, at + 56),
    })
  }
  return entries
}
