/**
 * A disk in memory that loses power by seed. What a cut does is the worst that a journalled file system
 * on an honest drive may do; the log may rely on nothing else:
 *
 * - A sector (512 or 4096 bytes) is there in its old or its new version, never a mixture. With several
 *   writes since the last sync it may also be any of the versions between, as the kernel writes back at
 *   will. So rewriting a sector with equal bytes never harms them.
 * - What a finished sync covered is there. Every sector written later survives or not, each for itself,
 *   in no order: a later write may survive where an earlier one did not.
 * - A file that grew since its last sync has any length between the synced and the new one. A lost
 *   sector in that part reads as zeros, or as what a removed or replaced file left on the medium.
 * - A sync of a file says nothing about its name. Each creation, rename and removal since the last sync
 *   of its directory (for a rename: the target's) survives or not, each for itself, but whole. Only what
 *   builds on the same file or the same name keeps its order.
 * - What was asked for and not yet answered may be done, done in part, or not.
 * - After a failed sync the data stays readable until the cut, which takes it, whatever was synced later.
 *
 * Directories and locks need no sync: `createDirectory` does it, and a lock is worth nothing after a cut.
 */
import { posix } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import { systemError } from './errors.ts'
import type { DirectoryLock, Disk, ReadableFile, WritableFile, Writer } from './port.ts'
import { SimulatedFile } from './simulated-file.ts'
import { normalize, SimulatedNames } from './simulated-names.ts'
import { enqueue, OperationQueue } from './simulated-queue.ts'
import { SimulatedWritableFile, SimulatedWriter } from './simulated-writer.ts'

export interface SimulatedDiskOptions {
  readonly random: Random
  /** What the drive writes whole or not. */
  readonly sectorBytes: 512 | 4096
  /** 1 TiB by default. */
  readonly capacityBytes?: number
  /** With `latencyMs`: what the time of a sync is taken from. */
  readonly clock?: Clock
  /** How long each sync takes; 0 by default. */
  readonly latencyMs?: number
}

/** What the next boot takes over. */
interface Medium {
  readonly names: SimulatedNames
  /** Content of files that are gone, the newest last. */
  readonly garbage: Uint8Array[]
  nextInode: number
}

const maxGarbage = 8

export class SimulatedDisk implements Disk {
  readonly #options: SimulatedDiskOptions
  readonly #medium: Medium
  readonly #reads: OperationQueue
  readonly #writers: OperationQueue[] = []
  /** Which lock of it holds a lock file. */
  readonly #locked = new Map<SimulatedFile, SimulatedLock>()
  #isDead = false
  /** May be changed at any time. */
  capacityBytes: number
  /** Calls so far that reached the medium, and bytes they read. */
  readonly counts = { reads: 0, bytesRead: 0, writes: 0, bytesWritten: 0, syncs: 0, directorySyncs: 0 }

  constructor(options: SimulatedDiskOptions, medium?: Medium) {
    this.#options = options
    this.#medium = medium ?? { names: new SimulatedNames(), garbage: [], nextInode: 1 }
    this.capacityBytes = options.capacityBytes ?? 2 ** 40
    this.#reads = this.#queue()
  }

