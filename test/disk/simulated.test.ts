import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SeededRandom } from '../../src/core/random.ts'
import type { WritableFile, Writer } from '../../src/disk/port.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { append, hasCode, pattern, readAll } from '../support/disk-contract.ts'
import { ManualClock } from '../support/manual-clock.ts'

const written = { sync: false, zeros: 0 }

function makeDisk(seed: number, sectorBytes: 512 | 4096 = 512): SimulatedDisk {
  return new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes })
}

/** A disk with the durable file `/file`. */
async function withFile(seed: number, content: Uint8Array, sectorBytes: 512 | 4096 = 512) {
  const disk = makeDisk(seed, sectorBytes)
  const writer = disk.writer()
  const file = await writer.create('/file')
  await append(writer, file, 0, content)
  await writer.syncDirectory('/')
  return { disk, writer, file }
}

/** Outcomes of a scenario over many seeds, each with how often it came. */
async function outcomes(seeds: number, run: (seed: number) => Promise<string>): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = await run(seed)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  return counts
}

describe('content at a power cut', () => {
  it('keeps what was synced, and any sector of the rest in its old or its new version', async () => {
    const edit = fc.record({
      position: fc.nat(6000),
      length: fc.integer({ min: 1, max: 3000 }),
      fill: fc.integer({ min: 1, max: 255 }),
      sync: fc.boolean(),
    })
    const property = fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(512 as const, 4096 as const),
      fc.array(edit, { minLength: 1, maxLength: 12 }),
      async (seed, sectorBytes, edits) => {
        const { disk, writer, file } = await withFile(seed, new Uint8Array(0), sectorBytes)
        // All versions a sector had since the last sync, the synced one first.
        let content = new Uint8Array(12_288)
        let size = 0
        let syncedSize = 0
        let versions = [content.slice()]
        for (const { position, length, fill, sync } of edits) {
          await append(writer, file, position, new Uint8Array(length).fill(fill), { sync, zeros: 0 })
          content = content.slice().fill(fill, position, position + length)
          size = Math.max(size, position + length)
          versions.push(content)
          if (sync) [versions, syncedSize] = [[content], size]
        }
        const found = disk.powerCut().bytesOf('/file')
        assert.ok(found.length >= syncedSize && found.length <= size)
        for (let start = 0; start < found.length; start += sectorBytes) {
          const end = Math.min(start + sectorBytes, found.length)
          const sector = Buffer.from(found.subarray(start, end))
          assert.ok(
            versions.some((version) => sector.equals(version.subarray(start, end))),
            `the sector at ${start} is none of its versions`,
          )
        }
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })

  it('loses and keeps unsynced sectors one by one', async () => {
    const seen = await outcomes(200, async (seed) => {
      const { disk, writer, file } = await withFile(seed, new Uint8Array(2048).fill(1))
      await append(writer, file, 0, new Uint8Array(1536).fill(2), written)
      const found = disk.powerCut().bytesOf('/file')
      return [0, 512, 1024, 1536].map((at) => found[at]).join('')
    })
    assert.deepEqual([...seen.keys()].sort(), [
      '1111',
      '1121',
      '1211',
      '1221',
      '2111',
      '2121',
      '2211',
      '2221',
    ])
  })

  it('may find a version between the synced and the last one', async () => {
    const seen = await outcomes(100, async (seed) => {
      const { disk, writer, file } = await withFile(seed, new Uint8Array(512).fill(1))
      await append(writer, file, 0, new Uint8Array(512).fill(2), written)
      await append(writer, file, 0, new Uint8Array(512).fill(3), written)
      return String(disk.powerCut().bytesOf('/file')[0])
    })
    assert.deepEqual([...seen.keys()].sort(), ['1', '2', '3'])
  })
})

describe('special sectors at a power cut', () => {
  it('never harms synced bytes that are written again as they were', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { disk, writer, file } = await withFile(seed, pattern(700, seed), 4096)
      const more = new Uint8Array(900).fill(9)
      more.set(pattern(700, seed))
      await append(writer, file, 0, more, { sync: false, zeros: 3000 })
      const found = disk.powerCut().bytesOf('/file')
      assert.deepEqual(found.subarray(0, 700), pattern(700, seed))
    }
  })

  it('reads zeros in gaps behind the end, also where lost bytes were', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { disk, writer, file } = await withFile(seed, new Uint8Array(5001).fill(1))
      await append(writer, file, 4990, Uint8Array.of(1), written)
      await append(writer, file, 5001, new Uint8Array(90).fill(2), written)
      const next = disk.powerCut()
      const found = next.bytesOf('/file')
      const tail = found.subarray(5001)
      assert.ok(tail.every((byte) => byte === 2) || tail.every((byte) => byte === 0))
      const second = next.writer()
      await append(second, await second.open('/file'), 6000, Uint8Array.of(3))
      const gap = next.bytesOf('/file').subarray(found.length, 6000)
      assert.ok(gap.every((byte) => byte === 0))
    }
  })

  it('shows stale bytes of removed files where an unsynced extension was lost', async () => {
    const seen = await outcomes(300, async (seed) => {
      const { disk, writer } = await withFile(seed, new Uint8Array(4096).fill(7))
      await writer.remove('/file')
      await writer.syncDirectory('/')
      const file = await writer.create('/new')
      await writer.syncDirectory('/')
      await append(writer, file, 0, new Uint8Array(512).fill(1), written)
      const found = disk.powerCut().bytesOf('/new')
      return found.length === 0 ? 'empty' : String(found[0])
    })
    assert.deepEqual([...seen.keys()].sort(), ['0', '1', '7', 'empty'])
  })

  it('may have done what it did not answer, with or without its sync', async () => {
    const seen = await outcomes(200, async (seed) => {
      const { disk, writer, file } = await withFile(seed, new Uint8Array(1024))
      const never = () => assert.fail('a dead disk answered')
      writer.append(file, 0, new Uint8Array(512).fill(1), { sync: true, zeros: 0 }, never)
      writer.append(file, 512, new Uint8Array(512).fill(1), { sync: true, zeros: 0 }, never)
      const found = disk.powerCut().bytesOf('/file')
      return `${found[0]}${found[512]}`
    })
    assert.deepEqual([...seen.keys()].sort(), ['00', '01', '10', '11'])
  })

  it('takes what a failed sync left behind, whatever was synced later', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { disk, writer, file } = await withFile(seed, new Uint8Array(1024).fill(1))
      await append(writer, file, 0, new Uint8Array(1024).fill(2), written)
      disk.failSync(file)
      await append(writer, file, 512, new Uint8Array(512).fill(3))
      assert.equal(disk.bytesOf('/file')[0], 2)
      const found = disk.powerCut().bytesOf('/file')
      assert.deepEqual([found[0], found[512]], [1, 3])
    }
  })
})

