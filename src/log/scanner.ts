/** Reads the intact frames of a segment one after the other, a chunk of the file at a time. */
import type { ReadableFile } from '../disk/port.ts'
import { decodeFrame, type Frame, frameHeaderBytes, maxFrameBytes, readU64, viewOf } from './format.ts'

export interface ScanFrom {
  readonly epoch: number
  /** Of the first frame; null: whatever it says. */
  readonly sequence: number | null
  readonly position: number
  /** Bytes from here on are not the log's: where the file or what is durable ends. */
  readonly end: number
  readonly chunkBytes: number
}

export class SegmentScanner {
  readonly #file: ReadableFile
  readonly #epoch: number
  readonly #chunkBytes: number
  readonly end: number
  /** Where the first frame not read yet would begin. */
  position: number
  /** The sequence it would have; null before the first frame where the start did not say. */
  sequence: number | null

  constructor(file: ReadableFile, from: ScanFrom) {
    this.#file = file
    this.#epoch = from.epoch
    this.#chunkBytes = from.chunkBytes
    this.end = from.end
    this.position = from.position
    this.sequence = from.sequence
  }

  /** The next frames, in order; none at the end or at the first byte that is no intact frame. */
  async next(): Promise<Frame[]> {
    let wanted = Math.min(this.#chunkBytes, this.end - this.position)
    while (wanted > 0) {
      const read = await this.#file.read(this.position, wanted)
      const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
      const frames: Frame[] = []
      const start = this.position
      let need = 0
      for (;;) {
        const frame = decodeFrame(bytes, this.position - start, this.position, {
          epoch: this.#epoch,
          sequence: this.sequence,
          limit: this.end - this.position,
        })
        if (frame === null) break
        if ('need' in frame) {
          need = frame.need
          break
        }
        frames.push(frame)
        this.position += frame.bytes.length
        this.sequence = frame.firstSequence + frame.count
      }
      // A frame longer than the chunk is read whole; one that the file cannot hold is no frame.
      const short = bytes.length < wanted
      if (frames.length > 0 || need === 0 || short || need <= bytes.length) return frames
      wanted = Math.min(need, this.end - this.position)
      if (wanted < need) return frames
    }
    return []
  }
}

/** What lies behind the last intact frame of a segment. */
export interface TailFindings {
  /** An intact later frame says that what cannot be read here was durable once. */
  readonly vouched: boolean
  /** Intact frames further on, whose predecessors are not. */
  readonly laterFrames: number
  /** Bytes from the end of the intact frames to the end of the last trace of this segment; 0: nothing was begun. */
  readonly bytes: number
}

/** Looks for traces of the segment behind its last intact frame. Stale bytes of an earlier use have another epoch. */
export async function inspectTail(file: ReadableFile, from: TailFrom): Promise<TailFindings> {
  let vouched = false
  let laterFrames = 0
  let traceEnd = await begunUpTo(file, from)
  for await (const frame of framesBehind(file, from)) {
    laterFrames++
    traceEnd = Math.max(traceEnd, frame.position + frame.bytes.length)
    if (frame.syncedUpTo > from.sequence) vouched = true
  }
  return { vouched, laterFrames, bytes: traceEnd - from.position }
}

/** Where the intact frames end, and the sequence the next one would have. */
interface TailFrom {
  readonly epoch: number
  readonly sequence: number
  readonly position: number
  readonly end: number
}

const searchBytes = 1024 * 1024

/** Intact frames behind damage: at every multiple of 8 one of this epoch, with a sequence that can follow. */
export async function* framesBehind(file: ReadableFile, from: TailFrom): AsyncGenerator<Frame, void> {
  for (let position = from.position; position + frameHeaderBytes <= from.end; ) {
    const read = await file.read(position, Math.min(searchBytes + frameHeaderBytes, from.end - position))
    const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
    let at = 0
    while (at + frameHeaderBytes <= bytes.length) {
      const begins = bytes.readUInt32LE(at + 8) === from.epoch
      const found = begins ? await frameAt(file, bytes, at, position + at, from) : null
      if (found !== null) yield found
      at += found === null ? 8 : found.bytes.length
    }
    if (at === 0) return
    position += at
  }
}

async function frameAt(
  file: ReadableFile,
  bytes: Buffer,
  at: number,
  position: number,
  from: TailFrom,
): Promise<Frame | null> {
  const expected = { epoch: from.epoch, sequence: null, limit: from.end - position }
  let frame = decodeFrame(bytes, at, position, expected)
  if (frame !== null && 'need' in frame) {
    const read = await file.read(position, frame.need)
    frame = decodeFrame(Buffer.from(read.buffer, read.byteOffset, read.byteLength), 0, position, expected)
  }
  if (frame === null || 'need' in frame || frame.firstSequence < from.sequence) return null
  return frame
}

/** How far the frame begun at the cut would have reached; the cut itself where none was begun. */
async function begunUpTo(file: ReadableFile, from: TailFrom): Promise<number> {
  const { position, end } = from
  const read = await file.read(position, Math.min(frameHeaderBytes, end - position))
  if (read.length < frameHeaderBytes) return position
  const view = viewOf(read)
  const length = view.getUint32(4, true)
  const plausible = length >= frameHeaderBytes && length % 8 === 0 && length <= maxFrameBytes
  const claimed = plausible && position + length <= end ? position + length : position + frameHeaderBytes
  if (view.getUint32(8, true) === from.epoch) return claimed
  // Stale bytes, or a frame whose epoch is damaged: with the right one its checksum holds.
  if (readU64(view, 16) !== from.sequence) return position
  const bytes = Buffer.from(await file.read(position, claimed - position))
  bytes.writeUInt32LE(from.epoch, 8)
  const repaired = decodeFrame(bytes, 0, position, { ...from, limit: bytes.length })
  return repaired !== null && !('need' in repaired) ? claimed : position
}
