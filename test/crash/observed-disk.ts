/** The disk as the process under test sees it. Counts what it asks for, and lets it die at any of these calls. */
import type { DirectoryLock, Disk, ReadableFile, WritableFile, Writer } from '../../src/disk/port.ts'
import type { Marks } from './marks.ts'

const never = <T>(): Promise<T> => new Promise(() => undefined)

export class ObservedDisk implements Disk {
  readonly #disk: Disk
  readonly marks: Marks
  /** Called when the process is to die; nothing is answered from then on. */
  readonly #onDeath: () => void
  /** Calls left until it dies. */
  #callsLeft = Number.POSITIVE_INFINITY
  /** The same, counted from the next time a rotation begins. */
  #callsAfterRotation = Number.NaN
  isDead = false
  isOpening = true
  isRotating = false
  /** Whether the current segment lies in a file that had another use before. */
  isReused = false

  constructor(disk: Disk, marks: Marks, onDeath: () => void) {
    this.#disk = disk
    this.marks = marks
    this.#onDeath = onDeath
  }

  dieAfter(calls: number): void {
    this.#callsLeft = Math.min(this.#callsLeft, calls)
  }

  dieInRotation(calls: number): void {
    this.#callsAfterRotation = calls
  }

  die(): void {
    if (this.isDead) return
    this.isDead = true
    this.#onDeath()
  }

  /** Nothing is answered any more, and nobody calls it a death. */
  silence(): void {
    this.isDead = true
  }

  /** One call; false when the process is dead, or dies of it. */
  lives(): boolean {
    if (this.isDead) return false
    if (--this.#callsLeft >= 0) return true
    this.die()
    return false
  }

  rotationBegins(): void {
    if (this.isOpening) return
    this.isRotating = true
    if (!Number.isNaN(this.#callsAfterRotation)) this.dieAfter(this.#callsAfterRotation)
  }

  list(directory: string): Promise<string[]> {
    return this.lives() ? this.#disk.list(directory) : never()
  }

  async open(path: string): Promise<ReadableFile> {
    if (!this.lives()) return never()
    const file = await this.#disk.open(path)
    return {
      path,
      read: (position, length) => (this.lives() ? file.read(position, length) : never()),
      size: () => (this.lives() ? file.size() : never()),
      close: () => (this.lives() ? file.close() : never()),
    }
  }

  createDirectory(path: string): Promise<void> {
    return this.lives() ? this.#disk.createDirectory(path) : never()
  }

  writer(): Writer {
    return new ObservedWriter(this, this.#disk.writer())
  }

  freeBytes(path: string): number {
    return this.#disk.freeBytes(path)
  }

  identity(path: string): string | null {
    return this.#disk.identity(path)
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.lives() ? this.#disk.lock(directory) : never()
  }

  networkFileSystem(path: string): string | null {
    return this.#disk.networkFileSystem(path)
  }
}

class ObservedWriter implements Writer {
  readonly #disk: ObservedDisk
  readonly #writer: Writer

  constructor(disk: ObservedDisk, writer: Writer) {
    this.#disk = disk
    this.#writer = writer
  }

  get syncMs(): number {
    return this.#writer.syncMs
  }

  allocate(bytes: number): Uint8Array {
    return this.#writer.allocate(bytes)
  }

  create(path: string): Promise<WritableFile> {
    if (path.includes('/next-')) this.#disk.rotationBegins()
    if (path.includes('/reserve-')) this.#disk.marks.hit('reserve filled')
    return this.#disk.lives() ? this.#writer.create(path) : never()
  }

  open(path: string): Promise<WritableFile> {
    this.#disk.rotationBegins()
    return this.#disk.lives() ? this.#writer.open(path) : never()
  }

  append(
    file: WritableFile,
    position: number,
    bytes: Uint8Array,
    how: { readonly sync: boolean; readonly zeros: number },
    done: (error: NodeJS.ErrnoException | null) => void,
  ): void {
    if (bytes.length > 65_536 + 4096) this.#disk.marks.hit('frame beyond 64 KiB')
    if (this.#disk.lives()) this.#writer.append(file, position, bytes, how, done)
  }

  release(file: WritableFile): Promise<void> {
    return this.#disk.lives() ? this.#writer.release(file) : never()
  }

  rename(from: string, to: string): Promise<void> {
    const disk = this.#disk
    if (!disk.lives()) return never()
    if (to.endsWith('.seg')) {
      disk.isReused = from.includes('/spare-') || from.includes('/reserve-')
      if (from.includes('/spare-')) disk.marks.hit('segment reused with stale bytes')
      if (from.includes('/reserve-')) disk.marks.hit('reserve used')
      if (!disk.isOpening) disk.marks.hit('rotation')
    }
    if (to.includes('/reserve-')) disk.marks.hit('reserve filled')
    return this.#writer.rename(from, to)
  }

  remove(path: string): Promise<void> {
    const disk = this.#disk
    if (!disk.lives()) return never()
    if (disk.isOpening && path.endsWith('.seg')) disk.marks.hit('segment absorbed')
    return this.#writer.remove(path)
  }

  async syncDirectory(path: string): Promise<void> {
    if (!this.#disk.lives()) return never()
    await this.#writer.syncDirectory(path)
    if (path.endsWith('/log')) this.#disk.isRotating = false
  }

  close(): Promise<void> {
    return this.#disk.lives() ? this.#writer.close() : never()
  }
}