describe('names at a power cut', () => {
  const change = fc.oneof(
    fc.record({ type: fc.constant('create' as const), name: fc.nat(3) }),
    fc.record({ type: fc.constant('remove' as const), name: fc.nat(3) }),
    fc.record({ type: fc.constant('rename' as const), name: fc.nat(3), to: fc.nat(3) }),
    fc.record({ type: fc.constant('sync' as const) }),
  )

  it('keeps what the directory sync covered, and some order of the rest', async () => {
    const property = fc.asyncProperty(
      fc.nat(),
      fc.array(change, { maxLength: 14 }),
      async (seed, changes) => {
        const disk = makeDisk(seed)
        const writer = disk.writer()
        const now = new Map<string, number>()
        let durable = new Map<string, number>()
        /** Every content that a name had since the last sync. */
        let possible = new Map<string, Set<number | undefined>>()
        const note = (name: string): void => {
          const all = possible.get(name) ?? new Set([durable.get(name)])
          possible.set(name, all.add(now.get(name)))
        }
        let content = 0
        for (const step of changes) {
          if (step.type === 'sync') {
            await writer.syncDirectory('/')
            durable = new Map(now)
            possible = new Map()
            continue
          }
          const name = `/${step.name}`
          if (step.type === 'create' && !now.has(name)) {
            await append(writer, await writer.create(name), 0, Uint8Array.of(++content))
            now.set(name, content)
          } else if (step.type === 'remove' && now.has(name)) {
            await writer.remove(name)
            now.delete(name)
          } else if (step.type === 'rename' && now.has(name) && step.to !== step.name) {
            await writer.rename(name, `/${step.to}`)
            now.set(`/${step.to}`, now.get(name) as number)
            now.delete(name)
            note(`/${step.to}`)
          }
          note(name)
        }
        const after = disk.powerCut()
        const contents = new Map(after.paths().map((path) => [path, after.bytesOf(path)[0]]))
        for (const name of ['/0', '/1', '/2', '/3']) {
          const allowed = possible.get(name) ?? new Set([durable.get(name)])
          assert.ok(allowed.has(contents.get(name)), `${name} holds ${contents.get(name)}`)
        }
        // Nothing has two names, as a rename happens whole.
        assert.equal(new Set(contents.values()).size, contents.size)
      },
    )
    await fc.assert(property, { numRuns: 500 })
  })

  it('replaces by rename whole or not at all', async () => {
    const seen = await outcomes(60, async (seed) => {
      const { disk, writer } = await withFile(seed, Uint8Array.of(1))
      await append(writer, await writer.create('/new'), 0, Uint8Array.of(2))
      await writer.syncDirectory('/')
      await writer.rename('/new', '/file')
      const after = disk.powerCut()
      return `${after.bytesOf('/file')[0]} ${after.paths().sort().join()}`
    })
    assert.deepEqual([...seen.keys()].sort(), ['1 /file,/new', '2 /file'])
  })

  it('brings a removed file back, and loses a created one, until the directory is synced', async () => {
    const seen = await outcomes(60, async (seed) => {
      const { disk, writer } = await withFile(seed, Uint8Array.of(1))
      await writer.remove('/file')
      await append(writer, await writer.create('/new'), 0, Uint8Array.of(2))
      return disk.powerCut().paths().sort().join()
    })
    assert.deepEqual([...seen.keys()].sort(), ['', '/file', '/file,/new', '/new'])
  })

  it('makes a rename durable by the directory it went to', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const disk = makeDisk(seed)
      await disk.createDirectory('/aside')
      const writer = disk.writer()
      await append(writer, await writer.create('/file'), 0, Uint8Array.of(1))
      await writer.rename('/file', '/aside/file')
      await writer.syncDirectory('/aside')
      assert.deepEqual(disk.powerCut().paths(), ['/aside/file'])
    }
  })
})

