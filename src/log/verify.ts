/**
 * Reads every record of a directory that no process has open, and says everything that is wrong with it. Never writes
 * and never stops at the first problem; memory does not grow with the log, only with its partitions.
 */
import { HoldfastError, isHoldfastError } from '../core/errors.ts'
import type { Disk } from '../disk/port.ts'
import { explained, isStore, lockDirectory } from './directory.ts'
import { type OwnerRecord, readOwner } from './owner.ts'
import { newestNumber, parseSegmentName, type SegmentEntry, segmentName } from './segment.ts'
import { SegmentCheck } from './segment-check.ts'

export type VerifyProblemCode =
  /** Records that were durable cannot be read, or contradict each other. */
  | 'corrupt'
  /** Bytes behind the last intact frame that nothing says were durable, or that an earlier opening set aside. */
  | 'tail_cut'
  /** A live segment is not there. */
  | 'missing'
  /** A file nobody needs; the next opening removes it, or nobody looks at it. No damage. */
  | 'leftover'
  /** Written by a newer version. */
  | 'newer_format'
  /** Not written by Holdfast, or belonging to another log. */
  | 'foreign'

export interface VerifyProblem {
  readonly code: VerifyProblemCode
  /** Name of the file within the directory. */
  readonly segment: string
  /** Byte in that file. */
  readonly position: number
  readonly message: string
}

export interface VerifyReport {
  /** Segments that were read. */
  readonly segments: number
  readonly frames: number
  readonly records: number
  /** Length of the intact frames. */
  readonly bytes: number
  readonly messages: number
  readonly problems: readonly VerifyProblem[]
}

export interface VerifyOptions {
  readonly directory: string
  readonly disk: Disk
  /** Types of records the engine knows; others are reported as `newer_format`. By default all are taken for known. */
  readonly recordTypes?: ReadonlySet<number>
}

/** Whether anything but leftovers was found. */
export const isDamaged = (report: VerifyReport): boolean =>
  report.problems.some((problem) => problem.code !== 'leftover')

/**
 * Reads all of a store. Takes its lock meanwhile.
 *
 * @throws HoldfastError 'directory_in_use' when a process owns it, 'directory_missing' when there is none,
 * or what the operating system has against reading it.
 */
export async function verifyDirectory(options: VerifyOptions): Promise<VerifyReport> {
  const { disk, directory } = options
  try {
    if (!(await isStore(disk, directory)))
      throw new HoldfastError('directory_missing', `there is no store in ${directory}`)
    const lock = await lockDirectory(disk, directory)
    try {
      return await new Verification(options).run()
    } finally {
      await lock.release()
    }
  } catch (error) {
    throw explained(error, directory)
  }
}

class Verification {
  readonly #disk: Disk
  readonly #directory: string
  readonly #recordTypes: ReadonlySet<number> | null
  readonly #problems: VerifyProblem[] = []
  readonly #counts = { segments: 0, frames: 0, records: 0, bytes: 0, messages: 0 }

  constructor(options: VerifyOptions) {
    this.#disk = options.disk
    this.#directory = options.directory
    this.#recordTypes = options.recordTypes ?? null
  }

  async run(): Promise<VerifyReport> {
    const owner = await this.#owner()
    const names = await this.#disk.list(`${this.#directory}/log`)
    const newestSeen = owner?.newest ?? 0
    if (newestNumber(names) < newestSeen) {
      this.#problem(
        'missing',
        'log',
        0,
        `there was a segment ${newestSeen}: it and what came after it are missing`,
      )
    }
    const found = names.flatMap((name) => parseSegmentName(name) ?? [])
    found.sort((a, b) => a.number - b.number || a.fence - b.fence)
    const newest = found.at(-1)
    if (newest !== undefined) await this.#checkChain(names, newest, owner?.log ?? null)
    else this.#problem('missing', 'log', 0, 'there is no segment at all')
    await this.#checkTails()
    return { ...this.#counts, problems: this.#problems }
  }

  async #owner(): Promise<OwnerRecord | null> {
    try {
      return await readOwner(this.#disk, this.#directory)
    } catch (error) {
      if (!isHoldfastError(error)) throw error
      this.#problem('corrupt', 'OWNER', 0, error.message)
      return null
    }
  }

