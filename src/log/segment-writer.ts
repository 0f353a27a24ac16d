/** Lays frames into the current segment and goes on to the next one. Knows positions and sequences, not who waits for what. */
import type { WritableFile, Writer } from '../disk/port.ts'
import { appendDurably } from './append-durably.ts'
import {
  buildFrame,
  buildRecord,
  encodeSegmentHeader,
  RecordType,
  recordHeaderBytes,
  sealFrame,
  segmentHeaderBytes,
  viewOf,
} from './format.ts'
import type { OpenFrame } from './frame-buffer.ts'
import type { LogSettings } from './host.ts'
import type { Owner } from './owner.ts'
import type { Slab } from './record.ts'
import { encodeTable, Segment, segmentName } from './segment.ts'
import { SegmentIndex } from './segment-index.ts'
import type { Space } from './space.ts'

/** Small groups on a growing file: zeros written ahead save a journal commit for each of them. */
const smallGroupBytes = 32 * 1024
const aheadBytes = 1024 * 1024
const pageBytes = 4096
/** Left free behind the last frame, beside the footer: the frame around it and some growth of the index. */
const footerRoomBytes = 1024

const nothing = new Uint8Array(0)

type Done = (error: NodeJS.ErrnoException | null) => void

/** What recovery hands over to the running log. */
export interface LogStart {
  readonly settings: LogSettings
  readonly owner: Owner
  readonly writer: Writer
  readonly logId: Uint8Array
  /** All live segments in order, the current one last. */
  readonly segments: Segment[]
  /** The current one's. */
  readonly file: WritableFile
  readonly space: Space
}

export class SegmentWriter {
  readonly #settings: LogSettings
  readonly #owner: Owner
  readonly #writer: Writer
  readonly #logId: Uint8Array
  readonly #segments: Segment[]
  readonly #space: Space
  #file: WritableFile
  /** Sequence of the next record. */
  sequence: number
  /** Where table and snapshot of the current segment end. */
  #headEnd = 0
  /** Views of the memory frames are made in; making one for each frame is costly. */
  readonly #views = new WeakMap<Slab, DataView>()

  constructor(start: LogStart) {
    this.#settings = start.settings
    this.#owner = start.owner
    this.#writer = start.writer
    this.#logId = start.logId
    this.#segments = start.segments
    this.#space = start.space
    this.#file = start.file
    this.sequence = this.current.endSequence
    this.headComplete()
  }

  get current(): Segment {
    return this.#segments[this.#segments.length - 1]!
  }

  /** Whether a frame of `bytes` still goes into the current segment, its footer behind it. */
  fits(bytes: number): boolean {
    const { current } = this
    const footer = recordHeaderBytes + current.index.encodedBytes + footerRoomBytes
    // What a segment begins with must not fill it: each would then hold one frame only.
    const capacity = this.#space.turnsToReserve ? 0 : this.#headEnd * 2
    return current.endPosition + bytes + footer <= Math.max(capacity, this.#space.capacityOf(current))
  }

  /** The snapshot at the head of the current segment is complete. */
  headComplete(): void {
    this.#headEnd = this.current.endPosition
  }

  /** Whether the current segment holds nothing but its table: then even a frame that does not fit goes into it. */
  get isFresh(): boolean {
    return this.current.endSequence <= this.current.baseSequence + 1
  }

  /** Completes a frame at the end of the segment and hands it to the disk. `groupBytes`: how big groups are these days. */
  write(
    frame: OpenFrame,
    how: { readonly syncedUpTo: number; readonly sync: boolean; readonly groupBytes: number },
    done: Done,
  ): void {
    const segment = this.current
    const { slab, start, length, count } = frame
    const { epoch, endPosition: position } = segment
    const { syncedUpTo, sync, groupBytes } = how
    sealFrame(this.#viewOf(slab), slab.bytes, start, length, {
      epoch,
      count,
      firstSequence: this.sequence,
      syncedUpTo,
    })
    const bytes = slab.bytes.subarray(start, start + length)
    segment.index.addFrame({ bytes, position })
    this.sequence += count
    segment.endSequence = this.sequence
    segment.endPosition = position + length
    if (segment.endPosition > segment.allocatedBytes)
      this.#allocate(segment, groupBytes < smallGroupBytes, done)
    this.#writer.append(this.#file, position, bytes, { sync, zeros: padding(segment) }, done)
  }

