/**
 * Reading what an owner before left: which segments are live, what their records say, and where the last one really ends. Tells a torn tail
 * from damage and changes nothing.
 */
import { HoldfastError } from '../core/errors.ts'
import type { Disk } from '../disk/port.ts'
import {
  decodeSegmentHeader,
  type Frame,
  forEachRecord,
  RecordType,
  readU64,
  type SegmentHeader,
  segmentHeaderBytes,
  viewOf,
} from './format.ts'
import type { LogHost } from './host.ts'
import { recordProblem } from './record.ts'
import { inspectTail, SegmentScanner } from './scanner.ts'
import { decodeTable, parseSegmentName, Segment, type SegmentEntry, segmentName } from './segment.ts'
import { SegmentIndex } from './segment-index.ts'

/** A last segment no longer than this is taken over whole, so that many short runs do not leave many files. */
const absorbBytes = 256 * 1024
const chunkBytes = 1024 * 1024
const restoredAtOnce = 8

interface RestoredSegment {
  readonly segment: Segment
  /** Its footer was gone: the segment was read as a whole. */
  readonly scanned: boolean
}

export interface TailCut {
  readonly segment: string
  readonly position: number
  readonly bytes: number
  /** Complete frames among them. */
  readonly frames: number
  /** Where the bytes were kept. */
  readonly keptAs: string
}

export interface Chain {
  readonly logId: Uint8Array
  /** In order; the last one is the newest. */
  readonly segments: Segment[]
  readonly scannedSegments: number
  readonly clean: boolean
  readonly tail: readonly Frame[]
  readonly tailCut: Omit<TailCut, 'keptAs'> | null
}

/** Finds the live segments, reads what is not sealed, and tells torn from damaged. Changes nothing. */
export class ChainReader {
  readonly #disk: Disk
  readonly #directory: string
  readonly #logId: string
  readonly #host: Pick<LogHost, 'apply' | 'reset' | 'recordTypes'>
  readonly #released = new Set<number>()

  constructor(
    disk: Disk,
    directory: string,
    logId: string,
    host: Pick<LogHost, 'apply' | 'reset' | 'recordTypes'>,
  ) {
    this.#disk = disk
    this.#directory = directory
    this.#logId = logId
    this.#host = host
  }

  async read(names: readonly string[]): Promise<Chain> {
    const newest = await this.#newest(names)
    if (newest === null) {
      return {
        logId: Buffer.from(this.#logId, 'hex'),
        segments: [],
        scannedSegments: 0,
        clean: true,
        tail: [],
        tailCut: null,
      }
    }
    const { segment, header, table } = newest
    let replay = await this.#replayNewest(segment)
    if (!replay.complete) {
      const previous = table.at(-1)
      if (previous === undefined)
        throw corrupt(segment.path, segment.endPosition, 'the snapshot of the only segment is not complete')
      this.#host.reset()
      this.#released.clear()
      await this.#replaySealed(previous)
      replay = await this.#replayNewest(segment)
    }
    const present = new Set(names)
    const live = table.filter((entry) => !this.#released.has(entry.number))
    for (const entry of live) {
      const name = segmentName(entry.number, entry.fence)
      if (!present.has(name)) {
        throw corrupt(`${this.#directory}/log/${name}`, 0, 'this segment is missing, and it was not given up')
      }
    }
    const restored = await this.#restoreAll(live)
    return {
      logId: header.logId,
      segments: [...restored.map((sealed) => sealed.segment), segment],
      scannedSegments: restored.filter(({ scanned }) => scanned).length,
      clean: replay.clean,
      tail: replay.tail,
      tailCut: replay.tailCut,
    }
  }

  /** The segment with the highest number; among equals the highest fence, which is the later owner's. */
  async #newest(
    names: readonly string[],
  ): Promise<{ segment: Segment; header: SegmentHeader; table: SegmentEntry[] } | null> {
    let best: { number: number; fence: number } | null = null
    for (const name of names) {
      const parsed = parseSegmentName(name)
      if (parsed === null) continue
      if (
        best === null ||
        parsed.number > best.number ||
        (parsed.number === best.number && parsed.fence > best.fence)
      )
        best = parsed
    }
    if (best === null) return null
    const path = `${this.#directory}/log/${segmentName(best.number, best.fence)}`
    const header = await this.#header(path, best)
    const segment = new Segment(path, header, new SegmentIndex())
    const file = await this.#disk.open(path)
    try {
      const scanner = new SegmentScanner(file, {
        epoch: header.epoch,
        sequence: header.baseSequence,
        position: segmentHeaderBytes,
        end: await file.size(),
        chunkBytes: 64 * 1024,
      })
      const first = (await scanner.next())[0]
      const table = first === undefined ? null : tableOf(first)
      if (table === null) throw corrupt(path, segmentHeaderBytes, 'the table of segments is damaged')
      return { segment, header, table }
    } finally {
      await file.close()
    }
  }

  async #header(path: string, name: { number: number; fence: number }): Promise<SegmentHeader> {
    const file = await this.#disk.open(path)
    try {
      const header = decodeSegmentHeader(await file.read(0, segmentHeaderBytes))
      if ('problem' in header) {
        if (header.problem === 'newer') {
          throw new HoldfastError(
            'newer_format',
            `${path} has format version ${header.version}, newer than this Holdfast knows`,
          )
        }
        if (header.problem === 'foreign') {
          throw new HoldfastError('directory_not_holdfast', `${path} was not written by Holdfast`)
        }
        throw corrupt(path, 0, 'the segment header is damaged')
      }
      if (
        header.number !== name.number ||
        header.fence !== name.fence ||
        Buffer.from(header.logId).toString('hex') !== this.#logId
      ) {
        throw corrupt(path, 0, 'the segment header belongs to another file')
      }
      return header
    } finally {
      await file.close()
    }
  }

