import { type FaultOptions, Faults, never, type Operation } from './faults.ts'
import { FaultyWriter } from './faulty-writer.ts'
import type { DirectoryLock, Disk, ReadableFile, Writer } from './port.ts'

/** Wraps a disk and lets operations fail by rule. Counts them all, so that a test can fail each in turn. */
export class FaultyDisk implements Disk {
  readonly #disk: Disk
  readonly #faults: Faults

  constructor(disk: Disk, options: FaultOptions = {}) {
    this.#disk = disk
    this.#faults = new Faults(options)
  }

  /** Every operation so far, in order: the n-th of them is what `{ operation: 'any', at: n }` hits. */
  get history(): readonly { readonly operation: Operation; readonly path: string }[] {
    return this.#faults.history
  }

  list(directory: string): Promise<string[]> {
    return this.#faults.around('list', directory, () => this.#disk.list(directory))
  }

  open(path: string): Promise<ReadableFile> {
    return this.#faults.around('open', path, async () => {
      return new FaultyReader(await this.#disk.open(path), this.#faults)
    })
  }

  createDirectory(path: string): Promise<void> {
    return this.#faults.around('createDirectory', path, () => this.#disk.createDirectory(path))
  }

  writer(): Writer {
    return new FaultyWriter(this.#disk.writer(), this.#faults)
  }

  freeBytes(path: string): number {
    return this.#disk.freeBytes(path)
  }

  identity(path: string): string | null {
    return this.#disk.identity(path)
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.#faults.around('lock', directory, () => this.#disk.lock(directory))
  }

  networkFileSystem(path: string): string | null {
    return this.#disk.networkFileSystem(path)
  }
}

class FaultyReader implements ReadableFile {
  readonly path: string
  readonly #file: ReadableFile
  readonly #faults: Faults

  constructor(file: ReadableFile, faults: Faults) {
    this.path = file.path
    this.#file = file
    this.#faults = faults
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#faults.around('read', this.path, () => this.#file.read(position, length))
  }

  size(): Promise<number> {
    return this.#faults.around('size', this.path, () => this.#file.size())
  }

  close(): Promise<void> {
    return this.#faults.isCrashed ? never() : this.#file.close()
  }
}
