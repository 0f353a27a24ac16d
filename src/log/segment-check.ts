/** Reads one segment for `verify`: what is in it, and what is wrong with it. */
import type { Disk, ReadableFile } from '../disk/port.ts'
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
import { MessageRecord, placeOf, recordProblem } from './record.ts'
import { framesBehind, inspectTail, SegmentScanner } from './scanner.ts'
import { decodeTable, type SegmentEntry, segmentName } from './segment.ts'
import { partitionKey, SegmentIndex } from './segment-index.ts'
import type { VerifyProblemCode } from './verify.ts'

export interface SegmentCheckSettings {
  /** Of the whole log; null when it is not known. */
  readonly logId: string | null
  /** Null: every type is taken for known. */
  readonly recordTypes: ReadonlySet<number> | null
  readonly problem: (code: VerifyProblemCode, segment: string, position: number, message: string) => void
}

const chunkBytes = 1024 * 1024
const headerProblems = { foreign: 'foreign', newer: 'newer_format', damaged: 'corrupt' } as const

export class SegmentCheck {
  /** Within the directory. */
  readonly name: string
  readonly released = new Set<number>()
  readonly index = new SegmentIndex()
  /** The live segments before this one; null where it cannot be read. */
  table: SegmentEntry[] | null = null
  hasSnapshot = false
  isDamaged = false
  frames = 0
  records = 0
  bytes = 0
  readonly #disk: Disk
  readonly #path: string
  readonly #fields: { number: number; fence: number }
  readonly #settings: SegmentCheckSettings
  readonly #knownTypes: ReadonlySet<number>
  readonly #lastOffsets = new Map<number, number>()
  #file: ReadableFile | null = null
  #header: SegmentHeader | null = null

  constructor(
    disk: Disk,
    directory: string,
    fields: { number: number; fence: number },
    settings: SegmentCheckSettings,
  ) {
    this.name = `log/${segmentName(fields.number, fields.fence)}`
    this.#path = `${directory}/${this.name}`
    this.#disk = disk
    this.#fields = fields
    this.#settings = settings
    this.#knownTypes = new Set([...Object.values(RecordType), ...(settings.recordTypes ?? everyType())])
  }

  get baseSequence(): number {
    return this.#header?.baseSequence ?? Number.POSITIVE_INFINITY
  }

