import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Disk, WritableFile, Writer } from '../../src/disk/port.ts'

type How = { readonly sync: boolean; readonly zeros: number }

const synced: How = { sync: true, zeros: 0 }

/** One append as a promise. */
export function append(
  writer: Writer,
  file: WritableFile,
  position: number,
  bytes: Uint8Array,
  how: How = synced,
): Promise<void> {
  return new Promise((resolve, reject) => {
    writer.append(file, position, bytes, how, (error) => (error === null ? resolve() : reject(error)))
  })
}

export async function readAll(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path)
  try {
    return await file.read(0, await file.size())
  } finally {
    await file.close()
  }
}

/** `length` bytes that differ from those of another `seed`. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff)
}

export function hasCode(code: string) {
  return (error: unknown): boolean => {
    assert.equal((error as NodeJS.ErrnoException).code, code)
    return true
  }
}

/** What every disk promises (src/disk/port.ts). `make` gives a disk and an existing, empty directory. */
export function diskContract(
  name: string,
  make: () => Promise<{ disk: Disk; directory: string; dispose?: () => Promise<void> }>,
): void {
  describe(`${name}: contract of a disk`, () => {
    let disk: Disk
    let root: string
    let dispose: (() => Promise<void>) | undefined
    let number = 0
    const fresh = async (): Promise<string> => {
      const directory = `${root}/${number++}`
      await disk.createDirectory(directory)
      return directory
    }
    before(async () => {
      const made = await make()
      disk = made.disk
      root = made.directory
      dispose = made.dispose
    })
    after(() => dispose?.())

    fileTests(() => ({ disk, fresh }))
    appendTests(() => ({ disk, fresh }))
    failureTests(() => ({ disk, fresh }))
  })
}

type Given = () => { disk: Disk; fresh: () => Promise<string> }

function fileTests(given: Given): void {
  it('creates directories with their parents, again and again', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    await disk.createDirectory(`${directory}/a/b/c`)
    await disk.createDirectory(`${directory}/a/b/c`)
    assert.deepEqual(await disk.list(`${directory}/a`), ['b'])
    await assert.rejects(disk.list(`${directory}/x`), hasCode('ENOENT'))
    await assert.rejects(disk.open(`${directory}/x`), hasCode('ENOENT'))
  })

  it('creates, lists, reads, renames and removes files', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const writer = disk.writer()
    const file = await writer.create(`${directory}/one`)
    await append(writer, file, 0, pattern(1000, 1))
    assert.deepEqual(await readAll(disk, `${directory}/one`), pattern(1000, 1))
    const other = await writer.create(`${directory}/two`)
    await append(writer, other, 0, pattern(10, 2))
    assert.deepEqual((await disk.list(directory)).sort(), ['one', 'two'])
    await writer.rename(`${directory}/two`, `${directory}/one`)
    await writer.syncDirectory(directory)
    assert.deepEqual(await disk.list(directory), ['one'])
    assert.deepEqual(await readAll(disk, `${directory}/one`), pattern(10, 2))
    await writer.release(other)
    await writer.remove(`${directory}/one`)
    assert.deepEqual(await disk.list(directory), [])
    await writer.close()
    await writer.close()
  })

  it('reads from a position, and fewer bytes only where the file ends', async () => {
    const { disk, fresh } = given()
    const path = `${await fresh()}/file`
    const writer = disk.writer()
    await append(writer, await writer.create(path), 0, pattern(5000, 3))
    const file = await disk.open(path)
    assert.equal(await file.size(), 5000)
    assert.deepEqual(await file.read(4000, 2000), pattern(5000, 3).subarray(4000))
    assert.equal((await file.read(6000, 10)).length, 0)
    const [first, second] = [await file.read(0, 4), await file.read(0, 4)]
    first.fill(0)
    assert.deepEqual(second, pattern(4, 3))
    await file.close()
    await writer.close()
  })

  it('tells incarnations of a path apart', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const path = `${directory}/file`
    assert.equal(disk.identity(path), null)
    const writer = disk.writer()
    await writer.create(path)
    const first = disk.identity(path)
    assert.notEqual(first, null)
    assert.equal(disk.identity(path), first)
    await writer.create(`${directory}/new`)
    await writer.rename(`${directory}/new`, path)
    assert.notEqual(disk.identity(path), first)
    await writer.close()
  })

  it('has room, and is local', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    assert.ok(disk.freeBytes(directory) > 2 ** 20)
    assert.equal(disk.networkFileSystem(directory), null)
  })

  it('gives a directory to one owner at a time', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const lock = await disk.lock(directory)
    assert.notEqual(disk.identity(lock.path), null)
    await assert.rejects(disk.lock(directory), hasCode('ELOCKED'))
    await assert.rejects(disk.lock(directory), hasCode('ELOCKED'))
    await lock.release()
    await lock.release()
    const again = await disk.lock(directory)
    await again.release()
  })
}

