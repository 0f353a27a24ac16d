/**
 * Opening a directory. Nothing in an existing file is ever changed: the new owner reads the newest segment (and the one before
 * it, where the newest did not finish its snapshot), then makes a segment of its own that begins with everything
 * nobody can vouch for on the disk, followed by a complete snapshot. A segment ends where its successor begins.
 *
 * What was written but not synced may be in the page cache only, even after it was read back (Rebello et al., USENIX ATC 2020): that
 * is why the tail is copied instead of continued.
 */
import { HoldfastError } from '../core/errors.ts'
import type { DirectoryLock, Writer } from '../disk/port.ts'
import { appendDurably } from './append-durably.ts'
import { FrameAssembler } from './assembler.ts'
import { type Chain, ChainReader, type TailCut } from './chain.ts'
import { encodeSegmentHeader, type Frame, forEachRecord, RecordType, skippableType } from './format.ts'
import type { LogHost, LogSettings } from './host.ts'
import { Log } from './log.ts'
import { bootId, Owner, type OwnerRecord, readOwner } from './owner.ts'
import { placeOf } from './record.ts'
import { encodeTable, newestNumber, parseSegmentName, Segment, segmentName } from './segment.ts'
import { partitionKey, SegmentIndex } from './segment-index.ts'
import { Space } from './space.ts'

const chunkBytes = 1024 * 1024

/** What was found on opening; for the events, the health and the people. */
export interface Recovered {
  /** False when the last owner did not close the log. */
  readonly clean: boolean
  /** True when the machine was started anew since then: what was not synced may be gone. */
  readonly rebooted: boolean
  /** What was cut off behind the last intact frame; null: nothing. */
  readonly tailCut: TailCut | null
  /** Segments whose index had to be rebuilt by reading them. */
  readonly scannedSegments: number
  /** True when the directory was made by this call. */
  readonly created: boolean
}

/** Opens the log for writing. The caller holds the lock; it is released with the log, also when opening fails. */
export async function openLog(
  settings: LogSettings,
  lock: DirectoryLock,
  host: LogHost,
): Promise<{ log: Log; recovered: Recovered }> {
  const { disk, directory, clock, random } = settings
  const writer = disk.writer()
  let owner: Owner | null = null
  try {
    const last = await readOwner(disk, directory)
    await disk.createDirectory(`${directory}/log`)
    // Names seen here are durable before OWNER speaks of them.
    await writer.syncDirectory(`${directory}/log`)
    const newest = newestNumber(await disk.list(`${directory}/log`))
    requireNewest(directory, newest, last)
    const boot = bootId()
    const record: OwnerRecord = {
      holdfast: 1,
      log: last?.log ?? Buffer.from(random.bytes(16)).toString('hex'),
      fence: Math.max((last?.fence ?? 0) + 1, clock.now()),
      pid: process.pid,
      boot,
      rebooted: last !== null && (await wasRebooted(settings, last, boot)),
      newest,
    }
    owner = await Owner.take(disk, writer, lock, directory, record)
    const space = new Space({ ...settings, writer, directory: `${directory}/log`, fence: record.fence })
    const opening = new Opening(settings, writer, owner, host, space, record)
    return await opening.run(last)
  } catch (error) {
    await writer.close()
    if (owner === null) await lock.release()
    else await owner.release()
    throw error
  }
}

/** The segment an owner before saw, or a later one, must be there: the newest is never given up. */
function requireNewest(directory: string, newest: number, last: OwnerRecord | null): void {
  if (last === null || newest >= last.newest) return
  const found = newest === 0 ? 'none is there' : `${newest} is the last one there`
  throw new HoldfastError(
    'corrupt',
    `${directory}/log lacks segments: there was a segment ${last.newest}, now ${found}`,
  )
}

/** Whether what was only written may be gone. An owner that died while it opened the log hands the question on. */
async function wasRebooted(settings: LogSettings, last: OwnerRecord, boot: string): Promise<boolean> {
  if (boot === '' || last.boot !== boot) return true
  if (!last.rebooted) return false
  const names = await settings.disk.list(`${settings.directory}/log`)
  return !names.some((name) => parseSegmentName(name)?.fence === last.fence)
}

class Opening {
  readonly #settings: LogSettings
  readonly #writer: Writer
  readonly #owner: Owner
  readonly #host: LogHost
  readonly #space: Space
  readonly #record: OwnerRecord

  constructor(
    settings: LogSettings,
    writer: Writer,
    owner: Owner,
    host: LogHost,
    space: Space,
    record: OwnerRecord,
  ) {
    this.#settings = settings
    this.#writer = writer
    this.#owner = owner
    this.#host = host
    this.#space = space
    this.#record = record
  }

