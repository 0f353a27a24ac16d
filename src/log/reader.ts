/** Reading what is durable, for deliveries. */
import { HoldfastError } from '../core/errors.ts'
import type { Frame } from './format.ts'
import type { Log } from './log.ts'
import { SegmentScanner } from './scanner.ts'
import type { Segment } from './segment.ts'

/** One turn of a reader never takes longer than it takes to read this much. */
export const readTurnBytes = 256 * 1024

/**
 * Some intact frames from `position` on, none where nothing more is durable yet. Rejects with `corrupt` where durable bytes cannot be
 * read back; a segment that was released meanwhile gives none.
 */
export async function readFrames(log: Log, segment: Segment, position: number): Promise<Frame[]> {
  const end = log.readableEnd(segment)
  if (position >= end) return []
  const file = await segment.reader((path) => log.settings.disk.open(path))
  const scanner = new SegmentScanner(file, {
    epoch: segment.epoch,
    sequence: null,
    position,
    end,
    chunkBytes: readTurnBytes,
  })
  const frames = await scanner.next()
  if (frames.length === 0 && log.segments.includes(segment)) {
    throw new HoldfastError(
      'corrupt',
      `${segment.path}, byte ${position}: a durable frame cannot be read back`,
    )
  }
  return frames
}
