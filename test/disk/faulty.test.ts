import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import type { Fault, Operation, Rule } from '../../src/disk/faults.ts'
import { FaultyDisk } from '../../src/disk/faulty.ts'
import type { Disk } from '../../src/disk/port.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { append, hasCode, pattern, readAll } from '../support/disk-contract.ts'
import { ManualClock } from '../support/manual-clock.ts'

const written = { sync: false, zeros: 0 }

function make(rules: readonly Rule[], seed = 1) {
  const inner = new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes: 512 })
  const clock = new ManualClock()
  const made = { inner, next: inner, clock, crashes: 0 }
  const disk = new FaultyDisk(inner, {
    rules,
    clock,
    onCrash: () => {
      made.crashes++
      made.next = inner.powerCut()
    },
    onFailedSync: (file) => inner.failSync(file),
  })
  return { ...made, made, disk }
}

/** Lets everything happen that needs no time. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Replaces `/state` by a new version, as careful programs do. */
async function replace(disk: Disk, version: number): Promise<void> {
  const writer = disk.writer()
  try {
    if ((await disk.list('/')).includes('new')) {
      await writer.remove('/new')
      await writer.syncDirectory('/')
    }
    const file = await writer.create('/new')
    await append(writer, file, 0, new Uint8Array(1500).fill(version))
    await writer.release(file)
    await writer.rename('/new', '/state')
    await writer.syncDirectory('/')
  } finally {
    await writer.close()
  }
}

describe('faults by rule', () => {
  it('counts every operation', async () => {
    const { disk } = make([])
    await replace(disk, 1)
    await readAll(disk, '/state')
    assert.deepEqual(
      disk.history.map(({ operation }) => operation),
      [
        'list',
        'create',
        'write',
        'sync',
        'release',
        'rename',
        'syncDirectory',
        'open',
        'size',
        'read',
      ] satisfies Operation[],
    )
    assert.equal(disk.history[2]?.path, '/new')
  })

  it('fails a write and touches nothing afterwards', async () => {
    for (const [fault, code] of [
      ['eio', 'EIO'],
      ['enospc', 'ENOSPC'],
    ] as const) {
      const { disk, inner } = make([{ operation: 'write', at: 3, fault }])
      const writer = disk.writer()
      const file = await writer.create('/file')
      const order: string[] = []
      const tell = (name: string) => (error: NodeJS.ErrnoException | null) => {
        order.push(`${name} ${error?.code ?? 'ok'}`)
      }
      writer.append(file, 0, pattern(10, 1), written, tell('first'))
      writer.append(file, 10, pattern(10, 2), written, tell('second'))
      writer.append(file, 20, pattern(10, 3), written, tell('third'))
      writer.append(file, 30, pattern(10, 4), written, tell('fourth'))
      assert.deepEqual(order, [])
      await assert.rejects(writer.rename('/file', '/other'), hasCode('ECANCELED'))
      assert.deepEqual(order, ['first ok', 'second ok', `third ${code}`, 'fourth ECANCELED'])
      await writer.close()
      assert.deepEqual(inner.paths(), ['/file'])
      assert.equal(inner.bytesOf('/file').length, 20)
    }
  })

  it('writes half and then fails', async () => {
    const { disk, inner } = make([{ operation: 'write', at: 1, fault: 'short' }])
    const writer = disk.writer()
    const file = await writer.create('/file')
    await assert.rejects(append(writer, file, 0, pattern(10, 1)), hasCode('EIO'))
    assert.deepEqual(inner.bytesOf('/file'), pattern(10, 1).subarray(0, 5))
  })

  it('fails a sync, after which the data is there until the power fails', async () => {
    const { disk, inner } = make([{ operation: 'sync', at: 2, fault: 'eio' }])
    const writer = disk.writer()
    const file = await writer.create('/file')
    await writer.syncDirectory('/')
    await append(writer, file, 0, new Uint8Array(512).fill(1))
    await assert.rejects(append(writer, file, 0, new Uint8Array(512).fill(2)), hasCode('EIO'))
    await assert.rejects(append(writer, file, 0, new Uint8Array(0)), hasCode('ECANCELED'))
    assert.equal((await readAll(disk, '/file'))[0], 2)
    const second = disk.writer()
    await append(second, await second.open('/file'), 0, new Uint8Array(0))
    assert.equal(inner.powerCut().bytesOf('/file')[0], 1)
  })

  it('flips a bit of what is written, or of what is read', async () => {
    for (const operation of ['write', 'read'] as const) {
      const { disk, inner } = make([{ operation, at: 1, fault: 'bitflip' }])
      const writer = disk.writer()
      await append(writer, await writer.create('/file'), 0, pattern(9, 1))
      const found = await readAll(disk, '/file')
      const differing = [...found].filter((byte, i) => byte !== pattern(9, 1)[i])
      assert.equal(differing.length, 1)
      assert.equal(Buffer.from(inner.bytesOf('/file')).equals(pattern(9, 1)), operation === 'read')
    }
  })

  it('holds up what comes behind a slow operation of the same writer, and nothing else', async () => {
    const { disk, clock } = make([{ operation: 'sync', at: 1, fault: 'slow', sticky: true }])
    const writer = disk.writer()
    const file = await writer.create('/file')
    const order: string[] = []
    const first = append(writer, file, 0, pattern(10, 1)).then(() => order.push('slow'))
    const second = append(writer, file, 10, pattern(10, 1)).then(() => order.push('behind'))
    const third = writer.rename('/file', '/other').then(() => order.push('rename'))
    await disk.list('/')
    await settle()
    assert.deepEqual(order, [])
    clock.advance(1000)
    await settle()
    assert.deepEqual(order, ['slow'])
    clock.advance(1000)
    await Promise.all([first, second, third])
    assert.deepEqual(order, ['slow', 'behind', 'rename'])
  })

  it('keeps failing where it sticks, and only on matching paths', async () => {
    const { disk } = make([{ operation: 'open', at: 2, fault: 'eio', sticky: true, path: 'bad' }])
    const writer = disk.writer()
    await writer.create('/bad')
    await writer.create('/good')
    await disk.open('/bad')
    for (let i = 0; i < 3; i++) {
      await disk.open('/good')
      await assert.rejects(disk.open('/bad'), hasCode('EIO'))
    }
  })

  it('refuses faults that make no sense', () => {
    assert.throws(() => make([{ operation: 'rename', at: 1, fault: 'short' }]), TypeError)
    assert.throws(() => make([{ operation: 'sync', at: 1, fault: 'bitflip' }]), TypeError)
  })

  it('breaks the writer also when the wrapped disk fails by itself', async () => {
    const { disk, inner } = make([])
    inner.capacityBytes = 100
    const writer = disk.writer()
    const file = await writer.create('/file')
    const failing = assert.rejects(append(writer, file, 0, pattern(200, 1)), hasCode('ENOSPC'))
    const later = assert.rejects(writer.remove('/file'), hasCode('ECANCELED'))
    await Promise.all([failing, later])
    await assert.rejects(writer.remove('/file'), hasCode('ECANCELED'))
    assert.deepEqual(inner.paths(), ['/file'])
  })
})