  async run(last: OwnerRecord | null): Promise<{ log: Log; recovered: Recovered }> {
    const { disk, directory } = this.#settings
    const names = await disk.list(`${directory}/log`)
    const reader = new ChainReader(disk, directory, this.#record.log, this.#host)
    const chain = await reader.read(names)
    // Spares and reserve of the owner before make room: what follows must fit a full disk.
    await this.#remove(names.filter((name) => name.endsWith('.tmp')))
    const keptAs = chain.tailCut === null ? '' : await this.#keepTail(chain.segments.at(-1)!, chain.tailCut)
    const start = await this.#begin(chain)
    // What the table does not name: absorbed, or given up and brought back by a power cut.
    const live = new Set(start.segments.map((segment) => segment.path))
    await this.#remove(
      names.filter((name) => parseSegmentName(name) !== null && !live.has(`${directory}/log/${name}`)),
    )
    const log = new Log(
      { settings: this.#settings, owner: this.#owner, writer: this.#writer, space: this.#space, ...start },
      this.#host,
    )
    const recovered: Recovered = {
      clean: chain.clean,
      rebooted: this.#record.rebooted,
      tailCut: chain.tailCut === null ? null : { ...chain.tailCut, keptAs },
      scannedSegments: chain.scannedSegments,
      created: last === null,
    }
    return { log, recovered }
  }

  /** Makes this owner's first segment: the unvouched tail, then a snapshot; named only when all of it is durable. */
  async #begin(chain: Chain) {
    const { directory, random, clock } = this.#settings
    const writer = this.#writer
    const newest = chain.segments.at(-1)
    const number = (newest?.number ?? 0) + 1
    const absorbed = newest !== undefined && newest.endSequence === newest.baseSequence
    const segments = absorbed ? chain.segments.slice(0, -1) : chain.segments
    const fields = {
      number,
      fence: this.#owner.fence,
      epoch: random.uint32(),
      baseSequence: newest?.endSequence ?? 0,
    }
    const segment = new Segment(
      `${directory}/log/${segmentName(number, fields.fence)}`,
      fields,
      new SegmentIndex(),
    )
    const { file, from } = await this.#space.take()
    const header = encodeSegmentHeader({ ...fields, logId: chain.logId, createdAtMs: clock.now() })
    const assembler = new FrameAssembler(writer, file, segment, header)
    // Footers of segments that were never sealed go first, so that the table can say where they are; with them
    // those that lie in the segment that goes.
    const footers = segments.filter(
      (other) => other.footerPosition === 0 || (absorbed && other.footerSegment === newest.number),
    )
    assembler.beginWithTable(
      (positions) => {
        footers.forEach((other, i) => {
          other.footerSegment = number
          other.footerPosition = positions[i]!
        })
        return encodeTable(segments)
      },
      footers.map((other) => other.index.encode(other.number)),
    )
    this.#copyTail(chain.tail, assembler)
    if (this.#record.rebooted && !chain.clean) this.#host.lostWrites()
    const snapshot = this.#host.snapshot(number)
    for (let next = snapshot.next(); !next.done; next = snapshot.next()) assembler.add(next.value)
    await assembler.finish()
    this.#owner.mustStillOwn()
    await writer.rename(from, segment.path)
    await writer.syncDirectory(`${directory}/log`)
    return { logId: chain.logId, segments: [...segments, segment], file }
  }

  /**
   * From the first message of a partition that is still needed on, all of them: offsets in a segment have no holes. With them
   * what only a later version knows; everything else is in the snapshot.
   */
  #copyTail(frames: readonly Frame[], assembler: FrameAssembler): void {
    const needed = new Set<number>()
    for (const frame of frames) {
      forEachRecord(frame.bytes, (at, length, type) => {
        if (type === RecordType.message) {
          const { topic, partition, offset } = placeOf(frame.bytes, at)
          const key = partitionKey(topic, partition)
          if (!needed.has(key) && !this.#host.needs(topic, partition, offset)) return
          needed.add(key)
        } else if ((type & skippableType) === 0 || this.#host.recordTypes.has(type)) return
        assembler.add(frame.bytes.subarray(at, at + length))
      })
    }
  }

  /** The bytes behind the last intact frame are set aside: they may matter to a person. */
  async #keepTail(segment: Segment, cut: Omit<TailCut, 'keptAs'>): Promise<string> {
    const { disk, directory } = this.#settings
    const writer = this.#writer
    await disk.createDirectory(`${directory}/tails`)
    const path = `${directory}/tails/${segment.number}-${cut.position}-${this.#owner.fence.toString(16)}.tail`
    const source = await disk.open(segment.path)
    const file = await writer.create(path)
    for (let done = 0; done < cut.bytes; done += chunkBytes) {
      const bytes = await source.read(cut.position + done, Math.min(chunkBytes, cut.bytes - done))
      await appendDurably(writer, file, done, bytes)
    }
    await source.close()
    await writer.release(file)
    await writer.syncDirectory(`${directory}/tails`)
    return path
  }

  async #remove(names: readonly string[]): Promise<void> {
    const directory = `${this.#settings.directory}/log`
    for (const name of names) {
      this.#owner.mustStillOwn()
      await this.#writer.remove(`${directory}/${name}`)
    }
    if (names.length > 0) await this.#writer.syncDirectory(directory)
  }
}
