import { canceled } from './errors.ts'
import { errorOf, type Fault, type Faults, flipped, type Operation } from './faults.ts'
import type { WritableFile, Writer } from './port.ts'

type Done = (error: NodeJS.ErrnoException | null) => void

interface Append {
  readonly file: WritableFile
  readonly position: number
  readonly bytes: Uint8Array
  readonly zeros: number
  readonly sync: boolean
  readonly done: Done
}

const ignore: Done = () => undefined

/**
 * A writer whose operations fail by rule, with the consequences the port demands. Calls run through a
 * line of its own, so that a slow one holds up those behind it and a failure is told after all before it.
 */
export class FaultyWriter implements Writer {
  readonly #writer: Writer
  readonly #faults: Faults
  /** Calls that wait behind a slow one; null while none is slow. */
  #held: (() => void)[] | null = null
  #isBroken = false
  /** Calls of the wrapped writer without an answer, and what is to be told after the last of them. */
  #outstanding = 0
  #afterwards: (() => void)[] = []

  constructor(writer: Writer, faults: Faults) {
    this.#writer = writer
    this.#faults = faults
  }

  get syncMs(): number {
    return this.#writer.syncMs
  }

  allocate(bytes: number): Uint8Array {
    return this.#writer.allocate(bytes)
  }

  create(path: string): Promise<WritableFile> {
    return this.#control('create', path, () => this.#writer.create(path))
  }

  open(path: string): Promise<WritableFile> {
    return this.#control('openForWriting', path, () => this.#writer.open(path))
  }

  append(
    file: WritableFile,
    position: number,
    bytes: Uint8Array,
    how: { readonly sync: boolean; readonly zeros: number },
    done: Done,
  ): void {
    this.#inTurn(() => this.#append({ file, position, bytes, zeros: how.zeros, sync: how.sync, done }))
  }

  release(file: WritableFile): Promise<void> {
    return this.#control('release', file.path, () => this.#writer.release(file))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#control('rename', from, () => this.#writer.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#control('remove', path, () => this.#writer.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#control('syncDirectory', path, () => this.#writer.syncDirectory(path))
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#inTurn(() => {
        this.#isBroken = true
        void this.#writer.close().then(() => {
          if (!this.#faults.isCrashed) resolve()
        })
      })
    })
  }

  #append(append: Append): void {
    const { file, bytes, zeros, sync } = append
    if (this.#isBroken) {
      this.#later(() => append.done(canceled('write', file.path)))
      return
    }
    const fault = bytes.length + zeros > 0 ? this.#faults.next('write', file.path) : null
    switch (fault) {
      case 'crash-before':
        this.#faults.crash()
        break
      case 'crash-after':
        this.#forward({ ...append, sync: false, done: () => this.#faults.crash() })
        break
      case 'short':
        this.#forward({
          ...append,
          bytes: bytes.subarray(0, bytes.length >> 1),
          zeros: 0,
          sync: false,
          done: ignore,
        })
        this.#break(() => append.done(errorOf(fault, 'write', file.path)))
        break
      case 'eio':
      case 'enospc':
        this.#break(() => append.done(errorOf(fault, 'write', file.path)))
        break
      default: {
        const written = fault === 'bitflip' ? { ...append, bytes: flipped(bytes) } : append
        const syncFault = sync ? this.#faults.next('sync', file.path) : null
        if (fault === 'slow' || syncFault === 'slow')
          this.#pause(() => this.#writeAndSync(written, syncFault))
        else this.#writeAndSync(written, syncFault)
      }
    }
  }

  #writeAndSync(append: Append, fault: Fault | null): void {
    const { file } = append
    switch (fault) {
      case 'crash-before':
        this.#forward({ ...append, sync: false, done: () => this.#faults.crash() })
        break
      case 'crash-after':
        this.#forward({ ...append, done: () => this.#faults.crash() })
        break
      case 'eio':
      case 'enospc':
        this.#forward({ ...append, sync: false, done: () => this.#faults.options.onFailedSync?.(file) })
        this.#break(() => append.done(errorOf(fault, 'fdatasync', file.path)))
        break
      default:
        this.#forward(append)
    }
  }

  #forward(append: Append): void {
    const { file, position, bytes, zeros, sync } = append
    this.#outstanding++
    this.#writer.append(file, position, bytes, { sync, zeros }, (error) => {
      this.#outstanding--
      if (!this.#faults.isCrashed) append.done(error)
      this.#tell()
    })
  }

  #control<T>(operation: Operation, path: string, run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#inTurn(() => {
        if (this.#isBroken) {
          this.#later(() => reject(canceled(operation, path)))
          return
        }
        const fault = this.#faults.next(operation, path)
        switch (fault) {
          case 'crash-before':
            this.#faults.crash()
            break
          case 'eio':
          case 'enospc':
            this.#break(() => reject(errorOf(fault, operation, path)))
            break
          case 'slow':
            this.#pause(() => this.#start(run, fault, resolve, reject))
            break
          default:
            this.#start(run, fault, resolve, reject)
        }
      })
    })
  }

  #start<T>(
    run: () => Promise<T>,
    fault: Fault | null,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#outstanding++
    run().then(
      (value) => {
        this.#outstanding--
        if (fault === 'crash-after') this.#faults.crash()
        if (!this.#faults.isCrashed) resolve(value)
        this.#tell()
      },
      (error: unknown) => {
        this.#outstanding--
        if (!this.#faults.isCrashed) reject(error)
        this.#tell()
      },
    )
  }

  #inTurn(call: () => void): void {
    if (this.#faults.isCrashed) return
    if (this.#held === null) call()
    else this.#held.push(call)
  }

  #pause(call: () => void): void {
    this.#held = []
    void this.#faults.pause().then(() => {
      const held = this.#held ?? []
      this.#held = null
      call()
      // Each of them may be slow again; then the others wait on.
      for (const next of held) this.#inTurn(next)
    })
  }

  #break(tell: () => void): void {
    this.#isBroken = true
    this.#later(tell)
  }

  /** After everything called before was answered, and not within this call. */
  #later(tell: () => void): void {
    this.#afterwards.push(tell)
    if (this.#outstanding === 0 && this.#afterwards.length === 1) queueMicrotask(() => this.#tell())
  }

  #tell(): void {
    if (this.#outstanding > 0 || this.#faults.isCrashed) return
    const afterwards = this.#afterwards
    this.#afterwards = []
    for (const tell of afterwards) tell()
  }
}