describe('the end of a process', () => {
  it('keeps all that was written when only the process dies', async () => {
    const { disk, writer, file } = await withFile(3, pattern(100, 1))
    await append(writer, file, 100, pattern(100, 2), written)
    await writer.create('/new')
    const next = disk.kill()
    assert.equal(next.bytesOf('/file').length, 200)
    assert.deepEqual(next.paths().sort(), ['/file', '/new'])
    const lengths = new Set<number>()
    for (let seed = 1; seed < 40; seed++) {
      const again = await withFile(seed, pattern(100, 1))
      await append(again.writer, again.file, 100, pattern(100, 2), written)
      lengths.add(again.disk.kill().powerCut().bytesOf('/file').length)
    }
    assert.ok(lengths.size > 2, 'what was not synced is not safe from a power cut after the kill')
  })

  it('leaves a disk that never answers, and frees its locks', async () => {
    const { disk, writer, file } = await withFile(5, pattern(100, 1))
    await disk.lock('/')
    const reader = await disk.open('/file')
    const silent = (): never => assert.fail('a dead disk answered')
    const calls = (): void => {
      writer.append(file, 0, pattern(1, 1), written, silent)
      for (const call of [
        writer.create('/a'),
        writer.syncDirectory('/'),
        writer.close(),
        disk.list('/'),
        disk.open('/file'),
        disk.createDirectory('/b'),
        disk.lock('/c'),
        reader.read(0, 1),
        reader.size(),
        reader.close(),
      ]) {
        call.then(silent, silent)
      }
    }
    calls()
    const next = disk.kill()
    const before = next.paths()
    calls()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(next.paths(), before)
    await (await next.lock('/')).release()
    assert.throws(() => disk.powerCut(), /dead/)
  })

  it('repeats a run with the same seed', async () => {
    const run = async (): Promise<string> => {
      const { disk, writer, file } = await withFile(11, pattern(5000, 1))
      for (let i = 0; i < 50; i++) await append(writer, file, i * 300, pattern(700, i), written)
      return Buffer.from(disk.powerCut().bytesOf('/file')).toString('hex')
    }
    assert.equal(await run(), await run())
  })
})

