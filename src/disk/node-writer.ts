import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { canceled, systemError } from './errors.ts'
import type { WritableFile, Writer } from './port.ts'
import {
  type Answer,
  type Control,
  kind,
  type PlainError,
  ringSlots,
  slot,
  slotNumbers,
  state,
  type ThreadData,
} from './writer-protocol.ts'

type Done = (error: NodeJS.ErrnoException | null) => void

/** A call that waits for its result. Appends wait as their bare callback. */
interface PendingControl {
  readonly syscall: string
  readonly path: string
  resolve(fd: number): void
  reject(error: NodeJS.ErrnoException): void
}

/** What the thread has to know of a call; `message` goes with it where numbers do not suffice. */
interface Descriptor {
  readonly kind: number
  readonly fd: number
  readonly position: number
  readonly memory: number
  readonly offset: number
  readonly length: number
  readonly zeros: number
  readonly sync: boolean
  readonly message: Uint8Array | Control | null
}

class NodeWritableFile implements WritableFile {
  readonly path: string
  /** -1 once released, so that nothing reaches the next file with this number. */
  fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.fd = fd
  }
}

/**
 * The user's side of the writer thread. Callbacks run from the thread's messages only, never from
 * within a call: a caller that writes again in its callback must not keep the event loop from turning.
 */
export class NodeWriter implements Writer {
  private readonly worker: Worker
  private readonly port: MessagePort
  private readonly ring = new Float64Array(
    new SharedArrayBuffer(ringSlots * slotNumbers * Float64Array.BYTES_PER_ELEMENT),
  )
  private readonly counters = new Int32Array(
    new SharedArrayBuffer(Object.keys(state).length * Int32Array.BYTES_PER_ELEMENT),
  )
  private readonly memories = new Map<ArrayBufferLike, number>()
  /** In the order of the calls, from `head` on. */
  private waiting: (Done | PendingControl | null)[] = []
  private head = 0
  /** What found the ring full. */
  private overflow: Descriptor[] = []
  /** Results of controls whose turn to be reported has not come. */
  private readonly results: number[] = []
  private published = 0
  private reported = 0
  /** Failed or closing: nothing reaches the thread any more. */
  private isShut = false
  private closed: Promise<void> | null = null
  private readonly exited: Promise<void>

  constructor() {
    const { port1, port2 } = new MessageChannel()
    const threadData: ThreadData = {
      port: port2,
      ring: this.ring.buffer as SharedArrayBuffer,
      state: this.counters.buffer as SharedArrayBuffer,
    }
    this.port = port1
    this.worker = startWorker(threadData, port2)
    this.worker.unref()
    this.port.on('message', (answer: Answer) => this.receive(answer))
    this.port.unref()
    let cause: unknown
    this.worker.on('error', (error) => {
      cause = error
    })
    this.exited = new Promise((resolve) => {
      this.worker.on('exit', () => {
        this.threadEnded(cause)
        resolve()
      })
    })
  }

  get syncMs(): number {
    return Atomics.load(this.counters, state.syncMicros) / 1000
  }

  allocate(bytes: number): Uint8Array {
    const memory = new SharedArrayBuffer(bytes)
    if (this.isShut) return new Uint8Array(memory)
    this.memories.set(memory, this.memories.size)
    this.wait(null)
    this.publish(controlDescriptor({ operation: 'memory', memory }))
    return new Uint8Array(memory)
  }

  async create(path: string): Promise<WritableFile> {
    return new NodeWritableFile(path, await this.control('open', { operation: 'create', path }))
  }

  async open(path: string): Promise<WritableFile> {
    return new NodeWritableFile(path, await this.control('open', { operation: 'open', path }))
  }

  append(
    file: WritableFile,
    position: number,
    bytes: Uint8Array,
    how: { readonly sync: boolean; readonly zeros: number },
    done: Done,
  ): void {
    if (!(file instanceof NodeWritableFile)) throw new TypeError('a file of another disk')
    if (this.isShut) {
      queueMicrotask(() => done(canceled('write', file.path)))
      return
    }
    const memory = this.memories.get(bytes.buffer)
    this.wait(done)
    this.publish({
      kind: memory === undefined && bytes.length > 0 ? kind.posted : kind.append,
      fd: file.fd,
      position,
      memory: memory ?? 0,
      offset: bytes.byteOffset,
      length: bytes.length,
      zeros: how.zeros,
      sync: how.sync,
      message: memory === undefined && bytes.length > 0 ? bytes : null,
    })
  }

  async release(file: WritableFile): Promise<void> {
    if (!(file instanceof NodeWritableFile)) throw new TypeError('a file of another disk')
    const { fd, path } = file
    file.fd = -1
    await this.control('close', { operation: 'release', path, fd })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.control('rename', { operation: 'rename', path: from, to })
  }

  async remove(path: string): Promise<void> {
    await this.control('unlink', { operation: 'remove', path })
  }

  async syncDirectory(path: string): Promise<void> {
    await this.control('fsync', { operation: 'syncDirectory', path })
  }

  close(): Promise<void> {
    this.closed ??= this.end()
    return this.closed
  }

  private async end(): Promise<void> {
    // A failed thread ends by itself.
    if (!this.isShut) {
      void this.control('close', { operation: 'close', path: '' }).catch(() => undefined)
      this.isShut = true
    }
    this.worker.ref()
    await this.exited
  }