  /** Makes durable what was only written. */
  sync(done: Done): void {
    this.#writer.append(this.#file, this.current.endPosition, nothing, { sync: true, zeros: 0 }, done)
  }

  /**
   * Seals the current segment and makes the next: nothing may be acknowledged in it before its name is durable. `releasing`:
   * segments that were given up in records which are not in a segment yet.
   */
  async rotate(syncedUpTo: number, releasing: readonly Segment[]): Promise<void> {
    const old = this.current
    const { epoch } = old
    const footer = buildRecord(RecordType.footer, old.index.encode(old.number))
    const sealed = buildFrame([footer], { epoch, firstSequence: this.sequence, syncedUpTo })
    await appendDurably(this.#writer, this.#file, old.endPosition, sealed)
    old.footerSegment = old.number
    old.footerPosition = old.endPosition
    old.endPosition += sealed.length
    this.sequence++
    old.endSequence = this.sequence
    const next = await this.#createSegment(old.number + 1, releasing)
    await this.#writer.release(this.#file)
    this.#file = next.file
    this.sequence = next.segment.endSequence
    this.#segments.push(next.segment)
  }

  async #createSegment(
    number: number,
    releasing: readonly Segment[],
  ): Promise<{ segment: Segment; file: WritableFile }> {
    const { directory, random, clock } = this.#settings
    const { fence } = this.#owner
    const fields = { number, fence, epoch: random.uint32(), baseSequence: this.sequence }
    const segment = new Segment(`${directory}/log/${segmentName(number, fence)}`, fields, new SegmentIndex())
    const { file, from, allocatedBytes, isReserve } = await this.#space.take()
    const header = encodeSegmentHeader({ ...fields, logId: this.#logId, createdAtMs: clock.now() })
    const live = [...releasing, ...this.#segments].sort((a, b) => a.number - b.number)
    const table = buildFrame([buildRecord(RecordType.segments, encodeTable(live))], {
      epoch: fields.epoch,
      firstSequence: fields.baseSequence,
      syncedUpTo: fields.baseSequence,
    })
    await appendDurably(this.#writer, file, 0, Buffer.concat([header, table]))
    this.#owner.mustStillOwn()
    await this.#writer.rename(from, segment.path)
    await this.#writer.syncDirectory(`${directory}/log`)
    segment.endSequence = fields.baseSequence + 1
    segment.endPosition = segmentHeaderBytes + table.length
    segment.allocatedBytes = Math.max(allocatedBytes, segment.endPosition)
    if (isReserve) this.#space.becameReserved(segment)
    return { segment, file }
  }

  /** The frame just laid ends behind what is allocated: the file grows with it, or well ahead of it. */
  #allocate(segment: Segment, ahead: boolean, done: Done): void {
    const from = segment.allocatedBytes
    const upTo = Math.min(this.#space.capacityOf(segment), segment.endPosition + aheadBytes)
    segment.allocatedBytes = segment.endPosition
    if (!ahead || upTo <= segment.endPosition || !this.#space.admits(aheadBytes, segment)) return
    segment.allocatedBytes = upTo
    this.#writer.append(this.#file, from, nothing, { sync: false, zeros: upTo - from }, (error) => {
      if (error !== null) done(error)
    })
  }

  #viewOf(slab: Slab): DataView {
    let view = this.#views.get(slab)
    if (view === undefined) {
      view = viewOf(slab.bytes)
      this.#views.set(slab, view)
    }
    return view
  }
}

/** Zeros up to the end of the page: a page of a reused file that is only partly written must be read first. */
function padding(segment: Segment): number {
  const zeros = -segment.endPosition & (pageBytes - 1)
  return segment.endPosition + zeros <= segment.allocatedBytes ? zeros : 0
}