  async #checkChain(
    names: readonly string[],
    newest: { number: number; fence: number },
    logId: string | null,
  ): Promise<void> {
    const current = this.#check(newest, logId)
    await current.open()
    await current.readNewest()
    const { table } = current
    const live = (table ?? []).filter((entry) => !current.released.has(entry.number))
    const present = new Set(names)
    const checks = new Map<number, SegmentCheck>([[newest.number, current]])
    for (const entry of live) {
      const name = segmentName(entry.number, entry.fence)
      if (!present.has(name)) {
        this.#problem('missing', `log/${name}`, 0, 'this segment is missing, and it was not given up')
        continue
      }
      const check = this.#check(entry, logId)
      checks.set(entry.number, check)
      await check.open()
      await check.readSealed(entry)
      await check.close()
    }
    this.#checkOrder(live, current)
    if (table !== null) await this.#checkFooters(live, checks)
    await current.close()
    if (!current.hasSnapshot && checks.get(live.at(-1)?.number ?? -1)?.hasSnapshot !== true) {
      this.#problem(
        'corrupt',
        current.name,
        0,
        'neither the newest segment nor the one before has a snapshot',
      )
    }
    for (const check of checks.values()) this.#count(check)
    this.#nameLeftovers(names, checks, table !== null)
  }

  #check(name: { number: number; fence: number }, logId: string | null): SegmentCheck {
    return new SegmentCheck(this.#disk, this.#directory, name, {
      logId,
      recordTypes: this.#recordTypes,
      problem: (code, segment, position, message) => this.#problem(code, segment, position, message),
    })
  }

  /** Each segment begins where one before ended, or later where those between were given up. */
  #checkOrder(live: readonly SegmentEntry[], current: SegmentCheck): void {
    let end = 0
    for (const entry of live) {
      if (entry.baseSequence < end)
        this.#problem('corrupt', current.name, 0, `the table has segment ${entry.number} out of order`)
      end = entry.endSequence
    }
    if (current.baseSequence < end)
      this.#problem('corrupt', current.name, 0, 'the segment begins before the one before it ends')
  }

  /** The footer, where there still is one, must say what reading the segment gave. */
  async #checkFooters(
    live: readonly SegmentEntry[],
    checks: ReadonlyMap<number, SegmentCheck>,
  ): Promise<void> {
    for (const entry of live) {
      const holder = checks.get(entry.footerSegment)
      const check = checks.get(entry.number)
      if (entry.footerPosition === 0 || holder === undefined || check === undefined || check.isDamaged)
        continue
      await holder.checkFooter(entry, check.index)
    }
  }

  #count(check: SegmentCheck): void {
    this.#counts.segments++
    this.#counts.frames += check.frames
    this.#counts.records += check.records
    this.#counts.bytes += check.bytes
    this.#counts.messages += check.index.messages
  }

  /** Files in the log's directory that the table does not name. Spare files are part of a log in good order. */
  #nameLeftovers(
    names: readonly string[],
    checks: ReadonlyMap<number, SegmentCheck>,
    isTableKnown: boolean,
  ): void {
    const read = new Set([...checks.values()].map((check) => check.name))
    for (const name of names) {
      if (read.has(`log/${name}`) || name.endsWith('.tmp')) continue
      const isSegment = parseSegmentName(name) !== null
      const what = !isSegment
        ? "not a file of Holdfast's; it is left alone"
        : isTableKnown
          ? 'given up; the next opening removes it'
          : 'not read: the table that would say how long it is, is damaged'
      this.#problem(isSegment && !isTableKnown ? 'corrupt' : 'leftover', `log/${name}`, 0, what)
    }
  }

  /** What earlier openings cut off and kept. */
  async #checkTails(): Promise<void> {
    const names = await this.#disk.list(`${this.#directory}/tails`).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
    for (const name of names.sort()) {
      const [, segment, position] = /^(\d+)-(\d+)-[0-9a-f]+\.tail$/.exec(name) ?? []
      if (segment === undefined) continue
      const what = `an earlier opening cut this off segment ${segment}, byte ${position}, and kept it`
      this.#problem('tail_cut', `tails/${name}`, 0, what)
    }
  }

  #problem(code: VerifyProblemCode, segment: string, position: number, message: string): void {
    this.#problems.push({ code, segment, position, message })
  }
}