  /** Applies the newest segment. Frames that nothing vouches for are its tail, to be copied by the new owner. */
  async #replayNewest(segment: Segment): Promise<{
    complete: boolean
    clean: boolean
    tail: Frame[]
    tailCut: Omit<TailCut, 'keptAs'> | null
  }> {
    const file = await this.#disk.open(segment.path)
    try {
      const end = await file.size()
      const scanner = new SegmentScanner(file, {
        epoch: segment.epoch,
        sequence: segment.baseSequence,
        position: segmentHeaderBytes,
        end,
        chunkBytes,
      })
      segment.index = new SegmentIndex()
      // For a while both are there: where space is short, only what nothing vouches for is copied.
      const maxAbsorbed = Math.min(absorbBytes, this.#disk.freeBytes(this.#directory) / 2)
      let complete = false
      let clean = false
      let synced = 0
      let tail: Frame[] = []
      for (let frames = await scanner.next(); frames.length > 0; frames = await scanner.next()) {
        for (const frame of frames) {
          tail.push(frame)
          synced = Math.max(synced, frame.syncedUpTo)
          this.#applyFrame(segment.path, frame, (type) => {
            if (type === RecordType.snapshotEnd) complete = true
            clean = type === RecordType.closed
          })
        }
        if (scanner.position > maxAbsorbed) tail = settleVouched(segment, tail, synced)
      }
      const sequence = scanner.sequence!
      const findings = await inspectTail(file, {
        epoch: segment.epoch,
        sequence,
        position: scanner.position,
        end,
      })
      if (findings.vouched) {
        throw corrupt(
          segment.path,
          scanner.position,
          `records from sequence ${sequence} on cannot be read, and a later frame says they were durable`,
        )
      }
      const whole = scanner.position <= maxAbsorbed
      segment.endSequence = whole ? segment.baseSequence : (tail[0]?.firstSequence ?? sequence)
      segment.endPosition = tail[0]?.position ?? scanner.position
      const tailCut =
        findings.bytes === 0
          ? null
          : {
              segment: segment.path,
              position: scanner.position,
              bytes: findings.bytes,
              frames: findings.laterFrames,
            }
      return { complete, clean: clean && tailCut === null, tail, tailCut }
    } finally {
      await file.close()
    }
  }

  /** Applies a segment that must be intact up to its end, and hold a complete snapshot: nothing before it is read. */
  async #replaySealed(entry: SegmentEntry): Promise<void> {
    let complete = false
    await this.scanSealed(entry, (path, frame) =>
      this.#applyFrame(path, frame, (type) => {
        if (type === RecordType.snapshotEnd) complete = true
      }),
    )
    if (complete) return
    const path = `${this.#directory}/log/${segmentName(entry.number, entry.fence)}`
    throw corrupt(path, entry.endPosition, 'neither this segment nor its successor holds a complete snapshot')
  }

  /** Reads a segment that its successor says is complete; anything unreadable in it is damage. */
  async scanSealed(entry: SegmentEntry, visit: (path: string, frame: Frame) => void): Promise<void> {
    const path = `${this.#directory}/log/${segmentName(entry.number, entry.fence)}`
    const header = await this.#header(path, entry)
    const file = await this.#disk.open(path)
    try {
      const scanner = new SegmentScanner(file, {
        epoch: header.epoch,
        sequence: header.baseSequence,
        position: segmentHeaderBytes,
        end: entry.endPosition,
        chunkBytes,
      })
      for (let frames = await scanner.next(); frames.length > 0; frames = await scanner.next()) {
        for (const frame of frames) visit(path, frame)
      }
      if (scanner.sequence !== entry.endSequence) {
        throw corrupt(
          path,
          scanner.position,
          `records from sequence ${scanner.sequence} to ${entry.endSequence} cannot be read`,
        )
      }
    } finally {
      await file.close()
    }
  }

  #applyFrame(path: string, frame: Frame, ownRecord: (type: number) => void): void {
    forEachRecord(frame.bytes, (at, length, type) => {
      const problem = recordProblem(frame.bytes, at, length, this.#knownTypes)
      if (problem !== null) {
        throw new HoldfastError(
          'newer_format',
          `${path}, byte ${frame.position + at}: ${problem}; a newer Holdfast wrote it`,
        )
      }
      if (type === RecordType.released) this.#released.add(readU64(viewOf(frame.bytes), at + 16))
      ownRecord(type)
      if (type >= RecordType.message) this.#host.apply(frame.bytes, at, length, type)
    })
  }

  get #knownTypes(): ReadonlySet<number> {
    this.#types ??= new Set([...Object.values(RecordType), ...this.#host.recordTypes])
    return this.#types
  }
  #types: Set<number> | null = null

  /** A few at once: a long backlog is many small reads, and a disk does several in the time of one. */
  async #restoreAll(entries: readonly SegmentEntry[]): Promise<RestoredSegment[]> {
    const restored: RestoredSegment[] = []
    for (let i = 0; i < entries.length; i += restoredAtOnce) {
      const some = entries.slice(i, i + restoredAtOnce).map((entry) => this.#restore(entry))
      // Nothing reads any more when this gives up, and the first damage is the one that is named.
      for (const result of await Promise.allSettled(some)) {
        if (result.status === 'rejected') throw result.reason
        restored.push(result.value)
      }
    }
    return restored
  }

  /** A sealed segment with its index: from the footer, or, where that is gone, by reading the segment. */
  async #restore(entry: SegmentEntry): Promise<RestoredSegment> {
    const path = `${this.#directory}/log/${segmentName(entry.number, entry.fence)}`
    await this.#header(path, entry)
    const segment = new Segment(path, entry, new SegmentIndex())
    segment.endSequence = entry.endSequence
    segment.endPosition = entry.endPosition
    segment.allocatedBytes = entry.endPosition
    const index = await this.#footer(entry)
    if (index !== null) {
      segment.index = index
      segment.footerSegment = entry.footerSegment
      segment.footerPosition = entry.footerPosition
      return { segment, scanned: false }
    }
    await this.scanSealed(entry, (_path, frame) => segment.index.addFrame(frame))
    return { segment, scanned: true }
  }

  async #footer(entry: SegmentEntry): Promise<SegmentIndex | null> {
    if (entry.footerPosition === 0) return null
    const holder = await this.#footerHolder(entry)
    if (holder === null) return null
    const file = await this.#disk.open(holder.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (file === null) return null
    try {
      const scanner = new SegmentScanner(file, {
        epoch: holder.epoch,
        sequence: null,
        position: entry.footerPosition,
        end: await file.size(),
        chunkBytes: 64 * 1024,
      })
      const frame = (await scanner.next())[0]
      return frame === undefined ? null : footerOf(frame, entry.number)
    } finally {
      await file.close()
    }
  }

  async #footerHolder(entry: SegmentEntry): Promise<{ path: string; epoch: number } | null> {
    const path = (number: number, fence: number) => `${this.#directory}/log/${segmentName(number, fence)}`
    if (entry.footerSegment === entry.number)
      return { path: path(entry.number, entry.fence), epoch: entry.epoch }
    const names = await this.#disk.list(`${this.#directory}/log`)
    const holder = names.map(parseSegmentName).find((parsed) => parsed?.number === entry.footerSegment)
    if (holder == null) return null
    const header = await this.#header(path(holder.number, holder.fence), holder)
    return { path: path(holder.number, holder.fence), epoch: header.epoch }
  }
}