function appendTests(given: Given): void {
  it('appends memory of its own, foreign memory, zeros, and nothing', async () => {
    const { disk, fresh } = given()
    const path = `${await fresh()}/file`
    const writer = disk.writer()
    const file = await writer.create(path)
    await append(writer, file, 0, new Uint8Array(0))
    const memory = writer.allocate(8192)
    assert.equal(memory.length, 8192)
    memory.set(pattern(8192, 4))
    await append(writer, file, 0, memory.subarray(0, 5000), { sync: true, zeros: 3192 })
    await append(writer, file, 5000, memory.subarray(5000), { sync: false, zeros: 100 })
    await append(writer, file, 8192, pattern(100, 5), { sync: true, zeros: 300_000 })
    await append(writer, file, 310_000, new Uint8Array(0), { sync: false, zeros: 10 })
    const expected = new Uint8Array(310_010)
    expected.set(pattern(8192, 4))
    expected.set(pattern(100, 5), 8192)
    assert.deepEqual(await readAll(disk, path), expected)
    await writer.close()
  })

  it('tells of appends later, once, in their order', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const writer = disk.writer()
    const files = [await writer.create(`${directory}/a`), await writer.create(`${directory}/b`)]
    const memory = writer.allocate(3000 * 8)
    memory.set(pattern(memory.length, 6))
    const told: number[] = []
    await new Promise<void>((resolve) => {
      // More than fit into any ring, on two files, from shared and from other memory.
      for (let i = 0; i < 3000; i++) {
        const bytes = memory.subarray(i * 8, i * 8 + 8)
        const file = files[i % 10 === 9 ? 1 : 0] as WritableFile
        const how = { sync: i % 500 === 499, zeros: i % 3 === 0 ? 16 : 0 }
        writer.append(file, i * 8, i % 7 === 0 ? bytes.slice() : bytes, how, (error) => {
          assert.equal(error, null)
          told.push(i)
          if (told.length === 3000) resolve()
        })
      }
      assert.equal(told.length, 0)
    })
    assert.deepEqual(
      told,
      Array.from({ length: 3000 }, (_, i) => i),
    )
    // Every tenth place of the first file is covered by zeros of one before it, or was never written.
    const expected = pattern(memory.length, 6)
    const [a, b] = [await readAll(disk, `${directory}/a`), await readAll(disk, `${directory}/b`)]
    for (let i = 0; i < 2999; i++) {
      const at = i * 8
      const [mine, other] = i % 10 === 9 ? [b, a] : [a, b]
      assert.deepEqual([...mine.subarray(at, at + 8)], [...expected.subarray(at, at + 8)], `append ${i}`)
      if (i < 2990) assert.ok(other.subarray(at, at + 8).every((byte) => byte === 0))
    }
    await writer.close()
  })

  it('lets nothing overtake what waits for room', async () => {
    const { disk, fresh } = given()
    const path = `${await fresh()}/file`
    const writer = disk.writer()
    const file = await writer.create(path)
    const memory = writer.allocate(6000)
    const last = new Promise<void>((resolve, reject) => {
      for (let i = 0; i < 5000; i++) {
        writer.append(file, i, memory.subarray(i, i + 1).fill(1), { sync: false, zeros: 0 }, (error) => {
          if (error !== null) reject(error)
          // Called while others still wait; each overwrites one of them, if it comes last.
          if (i < 1000) append(writer, file, 4000 + i, Uint8Array.of(2)).catch(reject)
          if (i === 4999) resolve()
        })
      }
    })
    await last
    await writer.close()
    const expected = new Uint8Array(5000).fill(1).fill(2, 4000)
    assert.deepEqual(await readAll(disk, path), expected)
  })

  it('does everything in the order of the calls', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const writer = disk.writer()
    const file = await writer.create(`${directory}/a`)
    await Promise.all([
      append(writer, file, 0, pattern(10, 1)),
      writer.rename(`${directory}/a`, `${directory}/b`),
      append(writer, file, 10, pattern(10, 2)),
      writer.create(`${directory}/a`),
      writer.remove(`${directory}/a`),
      writer.close(),
    ])
    assert.deepEqual(await disk.list(directory), ['b'])
    assert.equal((await readAll(disk, `${directory}/b`)).length, 20)
  })

  it('writes in place through a file opened again', async () => {
    const { disk, fresh } = given()
    const path = `${await fresh()}/file`
    const writer = disk.writer()
    await append(writer, await writer.create(path), 0, new Uint8Array(100).fill(1))
    await writer.close()
    const second = disk.writer()
    await append(second, await second.open(path), 50, new Uint8Array(10).fill(2))
    await second.close()
    const expected = new Uint8Array(100).fill(1).fill(2, 50, 60)
    assert.deepEqual(await readAll(disk, path), expected)
  })
}

