/** What can be wrong with a real directory: each has its own error, and nothing in it is changed. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, type ErrorCode, HoldfastError } from '../../src/index.ts'
import { LoopFileSystem, withLoopDevices } from '../support/loop-device.ts'
import { ChildRun } from './process.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-directory-'))
const cleanups: (() => void | Promise<void>)[] = [() => rmSync(folder, { recursive: true })]
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

/** Names and contents of all files below. */
function contents(path: string): Record<string, string> {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries([
    ...entries.map((entry) => [join(entry.parentPath, entry.name), '']),
    ...files.map((file) => [file, readFileSync(file, 'latin1')]),
  ])
}

async function refuses(directory: string, code: ErrorCode, text: RegExp): Promise<void> {
  const error = await connect(`file:${directory}`).then(
    async (holdfast) => {
      await holdfast.close()
      return null
    },
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof HoldfastError, `opened, or ${String(error)}`)
  assert.deepEqual([error.code, text.test(error.message)], [code, true], error.message)
}

async function makeStore(directory: string): Promise<void> {
  const holdfast = await connect(`file:${directory}`, { reserveBytes: 0 })
  await (await holdfast.producer()).send({ topic: 'orders', body: 1 })
  await holdfast.close()
}

test('a directory that a live process owns, with its process id', { timeout: 30_000 }, async () => {
  const directory = join(folder, 'owned')
  const child = new ChildRun()
  cleanups.push(async () => {
    child.kill()
    await child.ended
  })
  let opened = false
  const sizes = { segmentBytes: 65_536, reserveBytes: 0, producers: 1, inFlight: 1, concurrency: 1 }
  child.start({ directory, life: 1, ...sizes, barrierMs: 0, untilHandled: false }, (report) => {
    opened ||= report[0] === 'opened'
  })
  assert.ok(await child.until(() => opened))
  await refuses(directory, 'directory_in_use', new RegExp(`process ${child.pid}\\b`))
  child.kill()
  await child.ended
  // The lock died with its process.
  await (await connect(`file:${directory}`)).close()
})

test('no permission', {
  skip: process.getuid?.() === 0 ? false : 'only root can be somebody else',
}, async () => {
  const directory = join(folder, 'foreign')
  await makeStore(directory)
  chmodSync(folder, 0o755)
  for (const mode of [0o700, 0o755]) {
    chmodSync(directory, mode)
    const before = contents(directory)
    process.seteuid?.(65_534)
    try {
      await refuses(directory, 'directory_unreadable', /foreign/)
      await refuses(join(folder, 'new'), 'directory_unreadable', /new/)
    } finally {
      process.seteuid?.(0)
    }
    assert.deepEqual(contents(directory), before)
  }
})

test('a file system that is mounted read-only', withLoopDevices(30_000), async () => {
  const disk = new LoopFileSystem({ mib: 16 })
  cleanups.push(() => disk.destroy())
  const directory = join(disk.mountPoint, 'store')
  await makeStore(directory)
  disk.unmount()
  disk.mount('ro')
  const before = contents(disk.mountPoint)
  await refuses(directory, 'directory_read_only', /store/)
  await refuses(join(disk.mountPoint, 'new'), 'directory_read_only', /new/)
  assert.deepEqual(contents(disk.mountPoint), before)
})

test('a disk without any space', withLoopDevices(30_000), async () => {
  const disk = new LoopFileSystem({ mib: 16, make: ['-m', '0'] })
  cleanups.push(() => disk.destroy())
  const directory = join(disk.mountPoint, 'store')
  await makeStore(directory)
  const ballast = join(disk.mountPoint, 'ballast')
  // The last blocks are taken in small pieces.
  for (const bytes of [2 ** 20, 4096, 1]) {
    assert.throws(
      () => {
        for (;;) appendFileSync(ballast, Buffer.alloc(bytes))
      },
      { code: 'ENOSPC' },
    )
  }
  await refuses(directory, 'disk_full', /store/)
  rmSync(ballast)
  const holdfast = await connect(`file:${directory}`)
  assert.equal((await holdfast.topics.get('orders')).messages, 1)
  await holdfast.close()
})

test('the directory of another program', async () => {
  const directory = join(folder, 'other')
  mkdirSync(directory)
  writeFileSync(join(directory, 'letters.txt'), 'dear')
  await refuses(directory, 'directory_not_holdfast', /letters\.txt/)
  assert.deepEqual(readdirSync(directory), ['letters.txt'])
})

test('a file in place of the directory', async () => {
  const path = join(folder, 'file')
  writeFileSync(path, 'text')
  await refuses(path, 'directory_not_holdfast', /not a directory/)
  await refuses(join(path, 'below'), 'directory_not_holdfast', /not a directory/)
  assert.equal(readFileSync(path, 'utf8'), 'text')
})

test('a segment that another program wrote, and one of another log', async () => {
  const directory = join(folder, 'mixed')
  await makeStore(directory)
  const [name = ''] = readdirSync(join(directory, 'log')).filter((file) => file.endsWith('.seg'))
  const copy = join(folder, 'copy')
  cpSync(directory, copy, { recursive: true })
  writeFileSync(join(copy, 'log', name), Buffer.alloc(8192, 'not a log '))
  await refuses(copy, 'directory_not_holdfast', new RegExp(name))
  const stranger = join(folder, 'stranger')
  await makeStore(stranger)
  const [foreign = ''] = readdirSync(join(stranger, 'log')).filter((file) => file.endsWith('.seg'))
  cpSync(join(stranger, 'log', foreign), join(copy, 'log', name))
  await refuses(copy, 'corrupt', new RegExp(name))
})