  private control(syscall: string, control: Control & { readonly path: string }): Promise<number> {
    if (this.isShut) return Promise.reject(canceled(syscall, control.path))
    return new Promise((resolve, reject) => {
      this.wait({ syscall, path: control.path, resolve, reject })
      this.publish(controlDescriptor(control))
    })
  }

  /** Only while something waits does the writer keep the process alive. */
  private wait(waiter: Done | PendingControl | null): void {
    if (this.head === this.waiting.length) this.worker.ref()
    this.waiting.push(waiter)
  }

  private publish(descriptor: Descriptor): void {
    if (this.overflow.length > 0 || !this.hasRoom()) this.overflow.push(descriptor)
    else this.fill(descriptor)
  }

  private hasRoom(): boolean {
    return ((this.published - Atomics.load(this.counters, state.finished)) | 0) < ringSlots
  }

  private fill(descriptor: Descriptor): void {
    const { ring } = this
    const at = (this.published & (ringSlots - 1)) * slotNumbers
    ring[at + slot.kind] = descriptor.kind
    ring[at + slot.fd] = descriptor.fd
    ring[at + slot.position] = descriptor.position
    ring[at + slot.memory] = descriptor.memory
    ring[at + slot.offset] = descriptor.offset
    ring[at + slot.length] = descriptor.length
    ring[at + slot.zeros] = descriptor.zeros
    ring[at + slot.sync] = descriptor.sync ? 1 : 0
    if (descriptor.message !== null) this.port.postMessage(descriptor.message)
    this.published = (this.published + 1) | 0
    Atomics.store(this.counters, state.published, this.published)
    Atomics.notify(this.counters, state.published)
  }

  private receive(answer: Answer): void {
    // Woken once a turn: a port hands over a thousand messages in a row, and timers would wait for all of them.
    if (answer.type === 'wake') setImmediate(this.endTurn)
    else if (answer.type === 'result') this.results.push(answer.fd)
    this.report()
    if (answer.type === 'failed') this.fail(restore(answer.error))
    this.goOn()
  }

  private readonly endTurn = (): void => {
    // Before the count is read: what is finished later wakes again.
    Atomics.store(this.counters, state.isWaking, 0)
    this.report()
    this.goOn()
  }

  private goOn(): void {
    this.refill()
    if (this.head === this.waiting.length && this.closed === null) this.worker.unref()
  }

  /** Tells everybody whose call is finished. */
  private report(): void {
    const finished = Atomics.load(this.counters, state.finished)
    while (this.reported !== finished) {
      const waiter = this.waiting[this.head] as Done | PendingControl | null
      const isControl = waiter !== null && typeof waiter !== 'function'
      // Its result is under way, and whoever comes behind it waits for it.
      if (isControl && this.results.length === 0) return
      this.reported = (this.reported + 1) | 0
      this.next()
      if (waiter === null) continue
      if (isControl) waiter.resolve(this.results.shift() as number)
      else waiter(null)
    }
  }

  private next(): void {
    this.head++
    if (this.head === this.waiting.length) {
      this.waiting = []
      this.head = 0
    } else if (this.head === 4096) {
      this.waiting.splice(0, this.head)
      this.head = 0
    }
  }

  private refill(): void {
    let taken = 0
    while (taken < this.overflow.length && this.hasRoom()) this.fill(this.overflow[taken++] as Descriptor)
    if (taken > 0) this.overflow.splice(0, taken)
  }

  /** The first that waits gets the error, the others learn that nothing was done. */
  private fail(first: NodeJS.ErrnoException): void {
    this.isShut = true
    this.overflow = []
    let error: NodeJS.ErrnoException | null = first
    while (this.head < this.waiting.length) {
      const waiter = this.waiting[this.head] as Done | PendingControl | null
      this.next()
      if (waiter === null) continue
      if (typeof waiter === 'function') waiter(error ?? canceled('write', ''))
      else waiter.reject(error ?? canceled(waiter.syscall, waiter.path))
      error = null
    }
  }

  private threadEnded(cause: unknown): void {
    // Its last messages may be behind the news of its end.
    for (;;) {
      const received = receiveMessageOnPort(this.port)
      if (received === undefined) break
      this.receive(received.message as Answer)
    }
    this.port.close()
    this.fail(systemError('EIO', 'writer thread', '', cause))
  }
}

function controlDescriptor(message: Control): Descriptor {
  const none = { fd: -1, position: 0, memory: 0, offset: 0, length: 0, zeros: 0, sync: false }
  return { kind: kind.control, ...none, message }
}

function restore(plain: PlainError): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(plain.message)
  error.code = plain.code
  error.syscall = plain.syscall
  if (plain.errno !== undefined) error.errno = plain.errno
  if (plain.path !== undefined) error.path = plain.path
  return error
}

function startWorker(data: ThreadData, port: MessagePort): Worker {
  // The sources run as they are written; what is built from them has another ending.
  const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js'
  try {
    return new Worker(new URL(file, import.meta.url), {
      name: 'holdfast-writer',
      workerData: data,
      transferList: [port],
      execArgv: [],
    })
  } catch (cause) {
    const error: NodeJS.ErrnoException = new Error(
      'the thread that writes could not be started; under --permission it needs --allow-worker',
      { cause },
    )
    error.code = (cause as NodeJS.ErrnoException).code ?? 'EIO'
    throw error
  }
}
