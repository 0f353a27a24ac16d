/**
 * Room on the disk: files that handled segments left for reuse, and the reserve that lets consumers go on when the disk is
 * full. Sends stop while there is still space for acknowledgements, dead letters and copies, because only these
 * bring space back.
 */
import type { Disk, WritableFile, Writer } from '../disk/port.ts'
import type { Segment } from './segment.ts'

/** More spare files than this are given back to the file system. */
const maxSpares = 3
/** The reserve is filled in steps of this size, while nothing else is written. */
const fillBytes = 1024 * 1024

interface SpareFile {
  readonly path: string
  readonly bytes: number
}

export interface SpaceSettings {
  readonly disk: Disk
  readonly writer: Writer
  /** Where segments lie. */
  readonly directory: string
  /** This owner's: only files made under it are used again. */
  readonly fence: number
  readonly segmentBytes: number
  readonly reserveBytes: number
}

export class Space {
  readonly #settings: SpaceSettings
  readonly #spares: SpareFile[] = []
  #reserve: SpareFile | null = null
  #filling: { readonly path: string; readonly file: WritableFile; bytes: number } | null = null
  #full = false
  #names = 0
  /** The segment that was made of the reserve: no message may go into it while the disk is full. */
  #reserved: Segment | null = null
  /** Metadata and footers need a little room too. */
  readonly #marginBytes: number

  constructor(settings: SpaceSettings) {
    this.#settings = settings
    this.#marginBytes = Math.min(1024 * 1024, Math.max(64 * 1024, settings.segmentBytes >>> 2))
  }

  /** On a full disk a growing segment stops where it is: the reserve goes on without new blocks. */
  get turnsToReserve(): boolean {
    return this.#full && this.#reserve !== null
  }

  get wantsReserve(): boolean {
    return this.#reserve === null && this.#settings.reserveBytes > 0
  }

  /** Whether `bytes` of messages may be written to `current` without touching the reserve. */
  admits(bytes: number, current: Segment): boolean {
    const { disk, directory, reserveBytes } = this.#settings
    const allocated =
      current === this.#reserved ? 0 : Math.max(0, current.allocatedBytes - current.endPosition)
    const needed =
      Math.max(0, bytes - allocated) + this.#marginBytes + (this.#reserve === null ? reserveBytes : 0)
    if (needed === this.#marginBytes && !this.#full) return true
    this.#full = disk.freeBytes(directory) < needed
    return !this.#full
  }

  /** Up to where a segment is written before it is sealed, bytes. */
  capacityOf(segment: Segment): number {
    const { segmentBytes } = this.#settings
    if (this.turnsToReserve) return Math.min(segmentBytes, segment.allocatedBytes)
    return Math.max(segmentBytes, segment === this.#reserved ? segment.allocatedBytes : 0)
  }

  /** A file for the next segment: the reserve when the disk is full, a used one, or a new one. */
  async take(): Promise<{ file: WritableFile; from: string; allocatedBytes: number; isReserve: boolean }> {
    const { writer } = this.#settings
    const isReserve = this.turnsToReserve
    const spare = isReserve ? this.#reserve : this.#spares.pop()
    if (spare != null) {
      if (isReserve) this.#reserve = null
      return { file: await writer.open(spare.path), from: spare.path, allocatedBytes: spare.bytes, isReserve }
    }
    const from = this.#newName('next')
    return { file: await writer.create(from), from, allocatedBytes: 0, isReserve: false }
  }

  /** `take` gave the reserve, and it became this segment. */
  becameReserved(segment: Segment): void {
    this.#reserved = segment
  }

  /** A released segment's file: kept for reuse, made the reserve, or removed. Nothing reads it any more. */
  async reclaim(segment: Segment): Promise<void> {
    const { writer, directory, fence, reserveBytes } = this.#settings
    const bytes = segment.allocatedBytes
    const own = segment.fence === fence
    if (
      own &&
      this.#reserve === null &&
      this.#filling === null &&
      bytes >= reserveBytes &&
      reserveBytes > 0
    ) {
      this.#reserve = await this.#keep(segment.path, 'reserve', bytes)
    } else if (own && !this.#full && this.#spares.length < maxSpares) {
      this.#spares.push(await this.#keep(segment.path, 'spare', bytes))
    } else {
      await writer.remove(segment.path)
    }
    await writer.syncDirectory(directory)
  }

  /** One step of writing the reserve. Called again while `wantsReserve`. */
  async prepareReserve(): Promise<void> {
    const { writer, directory, reserveBytes, disk } = this.#settings
    const step = Math.min(fillBytes, reserveBytes - (this.#filling?.bytes ?? 0))
    if (disk.freeBytes(directory) < step + this.#marginBytes) return
    if (this.#filling === null) {
      const path = this.#newName('reserve')
      this.#filling = { path, file: await writer.create(path), bytes: 0 }
    }
    const { path, file, bytes } = this.#filling
    const complete = bytes + step >= reserveBytes
    await new Promise<void>((resolve, reject) => {
      writer.append(file, bytes, new Uint8Array(0), { sync: complete, zeros: step }, (error) =>
        error === null ? resolve() : reject(error),
      )
    })
    this.#filling.bytes += step
    if (!complete) return
    await writer.release(file)
    await writer.syncDirectory(directory)
    this.#filling = null
    this.#reserve = { path, bytes: reserveBytes }
  }

  async #keep(path: string, kind: string, bytes: number): Promise<SpareFile> {
    const to = this.#newName(kind)
    await this.#settings.writer.rename(path, to)
    return { path: to, bytes }
  }

  /** Names hold the fence: an owner that was replaced cannot touch its successor's files. */
  #newName(kind: string): string {
    const { directory, fence } = this.#settings
    this.#names++
    return `${directory}/${kind}-${fence.toString(16)}-${this.#names}.tmp`
  }
}