  async open(): Promise<void> {
    this.#file = await this.#disk.open(this.#path)
    const header = decodeSegmentHeader(await this.#file.read(0, segmentHeaderBytes))
    if ('problem' in header) {
      const what =
        header.problem === 'newer'
          ? `format version ${header.version} is newer than this Holdfast knows`
          : header.problem === 'foreign'
            ? 'not written by Holdfast'
            : 'the segment header is damaged'
      this.#problem(headerProblems[header.problem], 0, what)
      return
    }
    this.#header = header
    const { number, fence } = this.#fields
    if (header.number !== number || header.fence !== fence)
      this.#problem('foreign', 0, 'the segment header belongs to another file')
    const { logId } = this.#settings
    if (logId !== null && Buffer.from(header.logId).toString('hex') !== logId)
      this.#problem('foreign', 0, 'the segment belongs to another log')
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = null
  }

  /** The newest segment: it ends where its intact frames end. */
  async readNewest(): Promise<void> {
    if (this.#file === null || this.#header === null) return
    const end = await this.#file.size()
    const scanner = await this.#scan(segmentHeaderBytes, this.#header.baseSequence, end)
    if (this.frames === 0 || this.table === null) {
      this.#problem('corrupt', segmentHeaderBytes, 'the table of segments is damaged')
    }
    const sequence = scanner.sequence ?? this.#header.baseSequence
    const { position } = scanner
    const tail = await inspectTail(this.#file, { epoch: this.#header.epoch, sequence, position, end })
    if (tail.vouched) {
      this.#problem('corrupt', position, `records from sequence ${sequence} on cannot be read`)
      await this.#readBehind(position, sequence, end, false)
    } else if (tail.bytes > 0) {
      const what = `${tail.bytes} bytes with ${tail.laterFrames} intact frames are no part of the log`
      this.#problem('tail_cut', position, `${what}; nothing says that they were durable`)
    }
  }

  /** A segment whose successor says where it ends. */
  async readSealed(entry: SegmentEntry): Promise<void> {
    if (this.#header === null) return
    if (entry.epoch !== this.#header.epoch || entry.baseSequence !== this.#header.baseSequence)
      this.#problem('corrupt', 0, 'the header and the table of segments differ')
    const scanner = await this.#scan(segmentHeaderBytes, this.#header.baseSequence, entry.endPosition)
    const { position, sequence } = scanner
    if (sequence === entry.endSequence && position === entry.endPosition) return
    this.#problem('corrupt', position, `records from sequence ${sequence} on cannot be read`)
    await this.#readBehind(position, sequence ?? entry.baseSequence, entry.endPosition, true)
  }

  /** Compares the footer of `entry`, which lies in this segment, with an index made by reading. */
  async checkFooter(entry: SegmentEntry, expected: SegmentIndex): Promise<void> {
    if (this.#header === null) return
    const file = await this.#disk.open(this.#path)
    try {
      const scanner = new SegmentScanner(file, {
        epoch: this.#header.epoch,
        sequence: null,
        position: entry.footerPosition,
        end: await file.size(),
        chunkBytes: 64 * 1024,
      })
      const frame = (await scanner.next())[0]
      // An unreadable frame was reported by the reading of its segment.
      if (frame === undefined) return
      let matches = false
      forEachRecord(frame.bytes, (at, length, type) => {
        const payload = frame.bytes.subarray(at + 16, at + length)
        if (type === RecordType.footer && payload.equals(expected.encode(entry.number))) matches = true
      })
      if (!matches) {
        const what = `the index of segment ${entry.number} does not say what that segment holds`
        this.#problem('corrupt', entry.footerPosition, what)
      }
    } finally {
      await file.close()
    }
  }

  /** Goes on behind damage, so that the next damage is found too. */
  async #readBehind(position: number, sequence: number, end: number, isSealed: boolean): Promise<void> {
    if (this.#file === null || this.#header === null) return
    const { epoch } = this.#header
    let from = { epoch, sequence, position, end }
    for (let isFirst = true; ; isFirst = false) {
      const next = (await framesBehind(this.#file, from).next()).value
      if (!isFirst && (next !== undefined || (isSealed && from.position < end)))
        this.#problem('corrupt', from.position, `records from sequence ${from.sequence} on cannot be read`)
      if (next === undefined) return
      const scanner = await this.#scan(next.position, next.firstSequence, end)
      from = { ...from, position: scanner.position, sequence: scanner.sequence ?? from.sequence }
    }
  }

  async #scan(position: number, sequence: number, end: number): Promise<SegmentScanner> {
    if (this.#file === null || this.#header === null) throw new Error('the segment is not open')
    const { epoch } = this.#header
    const scanner = new SegmentScanner(this.#file, { epoch, sequence, position, end, chunkBytes })
    for (let frames = await scanner.next(); frames.length > 0; frames = await scanner.next()) {
      for (const frame of frames) this.#readFrame(frame)
    }
    return scanner
  }

  #readFrame(frame: Frame): void {
    this.frames++
    this.bytes += frame.bytes.length
    try {
      forEachRecord(frame.bytes, (at, length, type) => {
        this.records++
        this.#readRecord(frame, at, length, type)
      })
      this.index.addFrame(frame)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#problem('corrupt', frame.position, `${error.message}, though its checksum holds`)
    }
  }

  #readRecord(frame: Frame, at: number, length: number, type: number): void {
    const position = frame.position + at
    const unreadable = recordProblem(frame.bytes, at, length, this.#knownTypes)
    if (unreadable !== null) this.#problem('newer_format', position, unreadable)
    const payload = frame.bytes.subarray(at + 16, at + length)
    if (type === RecordType.message && unreadable === null) this.#readMessage(frame, at)
    else if (type === RecordType.released) this.released.add(readU64(viewOf(payload), 0))
    else if (type === RecordType.snapshotEnd) this.hasSnapshot = true
    else if (type === RecordType.segments) this.table ??= decodeTable(payload)
  }

  #readMessage(frame: Frame, at: number): void {
    const position = frame.position + at
    if (!new MessageRecord(frame.bytes, at).headersCoherent)
      this.#problem('corrupt', position, 'headers that do not add up')
    const { topic, partition, offset } = placeOf(frame.bytes, at)
    const key = partitionKey(topic, partition)
    const last = this.#lastOffsets.get(key)
    if (last !== undefined && offset <= last)
      this.#problem('corrupt', position, `offset ${offset} of a partition behind its offset ${last}`)
    this.#lastOffsets.set(key, offset)
  }

  #problem(code: VerifyProblemCode, position: number, message: string): void {
    if (code !== 'tail_cut') this.isDamaged = true
    this.#settings.problem(code, this.name, position, message)
  }
}

function* everyType(): Generator<number> {
  for (let type: number = RecordType.message; type < 256; type++) yield type
}
