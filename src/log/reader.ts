/** Reading what is durable, for deliveries. */
import { HoldfastError } from '../core/errors.ts'
import type { Disk, ReadableFile } from '../disk/port.ts'
import type { Frame } from './format.ts'
import type { Log } from './log.ts'
import { SegmentScanner } from './scanner.ts'
import type { Segment } from './segment.ts'

/** One turn of a reader never takes longer than it takes to read this much. */
export const readTurnBytes = 256 * 1024

/** More files are never open for reading, however long the backlog is. */
const maxOpenFiles = 16

/** Segment files open for reading; the one not used for the longest time is closed first. */
export class OpenFiles {
  readonly #disk: Disk
  /** In the order of their last use. */
  readonly #files = new Map<Segment, Promise<ReadableFile>>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  get(segment: Segment): Promise<ReadableFile> {
    const known = this.#files.get(segment)
    const file = known ?? this.#disk.open(segment.path)
    this.#files.delete(segment)
    this.#files.set(segment, file)
    if (known === undefined) {
      // A failed opening is the reader's to report, and the next reader's to try again.
      file.catch(() => this.#files.delete(segment))
      const oldest = this.#files.keys().next().value
      if (this.#files.size > maxOpenFiles && oldest !== undefined) void this.close(oldest)
    }
    return file
  }

  async close(segment: Segment): Promise<void> {
    const file = this.#files.get(segment)
    this.#files.delete(segment)
    if (file !== undefined) await file.then((open) => open.close()).catch(() => undefined)
  }

  async closeAll(): Promise<void> {
    for (const segment of [...this.#files.keys()]) await this.close(segment)
  }
}

/**
 * Some intact frames from `position` on, none where nothing more is durable yet. Rejects with `corrupt` where durable bytes cannot be
 * read back; a segment that was released meanwhile gives none.
 */
export async function readFrames(log: Log, segment: Segment, position: number): Promise<Frame[]> {
  const end = log.readableEnd(segment)
  if (position >= end) return []
  const file = await log.files.get(segment)
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
