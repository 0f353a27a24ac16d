import { canceled, systemError } from './errors.ts'
import type { WritableFile, Writer } from './port.ts'
import type { SimulatedFile } from './simulated-file.ts'
import { normalize, type SimulatedNames } from './simulated-names.ts'
import { enqueue, type Operation, type OperationQueue } from './simulated-queue.ts'

export class SimulatedWritableFile implements WritableFile {
  readonly path: string
  readonly file: SimulatedFile

  constructor(path: string, file: SimulatedFile) {
    this.path = path
    this.file = file
  }
}

/** What a writer needs of its disk. */
export interface Backing {
  readonly names: SimulatedNames
  readonly counts: { syncs: number; directorySyncs: number }
  create(): SimulatedFile
  write(file: SimulatedFile, position: number, bytes: Uint8Array, zeros: number): void
  discard(file: SimulatedFile): void
}

export class SimulatedWriter implements Writer {
  readonly #queue: OperationQueue
  readonly #disk: Backing
  /** Set by the first failure and by `close`: nothing is touched any more. */
  #isBroken = false
  #closed: Promise<void> | null = null

  constructor(queue: OperationQueue, disk: Backing) {
    this.#queue = queue
    this.#disk = disk
  }

  /** Simulated syncs take no time of the caller's. */
  readonly syncMs = 0

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(bytes)
  }

  create(path: string): Promise<WritableFile> {
    return this.#control('open', path, (name) => {
      const file = this.#disk.create()
      this.#disk.names.create(name, file)
      return new SimulatedWritableFile(path, file)
    })
  }

  open(path: string): Promise<WritableFile> {
    return this.#control('open', path, (name) => {
      const file = this.#disk.names.get(name)
      if (file === undefined) throw systemError('ENOENT', 'open', path)
      return new SimulatedWritableFile(path, file)
    })
  }

  append(
    target: WritableFile,
    position: number,
    bytes: Uint8Array,
    how: { readonly sync: boolean; readonly zeros: number },
    done: (error: NodeJS.ErrnoException | null) => void,
  ): void {
    if (!(target instanceof SimulatedWritableFile)) throw new TypeError('a file of another disk')
    const { file, path } = target
    const { sync, zeros } = how
    const write = (): void => {
      if (bytes.length + zeros > 0) this.#disk.write(file, position, bytes, zeros)
    }
    this.#add('write', path, {
      run: () => {
        write()
        if (!sync) return
        file.sync()
        this.#disk.counts.syncs++
      },
      settle: done,
      slow: sync,
      half: { key: file, run: write },
    })
  }

  release(file: WritableFile): Promise<void> {
    return this.#control('close', file.path, () => undefined)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#control('rename', from, (name) => {
      const replaced = this.#disk.names.rename(name, normalize(to))
      if (replaced !== null) this.#disk.discard(replaced)
    })
  }

  remove(path: string): Promise<void> {
    return this.#control('unlink', path, (name) => this.#disk.discard(this.#disk.names.remove(name)))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#control(
      'fsync',
      path,
      (name) => {
        this.#disk.names.sync(name)
        this.#disk.counts.directorySyncs++
      },
      true,
    )
  }

  close(): Promise<void> {
    this.#closed ??= enqueue(this.#queue, () => {
      this.#isBroken = true
    })
    return this.#closed
  }

  #control<T>(syscall: string, path: string, run: (name: string) => T, slow = false): Promise<T> {
    return new Promise((resolve, reject) => {
      let value: T
      this.#add(syscall, path, {
        run: () => {
          value = run(normalize(path))
        },
        settle: (error) => (error === null ? resolve(value) : reject(error)),
        slow,
      })
    })
  }

  #add(syscall: string, path: string, operation: Operation): void {
    const guarded = (run: () => void) => (): void => {
      if (this.#isBroken) throw canceled(syscall, path)
      try {
        run()
      } catch (error) {
        this.#isBroken = true
        throw error
      }
    }
    const { half } = operation
    this.#queue.add({
      ...operation,
      run: guarded(operation.run),
      ...(half && { half: { key: half.key, run: guarded(half.run) } }),
    })
  }
}