describe('limits and damage', () => {
  it('writes what fits and then fails when the disk is full', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1), sectorBytes: 512, capacityBytes: 1000 })
    const writer = disk.writer()
    const file = await writer.create('/file')
    await append(writer, file, 0, pattern(900, 1))
    assert.equal(disk.freeBytes('/'), 100)
    await append(writer, file, 0, pattern(900, 2))
    await assert.rejects(
      append(writer, file, 900, pattern(150, 1), { sync: true, zeros: 50 }),
      hasCode('ENOSPC'),
    )
    assert.equal(disk.bytesOf('/file').length, 1000)
    await assert.rejects(append(writer, file, 0, pattern(1, 1)), hasCode('ECANCELED'))
  })

  it('takes the time of a sync from the clock', async () => {
    const clock = new ManualClock()
    const disk = new SimulatedDisk({ random: new SeededRandom(1), sectorBytes: 512, clock, latencyMs: 10 })
    const writer = disk.writer()
    const file = await writer.create('/file')
    let isDone = false
    const done = append(writer, file, 0, pattern(10, 1)).then(() => {
      isDone = true
    })
    await readAll(disk, '/file')
    assert.equal(isDone, false)
    clock.advance(10)
    await done
    await append(writer, file, 10, pattern(10, 1), written)
  })

  it('counts, and can be damaged by hand', async () => {
    const { disk } = await withFile(1, pattern(100, 1))
    await readAll(disk, '/file')
    assert.deepEqual(disk.counts, {
      reads: 1,
      bytesRead: 100,
      writes: 1,
      bytesWritten: 100,
      syncs: 1,
      directorySyncs: 1,
    })
    disk.flipBit('/file', 8 * 50 + 3)
    const expected = pattern(100, 1)
    expected[50] = (expected[50] as number) ^ 8
    assert.deepEqual(disk.bytesOf('/file'), expected)
    disk.put('/other/file', pattern(10, 2))
    disk.remove('/file')
    const after = disk.powerCut()
    assert.deepEqual(after.paths(), ['/other/file'])
    assert.deepEqual(after.bytesOf('/other/file'), pattern(10, 2))
    assert.deepEqual(await after.list('/'), ['other'])
  })
})

describe('several writers', () => {
  it('are broken one by one', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const disk = makeDisk(seed)
      const writers: Writer[] = [disk.writer(), disk.writer()]
      const [first, second] = writers as [Writer, Writer]
      const own = await first.create('/own')
      await assert.rejects(first.open('/none'), hasCode('ENOENT'))
      const file: WritableFile = await second.create('/file')
      await append(second, file, 0, pattern(1, 1))
      // Not even what was under way when the process died.
      first.append(own, 0, pattern(1, 1), written, () => undefined)
      const next = disk.kill()
      assert.equal(next.bytesOf('/own').length, 0)
      assert.equal(next.bytesOf('/file').length, 1)
    }
  })
})
