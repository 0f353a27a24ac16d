/**
 * The thread that writes. It takes descriptors in their order, does them with synchronous calls, and
 * ends at the first that fails or at `close`. Started by `NodeWriter`, never imported.
 */
import fs from 'node:fs'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import {
  type Answer,
  type Control,
  kind,
  ringSlots,
  slot,
  slotNumbers,
  state,
  type ThreadData,
} from './writer-protocol.ts'

const zeros = new Uint8Array(256 * 1024)
const empty = zeros.subarray(0, 0)
/** Blocks of zeros in one call. */
const maxZeroBlocks = 64

const data = workerData as ThreadData
const port = data.port as MessagePort
const ring = new Float64Array(data.ring)
const counters = new Int32Array(data.state)
/** Shared memory by number. */
const memories: Uint8Array[] = []
/** Open files, for the end and for errors. */
const paths = new Map<number, string>()
/** Descriptors done, modulo 2³². */
let finished = 0
/** Bytes that reached the file in the write that runs, or that failed. */
let progress = 0

function field(index: number, which: number): number {
  return ring[(index & (ringSlots - 1)) * slotNumbers + which] as number
}

/** The message that goes with the descriptor whose turn it is. */
function takeMessage<T>(): T {
  const received = receiveMessageOnPort(port)
  if (received === undefined) throw new Error('a descriptor came without its message')
  return received.message as T
}

function answer(message: Answer): void {
  port.postMessage(message)
}

function finish(count: number): void {
  finished = (finished + count) | 0
  Atomics.store(counters, state.finished, finished)
}

function wake(): void {
  if (Atomics.exchange(counters, state.isWaking, 1) === 0) answer({ type: 'wake' })
}

/** `bytes`, then `zeroBytes` zeros. A call that writes less is continued; one that writes nothing is an error. */
function write(fd: number, position: number, bytes: Uint8Array, zeroBytes: number): void {
  const total = bytes.length + zeroBytes
  progress = 0
  while (progress < total) {
    const at = position + progress
    const written =
      zeroBytes === 0
        ? fs.writeSync(fd, bytes, progress, total - progress, at)
        : fs.writevSync(fd, rest(bytes, zeroBytes), at)
    if (written === 0) throw Object.assign(new Error('EIO: nothing was written'), { code: 'EIO' })
    progress += written
  }
}

function rest(bytes: Uint8Array, zeroBytes: number): Uint8Array[] {
  const pieces = progress < bytes.length ? [bytes.subarray(progress)] : []
  let missing = zeroBytes - Math.max(0, progress - bytes.length)
  for (let i = 0; i < maxZeroBlocks && missing > 0; i++) {
    pieces.push(missing < zeros.length ? zeros.subarray(0, missing) : zeros)
    missing -= zeros.length
  }
  return pieces
}

/**
 * How many descriptors from `index` on make one write: neighbours in memory and in the file. Zeros
 * between them are left out where the next one covers them.
 */
function runLength(index: number, available: number, fd: number): number {
  if (field(index, slot.kind) === kind.posted) return 1
  let count = 1
  for (; count < available; count++) {
    const last = index + count - 1
    const next = index + count
    const length = field(last, slot.length)
    if (
      field(next, slot.kind) !== kind.append ||
      field(next, slot.fd) !== fd ||
      field(next, slot.memory) !== field(last, slot.memory) ||
      field(next, slot.offset) !== field(last, slot.offset) + length ||
      field(next, slot.position) !== field(last, slot.position) + length ||
      field(next, slot.length) + field(next, slot.zeros) < field(last, slot.zeros)
    ) {
      break
    }
  }
  return count
}

function writeRun(index: number, count: number, fd: number): void {
  const position = field(index, slot.position)
  const last = index + count - 1
  if (field(index, slot.kind) === kind.posted) {
    write(fd, position, takeMessage<Uint8Array>(), field(index, slot.zeros))
    return
  }
  const start = field(index, slot.offset)
  const end = field(last, slot.offset) + field(last, slot.length)
  // Zeros or a sync alone need no memory, and there may be none yet.
  const bytes =
    start === end ? empty : (memories[field(index, slot.memory)] as Uint8Array).subarray(start, end)
  write(fd, position, bytes, field(last, slot.zeros))
}