describe('every operation of a careful replacement', () => {
  /** Which version is there when `fault` hits operation `at` of the second replacement. */
  async function version(at: number, fault: Fault, seed: number): Promise<number> {
    const probe = make([], seed)
    await replace(probe.disk, 1)
    const { disk, made } = make([{ operation: 'any', at: at + probe.disk.history.length, fault }], seed)
    await replace(disk, 1)
    let outcome: 'done' | 'failed' | 'silent' = 'silent'
    replace(disk, 2).then(
      () => {
        outcome = 'done'
      },
      () => {
        outcome = 'failed'
      },
    )
    await settle()
    const isCrash = fault.startsWith('crash')
    assert.equal(made.crashes, isCrash ? 1 : 0)
    assert.equal(outcome, isCrash ? 'silent' : 'failed')
    const disk2 = isCrash ? made.next : made.inner.powerCut()
    const found = disk2.bytesOf('/state')
    assert.equal(found.length, 1500)
    assert.ok(found.every((byte) => byte === found[0]))
    // What the fault left behind does not stand in the way of the next attempt.
    await replace(disk2, 3)
    assert.equal(disk2.powerCut().bytesOf('/state')[0], 3)
    return found[0] as number
  }

  for (const fault of ['eio', 'enospc', 'crash-before', 'crash-after'] as const) {
    it(`leaves the old or the new version: ${fault}`, async () => {
      // create, write, sync, release, rename, syncDirectory, behind the listing
      const seen = new Map<number, Set<number>>()
      for (let at = 1; at <= 7; at++) {
        const versions = new Set<number>()
        for (let seed = 1; seed <= 20; seed++) versions.add(await version(at, fault, seed))
        seen.set(at, versions)
      }
      for (let at = 1; at <= 5; at++) assert.deepEqual([...(seen.get(at) ?? [])], [1], `operation ${at}`)
      const last = [...(seen.get(7) ?? [])].sort()
      assert.deepEqual(last, fault === 'crash-after' ? [2] : [1, 2])
    })
  }
})
