/** Where one wrong bit must keep a directory from opening: in a frame of which a later one says that it was durable. */
import { below, type Random } from '../../src/core/random.ts'
import type { SimulatedDisk } from '../../src/disk/simulated.ts'
import { decodeFrame, decodeSegmentHeader, type Frame, segmentHeaderBytes } from '../../src/log/format.ts'
import { newestNumber, parseSegmentName } from '../../src/log/segment.ts'

export interface Damage {
  readonly path: string
  readonly bit: number
}

/** A bit of the newest segment; null where nothing in it is vouched for. */
export function vouchedBit(disk: SimulatedDisk, random: Random): Damage | null {
  const names = disk.paths().map((path) => path.slice(path.lastIndexOf('/') + 1))
  const newest = newestNumber(names)
  const path = disk.paths().find((path) => {
    return parseSegmentName(path.slice(path.lastIndexOf('/') + 1))?.number === newest
  })
  if (path === undefined) return null
  const frames = intactFrames(Buffer.from(disk.bytesOf(path)))
  const synced = Math.max(0, ...frames.map((frame) => frame.syncedUpTo))
  const vouched = frames.filter((frame) => frame.firstSequence < synced && frame.count > 0)
  const frame = vouched[below(random, vouched.length)]
  return frame === undefined
    ? null
    : { path, bit: frame.position * 8 + below(random, frame.bytes.length * 8) }
}

function intactFrames(bytes: Buffer): Frame[] {
  const header = decodeSegmentHeader(bytes)
  if ('problem' in header) return []
  const frames: Frame[] = []
  let sequence = header.baseSequence
  for (let at = segmentHeaderBytes; at < bytes.length; ) {
    const limit = bytes.length - at
    const frame = decodeFrame(bytes, at, at, { epoch: header.epoch, sequence, limit })
    if (frame === null || 'need' in frame) break
    frames.push(frame)
    sequence += frame.count
    at += frame.bytes.length
  }
  return frames
}