/** How many descriptors of a failed run are in the file all the same. */
function coveredByProgress(index: number, count: number): number {
  let covered = 0
  let end = 0
  while (covered < count - 1) {
    end += field(index + covered, slot.length)
    if (end > progress) break
    covered++
  }
  return covered
}

/** The first of `count` descriptors that asked for a sync; `count` when none did. */
function firstSync(index: number, count: number): number {
  for (let i = 0; i < count; i++) if (field(index + i, slot.sync) === 1) return i
  return count
}

/** Weight of the newest measurement is 1/8: one slow sync changes little, a slow disk shows soon. */
function noteSync(startedAt: number): void {
  const took = (performance.now() - startedAt) * 1000
  const average = Atomics.load(counters, state.syncMicros)
  Atomics.store(counters, state.syncMicros, average + (took - average) / 8)
}

/** Appends to one file: all writes, then one sync if any asked. True when they succeeded. */
function doAppends(available: number): boolean {
  const startedAt = performance.now()
  const fd = field(finished, slot.fd)
  let done = 0
  let failure: unknown
  try {
    while (done < available && isAppendTo(finished + done, fd)) {
      const count = runLength(finished + done, available - done, fd)
      progress = 0
      try {
        writeRun(finished + done, count, fd)
      } catch (error) {
        failure = error
        done += coveredByProgress(finished + done, count)
        break
      }
      done += count
    }
    if (firstSync(finished, done) < done) {
      fs.fdatasyncSync(fd)
      noteSync(startedAt)
    }
  } catch (error) {
    // The sync failed. It is the first error in the order of the calls, also when a later write failed.
    failure = error
    done = firstSync(finished, done)
  }
  finish(done)
  if (failure !== undefined) fail(failure, paths.get(fd))
  else wake()
  return failure === undefined
}

function isAppendTo(index: number, fd: number): boolean {
  return field(index, slot.kind) !== kind.control && field(index, slot.fd) === fd
}

/** The descriptor of the file, for those that open one; else -1. */
function perform(control: Exclude<Control, { operation: 'memory' }>): number {
  const { path } = control
  switch (control.operation) {
    case 'create':
    case 'open': {
      const fd = fs.openSync(path, control.operation === 'create' ? 'wx' : 'r+')
      paths.set(fd, path)
      return fd
    }
    case 'release':
      paths.delete(control.fd)
      fs.closeSync(control.fd)
      return -1
    case 'rename':
      fs.renameSync(path, control.to)
      return -1
    case 'remove':
      fs.unlinkSync(path)
      return -1
    case 'syncDirectory': {
      const fd = fs.openSync(path, 'r')
      try {
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
      return -1
    }
    case 'close':
      return -1
  }
}

/** True when the thread goes on. */
function doControl(): boolean {
  const control = takeMessage<Control>()
  if (control.operation === 'memory') {
    memories.push(new Uint8Array(control.memory))
    finish(1)
    wake()
    return true
  }
  try {
    const fd = perform(control)
    finish(1)
    answer({ type: 'result', fd })
  } catch (error) {
    fail(error, control.path)
    return false
  }
  return control.operation !== 'close'
}

function fail(thrown: unknown, path: string | undefined): void {
  const error = thrown as NodeJS.ErrnoException
  answer({
    type: 'failed',
    error: {
      message: error.message,
      code: error.code ?? 'EIO',
      errno: error.errno,
      syscall: error.syscall ?? 'write',
      path: error.path ?? path,
    },
  })
}

function run(): void {
  for (;;) {
    Atomics.wait(counters, state.published, finished)
    let available = (Atomics.load(counters, state.published) - finished) | 0
    while (available > 0) {
      const before = finished
      const goesOn = field(finished, slot.kind) === kind.control ? doControl() : doAppends(available)
      if (!goesOn) return
      available -= (finished - before) | 0
    }
  }
}

try {
  run()
} finally {
  for (const fd of paths.keys()) {
    try {
      fs.closeSync(fd)
    } catch {
      // It was reported before, or it does not matter any more.
    }
  }
  port.close()
}