  /** The power fails. Returns the disk as the next boot finds it; this one never answers again. */
  powerCut(): SimulatedDisk {
    this.#die()
    const { names, garbage } = this.#medium
    const stale = [...garbage]
    const gone = names.losePower(this.#options.random)
    for (const file of names.files()) file.losePower(stale)
    for (const file of gone) this.#discard(file)
    return this.#reboot()
  }

  /** The process dies; the kernel lives on and loses nothing. Returns the disk for the next process. */
  kill(): SimulatedDisk {
    this.#die()
    return this.#reboot()
  }

  list(directory: string): Promise<string[]> {
    return this.#read(() => this.#medium.names.list(normalize(directory)))
  }

  open(path: string): Promise<ReadableFile> {
    return this.#read(() => new SimulatedReader(path, this.#file(normalize(path)), this.#reads, this.counts))
  }

  createDirectory(path: string): Promise<void> {
    return this.#read(() => this.#medium.names.addDirectory(normalize(path)))
  }

  writer(): Writer {
    const queue = this.#queue()
    if (!this.#isDead) this.#writers.push(queue)
    return new SimulatedWriter(queue, {
      names: this.#medium.names,
      create: () =>
        new SimulatedFile(this.#medium.nextInode++, this.#options.sectorBytes, this.#options.random),
      write: (file, position, bytes, zeros) => this.#write(file, position, bytes, zeros),
      discard: (file) => this.#discard(file),
      counts: this.counts,
    })
  }

  freeBytes(_path: string): number {
    let used = 0
    for (const file of this.#medium.names.files()) used += file.size
    return Math.max(0, this.capacityBytes - used)
  }

  identity(path: string): string | null {
    const file = this.#medium.names.get(normalize(path))
    return file === undefined ? null : `0:${file.inode}`
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.#read(() => {
      const path = posix.join(normalize(directory), 'lock', 'lock.db')
      let file = this.#medium.names.get(path)
      if (file === undefined) {
        file = this.#newFile()
        this.#medium.names.addDurable(path, file)
      }
      if (this.#locked.has(file)) throw systemError('ELOCKED', 'lock', path)
      const held = file
      const lock = new SimulatedLock(path, () =>
        this.#read(() => {
          if (this.#locked.get(held) === lock) this.#locked.delete(held)
        }),
      )
      this.#locked.set(held, lock)
      return lock
    })
  }

  networkFileSystem(_path: string): string | null {
    return null
  }

  /** All locks are gone and their owners do not know, as when a process closes another descriptor of the lock file. */
  loseLocks(): void {
    this.#locked.clear()
  }

  /** A sync of the file failed: the kernel takes its pages for clean, but the medium never got them. */
  failSync(file: WritableFile): void {
    if (file instanceof SimulatedWritableFile) file.file.failSync()
  }

  /** All files, in no order. */
  paths(): string[] {
    return this.#medium.names.paths()
  }

  /** A copy of what readers see. */
  bytesOf(path: string): Uint8Array {
    return this.#file(normalize(path)).bytes().slice()
  }

  /** Puts a file there, durably, as an operator with a copy would. */
  put(path: string, bytes: Uint8Array): void {
    const name = normalize(path)
    let file = this.#medium.names.get(name)
    if (file === undefined) {
      file = this.#newFile()
      this.#medium.names.addDurable(name, file)
    }
    file.replace(bytes)
  }

  flipBit(path: string, bit: number): void {
    const bytes = this.#file(normalize(path)).bytes()
    const at = Math.floor(bit / 8)
    if (at >= bytes.length) throw new RangeError(`${path} has no bit ${bit}`)
    bytes[at] = (bytes[at] as number) ^ (1 << (bit % 8))
  }

  /** Removes a file durably. */
  remove(path: string): void {
    this.#discard(this.#medium.names.removeDurably(normalize(path)))
  }

  #queue(): OperationQueue {
    return new OperationQueue(this.#options.clock, this.#options.latencyMs ?? 0)
  }

  #reboot(): SimulatedDisk {
    return new SimulatedDisk({ ...this.#options, capacityBytes: this.capacityBytes }, { ...this.#medium })
  }

  #die(): void {
    if (this.#isDead) throw new Error('this disk is dead already')
    this.#isDead = true
    for (const queue of [this.#reads, ...this.#writers]) queue.die(this.#options.random)
  }

  #newFile(): SimulatedFile {
    return new SimulatedFile(this.#medium.nextInode++, this.#options.sectorBytes, this.#options.random)
  }

  #file(path: string): SimulatedFile {
    const file = this.#medium.names.get(path)
    if (file === undefined) throw systemError('ENOENT', 'open', path)
    return file
  }

  #write(file: SimulatedFile, position: number, bytes: Uint8Array, zeros: number): void {
    this.counts.writes++
    const growth = position + bytes.length + zeros - file.size
    const missing = growth > 0 ? growth - this.freeBytes('') : 0
    if (missing <= 0) {
      file.write(position, bytes, zeros)
      this.counts.bytesWritten += bytes.length + zeros
      return
    }
    // What fits is written, as on a real disk.
    const fitting = Math.max(0, bytes.length + zeros - missing)
    const head = bytes.subarray(0, fitting)
    file.write(position, head, fitting - head.length)
    throw systemError('ENOSPC', 'write', '')
  }

  /** Removed content may turn up again wherever a new file grows. */
  #discard(file: SimulatedFile): void {
    const { garbage } = this.#medium
    // The files that hold a line or two would drive out those that matter.
    if (file.size < this.#options.sectorBytes) return
    garbage.push(file.bytes())
    if (garbage.length > maxGarbage) garbage.shift()
  }

  #read<T>(run: () => T): Promise<T> {
    return enqueue(this.#reads, run)
  }
}

class SimulatedLock implements DirectoryLock {
  readonly path: string
  readonly #release: () => Promise<void>

  constructor(path: string, release: () => Promise<void>) {
    this.path = path
    this.#release = release
  }

  release(): Promise<void> {
    return this.#release()
  }
}

class SimulatedReader implements ReadableFile {
  readonly path: string
  readonly #file: SimulatedFile
  readonly #queue: OperationQueue
  readonly #counts: SimulatedDisk['counts']
  #isClosed = false

  constructor(path: string, file: SimulatedFile, queue: OperationQueue, counts: SimulatedDisk['counts']) {
    this.path = path
    this.#file = file
    this.#queue = queue
    this.#counts = counts
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return enqueue(this.#queue, () => {
      this.#checkOpen('read')
      const bytes = this.#file.read(position, length)
      this.#counts.reads++
      this.#counts.bytesRead += bytes.length
      return bytes
    })
  }

  size(): Promise<number> {
    return enqueue(this.#queue, () => {
      this.#checkOpen('fstat')
      return this.#file.size
    })
  }

  close(): Promise<void> {
    return enqueue(this.#queue, () => {
      this.#isClosed = true
    })
  }

  #checkOpen(syscall: string): void {
    if (this.#isClosed) throw systemError('EBADF', syscall, this.path)
  }
}
