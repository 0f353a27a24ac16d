/** Reads the intact frames of a segment one after the other, a chunk of the file at a time. */
import type { ReadableFile } from '../disk/port.ts'
import { decodeFrame, type Frame, frameHeaderBytes, readU64, viewOf } from './format.ts'

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

/**
 * Looks for traces of the segment behind its last intact frame: at every multiple of 8 a frame of its epoch, with a
 * sequence that can follow. Stale bytes of an earlier use have another epoch.
 */
export async function inspectTail(
  file: ReadableFile,
  from: { epoch: number; sequence: number; position: number; end: number },
): Promise<TailFindings> {
  let vouched = false
  let laterFrames = 0
  let traceEnd = from.position
  const chunkBytes = 1024 * 1024
  for (let position = from.position; position + frameHeaderBytes <= from.end; ) {
    const read = await file.read(position, Math.min(chunkBytes + frameHeaderBytes, from.end - position))
    const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
    let at = 0
    for (; at + frameHeaderBytes <= bytes.length; at += 8) {
      if (bytes.readUInt32LE(at + 8) !== from.epoch) continue
      const found = await frameAt(file, bytes, at, position + at, from)
      if (found === null) {
        if (position + at === from.position)
          traceEnd = Math.max(traceEnd, claimedEnd(bytes, at, position + at, from.end))
        continue
      }
      laterFrames++
      traceEnd = Math.max(traceEnd, found.position + found.bytes.length)
      if (found.syncedUpTo > from.sequence) vouched = true
    }
    if (at === 0) break
    position += at
  }
  return { vouched, laterFrames, bytes: traceEnd - from.position }
}

async function frameAt(
  file: ReadableFile,
  bytes: Buffer,
  at: number,
  position: number,
  from: { epoch: number; sequence: number; end: number },
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

/** How far the frame begun at the cut would have reached, if its header is one. */
function claimedEnd(bytes: Buffer, at: number, position: number, end: number): number {
  const length = bytes.readUInt32LE(at + 4)
  const plausible = length >= frameHeaderBytes && length % 8 === 0 && position + length <= end
  const sequence = readU64(viewOf(bytes), at + 16)
  return plausible && Number.isSafeInteger(sequence) ? position + length : position + frameHeaderBytes
}
