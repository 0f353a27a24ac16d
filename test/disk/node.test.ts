import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { nodeDisk } from '../../src/disk/node.ts'
import type { WritableFile, Writer } from '../../src/disk/port.ts'
import { append, hasCode, pattern, readAll } from '../support/disk-contract.ts'

const run = promisify(execFile)
const child = fileURLToPath(new URL('../support/disk-child.ts', import.meta.url))

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-node-'))
})
after(() => rm(directory, { recursive: true }))

async function make(name: string): Promise<{ writer: Writer; file: WritableFile; path: string }> {
  const writer = nodeDisk.writer()
  const path = join(directory, name)
  return { writer, path, file: await writer.create(path) }
}

async function runChild(task: string, options: { readonly flags?: string[]; readonly shell?: string } = {}) {
  const own = await mkdtemp(join(directory, `${task}-`))
  const command = [process.execPath, ...(options.flags ?? []), child, task, own]
  const [program, ...rest] =
    options.shell === undefined ? command : ['sh', '-c', `${options.shell}; exec "$@"`, 'sh', ...command]
  const { stdout } = await run(program as string, rest, { timeout: 20_000 })
  return { lines: stdout.trim().split('\n'), directory: own }
}

it('does not keep an idle process alive', async () => {
  const { lines } = await runChild('idle')
  assert.deepEqual(lines, ['idle'])
})

it('keeps the process alive while appends are pending', async () => {
  const { lines } = await runChild('pending')
  assert.deepEqual(lines, [...Array.from({ length: 20 }, (_, i) => `${i} none`), 'closed'])
})

it('continues short writes, and keeps the neighbours of the one that failed', async () => {
  const { lines, directory: own } = await runChild('short', { shell: 'ulimit -f 64' })
  const { size } = await stat(join(own, 'file'))
  // The unit of ulimit is 512 or 1024 bytes, as the shell likes.
  const whole = Math.floor(size / 10_000)
  assert.ok(size === 32_768 || size === 65_536, `${size} bytes`)
  const expected = Array.from({ length: 6 }, (_, i) =>
    i < whole ? 'ok' : i === whole ? 'EFBIG' : 'ECANCELED',
  )
  assert.deepEqual(lines, [expected.join(' ')])
})

it('says what is missing where threads are forbidden', async () => {
  const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*']
  const { lines } = await runChild('forbidden', { flags })
  assert.match(lines[0] ?? '', /^ERR_ACCESS_DENIED .*--allow-worker/)
})

it('tells everybody when the thread ends unexpectedly', async () => {
  const { writer, file, path } = await make('ended')
  const memory = writer.allocate(100)
  // Private, but there is no other way to have it end.
  const { worker } = writer as unknown as { worker: Worker }
  const ended = worker.terminate()
  const codes = await Promise.all(
    [0, 1, 2].map((i) =>
      append(writer, file, i * 100, memory).then(
        () => 'ok',
        (error) => error.code,
      ),
    ),
  )
  await ended
  assert.deepEqual(
    codes.filter((code) => code !== 'ok'),
    ['EIO', 'ECANCELED', 'ECANCELED'].slice(0, codes.filter((code) => code !== 'ok').length),
  )
  assert.notEqual(codes[2], 'ok')
  await assert.rejects(writer.remove(path), hasCode('ECANCELED'))
  await writer.close()
})

it('writes at positions beyond 4 GiB', async () => {
  const { writer, file, path } = await make('large')
  const position = 5 * 2 ** 30 + 3
  await append(writer, file, position, pattern(1000, 1))
  await writer.close()
  const reader = await nodeDisk.open(path)
  assert.equal(await reader.size(), position + 1000)
  assert.deepEqual(await reader.read(position, 2000), pattern(1000, 1))
  await reader.close()
  await rm(path)
})

it('reports a failed write with its code, system call and path', async () => {
  const { writer, file, path } = await make('released')
  await writer.release(file)
  // The next file gets the number of the one that was closed.
  await writer.create(`${path}-next`)
  await assert.rejects(append(writer, file, 0, pattern(10, 1)))
  assert.equal((await stat(`${path}-next`)).size, 0)
  await assert.rejects(append(writer, file, 0, pattern(10, 1)), hasCode('ECANCELED'))
  await writer.close()
  const second = nodeDisk.writer()
  await assert.rejects(second.create(path), { code: 'EEXIST', syscall: 'open', path })
  await second.close()
})

it('refuses files of another disk', async () => {
  const { writer } = await make('mine')
  const foreign: WritableFile = { path: join(directory, 'mine') }
  assert.throws(
    () => writer.append(foreign, 0, pattern(1, 1), { sync: false, zeros: 0 }, () => undefined),
    TypeError,
  )
  await assert.rejects(writer.release(foreign), TypeError)
  await writer.close()
})

it('lets neighbours cover the zeros between them, and only those', async () => {
  const { writer, file, path } = await make('zeros')
  const memory = writer.allocate(4096)
  memory.set(pattern(4096, 1))
  const other = writer.allocate(4096)
  other.set(pattern(4096, 2))
  const told: Promise<void>[] = []
  const expected = new Uint8Array(20_000)
  const write = (position: number, from: number, length: number, zeros: number, source = memory): void => {
    told.push(append(writer, file, position, source.subarray(from, from + length), { sync: true, zeros }))
    expected.fill(0, position, position + length + zeros)
    expected.set(source.subarray(from, from + length), position)
  }
  // What the file held before must not shine through.
  told.push(append(writer, file, 0, new Uint8Array(20_000).fill(255)))
  expected.fill(255)
  write(0, 0, 100, 412)
  write(100, 100, 100, 312)
  write(200, 200, 50, 6)
  write(250, 250, 300, 0)
  write(1000, 550, 10, 90)
  write(1010, 560, 20, 100)
  write(2000, 600, 10, 500)
  write(2010, 610, 5, 5)
  write(3000, 2000, 10, 0)
  write(3010, 1000, 10, 0)
  write(3020, 1010, 10, 0, other)
  await Promise.all(told)
  assert.deepEqual(await readAll(nodeDisk, path), expected)
  await writer.close()
})

it('refuses a directory where a file is', async () => {
  const path = join(directory, 'plain')
  await writeFile(path, '')
  await assert.rejects(nodeDisk.createDirectory(path), hasCode('ENOTDIR'))
  await assert.rejects(nodeDisk.createDirectory(join(path, 'below')), hasCode('ENOTDIR'))
})

it('knows the identity of nothing that it cannot look at', () => {
  assert.equal(nodeDisk.identity(`${directory}/no/such/file`), null)
  assert.equal(nodeDisk.identity('a\0b'), null)
})

it('asks the nearest existing directory about the file system', () => {
  assert.equal(nodeDisk.networkFileSystem(join(directory, 'not', 'yet')), null)
})