function failureTests(given: Given): void {
  it('breaks at the first failure and touches nothing afterwards', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const writer = disk.writer()
    const file = await writer.create(`${directory}/a`)
    const before = append(writer, file, 0, pattern(10, 1))
    const failing = assert.rejects(writer.create(`${directory}/a`), hasCode('EEXIST'))
    const later = assert.rejects(append(writer, file, 10, pattern(10, 2)), hasCode('ECANCELED'))
    const alsoLater = assert.rejects(writer.remove(`${directory}/a`), hasCode('ECANCELED'))
    await Promise.all([before, failing, later, alsoLater])
    await assert.rejects(append(writer, file, 10, pattern(10, 2)), hasCode('ECANCELED'))
    await assert.rejects(writer.syncDirectory(directory), hasCode('ECANCELED'))
    await writer.close()
    await assert.rejects(writer.create(`${directory}/b`), hasCode('ECANCELED'))
    assert.deepEqual(await disk.list(directory), ['a'])
    assert.equal((await readAll(disk, `${directory}/a`)).length, 10)
  })

  it('refuses what comes after close', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    const writer = disk.writer()
    const file = await writer.create(`${directory}/a`)
    await writer.close()
    await assert.rejects(append(writer, file, 0, pattern(1, 1)), hasCode('ECANCELED'))
    assert.equal((await readAll(disk, `${directory}/a`)).length, 0)
  })

  it('fails to open what is not there', async () => {
    const { disk, fresh } = given()
    const directory = await fresh()
    for (const call of [
      (writer: Writer) => writer.open(`${directory}/x`),
      (writer: Writer) => writer.remove(`${directory}/x`),
      (writer: Writer) => writer.rename(`${directory}/x`, `${directory}/y`),
      (writer: Writer) => writer.create(`${directory}/x/y`),
      (writer: Writer) => writer.syncDirectory(`${directory}/x`),
    ]) {
      const writer = disk.writer()
      await assert.rejects(call(writer), hasCode('ENOENT'))
      await writer.close()
    }
  })
}
