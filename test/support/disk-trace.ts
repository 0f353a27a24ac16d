/**
 * Loaded into a test's process and its threads before anything else: writes down what the writer thread
 * does with files, makes the first sync slow, so that calls pile up behind it, and fails what
 * DISK_FAIL names ("sync 2": the second).
 */
import fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const [failing, failingAt] = (process.env.DISK_FAIL ?? '').split(' ')
const counts: Record<string, number> = {}
const names = new Map<number, string>()

function trace(name: string, text: string): void {
  counts[name] = (counts[name] ?? 0) + 1
  fs.appendFileSync(`${process.env.DISK_TRACE}`, `${name} ${text}\n`)
  if (name !== failing || counts[name] !== Number(failingAt)) return
  throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO', syscall: name })
}

if (!isMainThread) {
  const { openSync, fdatasyncSync, fsyncSync, writeSync, writevSync } = fs
  fs.openSync = (path, flags, mode) => {
    const fd = openSync(path, flags, mode)
    names.set(fd, `${path}`.replace(/.*\//, ''))
    return fd
  }
  fs.fdatasyncSync = (fd) => {
    if (counts.sync === undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    trace('sync', `${names.get(fd)}`)
    fdatasyncSync(fd)
  }
  fs.fsyncSync = (fd) => {
    trace('syncDirectory', `${names.get(fd)}`)
    fsyncSync(fd)
  }
  fs.writeSync = ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
    if (!names.has(fd)) return writeSync(fd, bytes, offset, length, position)
    trace('write', `${names.get(fd)} ${position}+${length}`)
    // Short, to be continued.
    return writeSync(fd, bytes, offset, Math.min(length, 50_000), position)
  }) as typeof fs.writeSync
  fs.writevSync = (fd, pieces, position) => {
    trace('writev', `${names.get(fd)} ${position}+${pieces.map(({ byteLength }) => byteLength).join('+')}`)
    return writevSync(fd, pieces, position)
  }
}