/** Indexes the frames that a later one vouches for; the rest stays the tail. Nothing vouches for an empty frame at the end. */
function settleVouched(segment: Segment, tail: Frame[], synced: number): Frame[] {
  const from = tail.findIndex((frame) => frame.firstSequence + Math.max(frame.count, 1) > synced)
  const vouched = from === -1 ? tail : tail.slice(0, from)
  for (const frame of vouched) segment.index.addFrame(frame)
  return from === -1 ? [] : tail.slice(from)
}

function tableOf(frame: Frame): SegmentEntry[] | null {
  let table: SegmentEntry[] | null = null
  forEachRecord(frame.bytes, (at, length, type) => {
    if (type === RecordType.segments) table = decodeTable(frame.bytes.subarray(at + 16, at + length))
  })
  return table
}

function footerOf(frame: Frame, segmentNumber: number): SegmentIndex | null {
  let index: SegmentIndex | null = null
  forEachRecord(frame.bytes, (at, length, type) => {
    if (type === RecordType.footer)
      index ??= SegmentIndex.decode(frame.bytes.subarray(at + 16, at + length), segmentNumber)
  })
  return index
}

function corrupt(path: string, position: number, what: string): HoldfastError<'corrupt'> {
  return new HoldfastError('corrupt', `${path}, byte ${position}: ${what}`)
}
