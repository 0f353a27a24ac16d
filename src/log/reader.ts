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

interface OpenFile {
  readonly file: Promise<ReadableFile>
  /** Reads under way: a file is closed only when there is none. */
  users: number
  isWanted: boolean
}

/** Segment files open for reading; the one not used for the longest time is closed first. */
export class OpenFiles {
  readonly #disk: Disk
  /** In the order of their last use. */
  readonly #files = new Map<Segment, OpenFile>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Runs `read` on the segment's file; it stays open meanwhile. */
  async use<T>(segment: Segment, read: (file: ReadableFile) => Promise<T>): Promise<T> {
    const entry = this.#files.get(segment) ?? {
      file: this.#disk.open(segment.path),
      users: 0,
      isWanted: true,
    }
    this.#files.delete(segment)
    this.#files.set(segment, entry)
    entry.users++
    try {
      return await read(await entry.file)
    } catch (error) {
      // Also a failed opening: the next reader tries again.
      this.#forget(segment, entry)
      throw error
    } finally {
      entry.users--
      if (!entry.isWanted) await this.#closeUnused(entry)
      this.#shrink()
    }
  }

  async close(segment: Segment): Promise<void> {
    const entry = this.#files.get(segment)
    if (entry === undefined) return
    this.#forget(segment, entry)
    await this.#closeUnused(entry)
  }

  async closeAll(): Promise<void> {
    for (const segment of [...this.#files.keys()]) await this.close(segment)
  }

  #shrink(): void {
    for (const [segment, entry] of this.#files) {
      if (this.#files.size <= maxOpenFiles) return
      if (entry.users === 0) void this.close(segment)
    }
  }

  #forget(segment: Segment, entry: OpenFile): void {
    entry.isWanted = false
    if (this.#files.get(segment) === entry) this.#files.delete(segment)
  }

  async #closeUnused(entry: OpenFile): Promise<void> {
    if (entry.users > 0) return
    // A file that could not be opened needs no closing.
    await entry.file.then((file) => file.close()).catch(() => undefined)
  }
}

/**
 * Some intact frames from `position` on, none where nothing more is durable yet. Rejects with `corrupt` where durable bytes cannot be
 * read back; a segment that was released meanwhile gives none.
 */
export async function readFrames(log: Log, segment: Segment, position: number): Promise<Frame[]> {
  const end = log.readableEnd(segment)
  if (position >= end) return []
  const from = { epoch: segment.epoch, sequence: null, position, end, chunkBytes: readTurnBytes }
  try {
    const frames = await log.files.use(segment, (file) => new SegmentScanner(file, from).next())
    if (frames.length > 0 || !log.segments.includes(segment)) return frames
  } catch (error) {
    // Its file may be gone, or be another segment's by now.
    if (!log.segments.includes(segment)) return []
    throw error
  }
  throw new HoldfastError('corrupt', `${segment.path}, byte ${position}: a durable frame cannot be read back`)
}
