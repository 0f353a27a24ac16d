/**
 * One owner per directory. The lock keeps a second process out; the file OWNER is the fence for the cases in which a lock
 * fails (the lock file deleted, or opened and closed by somebody inside the owner's process, which drops POSIX locks).
 * A new owner replaces OWNER before it reads the log; the old one compares before every acknowledgement. What
 * it acknowledged before the replacement was durable before the new one read.
 */
import { readFileSync } from 'node:fs'
import { HoldfastError } from '../core/errors.ts'
import type { DirectoryLock, Disk, Writer } from '../disk/port.ts'
import { appendDurably } from './append-durably.ts'

/** What the file OWNER says: one line of JSON. */
export interface OwnerRecord {
  readonly holdfast: 1
  /** 32 hexadecimal digits: which log lives here. */
  readonly log: string
  readonly fence: number
  readonly pid: number
  /** Which boot of the machine: after another one, what was only written may be gone. */
  readonly boot: string
  /** The machine was started anew before this owner, or before others that died while they opened the log. */
  readonly rebooted: boolean
  /** The highest segment number there was, durably, when this owner came: less can only mean that files were taken away. */
  readonly newest: number
}

export const ownerPath = (directory: string): string => `${directory}/OWNER`

/** A constant of this boot, '' where the system has none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

/** The record of the last owner; null where there is none. */
export async function readOwner(disk: Disk, directory: string): Promise<OwnerRecord | null> {
  const file = await disk.open(ownerPath(directory)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (file === null) return null
  try {
    const text = Buffer.from(await file.read(0, 4096)).toString('utf8')
    const record = parseOwner(text)
    if (record === null) {
      throw new HoldfastError(
        'corrupt',
        `${ownerPath(directory)} is damaged: it does not hold an owner's record`,
      )
    }
    return record
  } finally {
    await file.close()
  }
}

function parseOwner(text: string): OwnerRecord | null {
  try {
    const value = JSON.parse(text) as Partial<OwnerRecord> | null
    const valid =
      value !== null &&
      value.holdfast === 1 &&
      typeof value.log === 'string' &&
      /^[0-9a-f]{32}$/.test(value.log) &&
      Number.isSafeInteger(value.fence) &&
      Number.isSafeInteger(value.pid) &&
      typeof value.boot === 'string' &&
      typeof value.rebooted === 'boolean' &&
      Number.isSafeInteger(value.newest)
    return valid ? (value as OwnerRecord) : null
  } catch {
    return null
  }
}

export class Owner {
  readonly fence: number
  readonly #disk: Disk
  readonly #lock: DirectoryLock
  readonly #path: string
  readonly #identity: string | null
  readonly #lockIdentity: string | null
  /** Keeps the inode of OWNER in use, so that no later owner's file can get its number. */
  readonly #anchor: { close(): Promise<void> }

  private constructor(
    disk: Disk,
    lock: DirectoryLock,
    fields: { path: string; fence: number; identity: string | null; lockIdentity: string | null },
    anchor: { close(): Promise<void> },
  ) {
    this.#disk = disk
    this.#lock = lock
    this.#path = fields.path
    this.fence = fields.fence
    this.#identity = fields.identity
    this.#lockIdentity = fields.lockIdentity
    this.#anchor = anchor
  }

  /** Replaces OWNER; from then on an older owner acknowledges nothing. */
  static async take(
    disk: Disk,
    writer: Writer,
    lock: DirectoryLock,
    directory: string,
    record: OwnerRecord,
  ): Promise<Owner> {
    const path = ownerPath(directory)
    const temporary = `${path}.tmp`
    const lockIdentity = disk.identity(lock.path)
    if (disk.identity(temporary) !== null) await writer.remove(temporary)
    const file = await writer.create(temporary)
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    await appendDurably(writer, file, 0, bytes)
    await writer.release(file)
    // Looked at before it gets its name: under that name somebody else's may lie a moment later.
    const identity = disk.identity(temporary)
    const anchor = await disk.open(temporary)
    try {
      await writer.rename(temporary, path)
      await writer.syncDirectory(directory)
    } catch (error) {
      await anchor.close()
      throw error
    }
    return new Owner(disk, lock, { path, fence: record.fence, identity, lockIdentity }, anchor)
  }

  /** Two `stat`s: cheap enough for every acknowledgement. */
  isStillOwner(): boolean {
    return (
      this.#disk.identity(this.#path) === this.#identity &&
      this.#disk.identity(this.#lock.path) === this.#lockIdentity
    )
  }

  /** Before a file is renamed, used again or removed. */
  mustStillOwn(): void {
    if (!this.isStillOwner()) throw this.fenced()
  }

  fenced(): HoldfastError<'fenced'> {
    return new HoldfastError('fenced', `another process replaced ${this.#path}`)
  }

  async release(): Promise<void> {
    await this.#anchor.close()
    await this.#lock.release()
  }
}
