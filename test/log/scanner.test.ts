import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SeededRandom } from '../../src/core/random.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { buildFrame, buildRecord } from '../../src/log/format.ts'
import { framesBehind, inspectTail, SegmentScanner } from '../../src/log/scanner.ts'

const epoch = 77

/** Frames with records of these sizes, back to back from byte 16 on. */
function laid(sizes: readonly number[], syncedUpTo: (sequence: number) => number = () => 0) {
  const frames = sizes.map((size, i) =>
    buildFrame([buildRecord(40, new Uint8Array(size).fill(i + 1))], {
      epoch,
      firstSequence: i,
      syncedUpTo: syncedUpTo(i),
    }),
  )
  let position = 16
  const positions = frames.map((frame) => {
    const at = position
    position += frame.length
    return at
  })
  return { bytes: Buffer.concat([Buffer.alloc(16), ...frames]), positions, end: position }
}

async function fileOf(bytes: Uint8Array) {
  const disk = new SimulatedDisk({ random: new SeededRandom(1), sectorBytes: 512 })
  disk.put('/file', bytes)
  return disk.open('/file')
}

async function scan(bytes: Uint8Array, chunkBytes: number, end = bytes.length) {
  const file = await fileOf(bytes)
  const scanner = new SegmentScanner(file, { epoch, sequence: 0, position: 16, end, chunkBytes })
  const found: { position: number; sequence: number }[] = []
  for (let frames = await scanner.next(); frames.length > 0; frames = await scanner.next())
    for (const frame of frames) found.push({ position: frame.position, sequence: frame.firstSequence })
  return { found, scanner }
}

describe('scanning', () => {
  it('finds every frame, wherever the chunks end', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 33, max: 900 }), async (lengths, chunkBytes) => {
        const { bytes, positions, end } = laid(lengths)
        const { found, scanner } = await scan(Buffer.concat([bytes, Buffer.alloc(200)]), chunkBytes)
        assert.deepEqual(
          found,
          positions.map((position, sequence) => ({ position, sequence })),
        )
        assert.equal(scanner.position, end)
        assert.equal(scanner.sequence, lengths.length)
      }),
      { numRuns: 60 },
    )
  })

  it('reads a frame much longer than a chunk', async () => {
    const { bytes, positions } = laid([10, 3_000_000, 10])
    const { found } = await scan(bytes, 4096)
    assert.deepEqual(
      found.map(({ position }) => position),
      positions,
    )
  })

  it('stops at the first byte that is no frame, at a gap in the sequences, and at the end it was given', async () => {
    const { bytes, positions } = laid([100, 100, 100])
    const damaged = Buffer.from(bytes)
    damaged[(positions[1] ?? 0) + 50] = 0
    assert.equal((await scan(damaged, 4096)).found.length, 1)
    const gap = Buffer.concat([bytes.subarray(0, positions[1]), bytes.subarray(positions[2])])
    assert.equal((await scan(gap, 4096)).found.length, 1)
    assert.equal((await scan(bytes, 4096, positions[2])).found.length, 2)
    assert.equal((await scan(bytes.subarray(0, bytes.length - 1), 4096)).found.length, 2)
  })
})

describe('the tail of a segment', () => {
  async function tailOf(bytes: Uint8Array, position: number, sequence: number) {
    return inspectTail(await fileOf(bytes), { epoch, sequence, position, end: bytes.length })
  }

  it('is nothing where nothing was begun, also on stale bytes of an earlier use', async () => {
    const { bytes, end } = laid([100, 100])
    const other = Buffer.from(
      buildFrame([buildRecord(40, new Uint8Array(50))], { epoch: 5, firstSequence: 2, syncedUpTo: 0 }),
    )
    for (const behind of [Buffer.alloc(0), Buffer.alloc(500), other, Buffer.alloc(400, 0xff)]) {
      const found = await tailOf(Buffer.concat([bytes, behind]), end, 2)
      assert.deepEqual(found, { vouched: false, laterFrames: 0, bytes: 0 })
    }
  })

  it('reaches to the end of what was begun', async () => {
    const { bytes, positions } = laid([100, 100, 200])
    const cut = Buffer.concat([bytes.subarray(0, bytes.length - 150), Buffer.alloc(150)])
    const from = positions[2] ?? 0
    assert.deepEqual(await tailOf(cut, from, 2), {
      vouched: false,
      laterFrames: 0,
      bytes: bytes.length - from,
    })
  })

  it('is vouched for by a later frame that knew it durable, and by no other', async () => {
    for (const [synced, vouched] of [
      [1, false],
      [2, true],
      [3, true],
    ] as const) {
      const { bytes, positions } = laid([100, 100, 100, 100], (sequence) => (sequence === 3 ? synced : 0))
      const damaged = Buffer.from(bytes)
      damaged[(positions[1] ?? 0) + 40] = 0xee
      const found = await tailOf(damaged, positions[1] ?? 0, 1)
      assert.deepEqual(found, { vouched, laterFrames: 2, bytes: bytes.length - (positions[1] ?? 0) })
    }
  })

  it('does not take a frame within a body for one of the log', async () => {
    const inner = buildFrame([], { epoch, firstSequence: 0, syncedUpTo: 0 })
    const carrier = buildFrame([buildRecord(40, inner)], { epoch, firstSequence: 1, syncedUpTo: 0 })
    const bytes = Buffer.concat([Buffer.alloc(16), carrier])
    bytes[20] = 0xff
    const found = await tailOf(bytes, 16, 1)
    assert.equal(found.laterFrames, 0)
  })

  it('is searched across the borders of what is read at once', async () => {
    const { bytes } = laid([20])
    const gap = Buffer.alloc(1024 * 1024 - 24)
    const frame = buildFrame([buildRecord(40, new Uint8Array(3_000_000))], {
      epoch,
      firstSequence: 5,
      syncedUpTo: 0,
    })
    const all = Buffer.concat([bytes, gap, frame])
    const found: number[] = []
    const from = { epoch, sequence: 1, position: bytes.length, end: all.length }
    for await (const { position } of framesBehind(await fileOf(all), from)) found.push(position)
    assert.deepEqual(found, [bytes.length + gap.length])
  })
})
