import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SimulatedDisk } from '../../src/disk/simulated.ts'
import { buildFrame, buildRecord, encodeSegmentHeader, RecordType } from '../../src/log/format.ts'
import { encodeTable, segmentName } from '../../src/log/segment.ts'
import { isDamaged, type VerifyReport, verifyDirectory } from '../../src/log/verify.ts'
import { directory, Model, messageRecord, openTestLog, simulatedDisk, TestHost, turns } from './support.ts'

const { recordTypes } = new TestHost()
const verify = (disk: SimulatedDisk): Promise<VerifyReport> =>
  verifyDirectory({ directory, disk, recordTypes })
const codes = (report: VerifyReport): string[] => report.problems.map(({ code }) => code)

async function closed(segments = 3) {
  const disk = simulatedDisk()
  const opened = await openTestLog(disk)
  const model = new Model()
  model.attach(opened)
  while (opened.log.segments.length < segments) {
    model.message(150)
    await opened.log.sync()
  }
  model.message(150)
  model.value(20)
  await opened.log.sync()
  await opened.log.close()
  return { disk, model, log: opened.log, messages: opened.host.next }
}

describe('verify', () => {
  it('reads everything, finds nothing, and changes nothing', async () => {
    const { disk, messages } = await closed()
    const before = new Map(disk.paths().map((path) => [path, disk.bytesOf(path)]))
    const report = await verify(disk)
    assert.deepEqual(report.problems, [])
    assert.equal(report.segments, 3)
    assert.equal(report.messages, messages)
    assert.ok(report.records > messages && report.frames > 3 && report.bytes > messages * 150)
    assert.deepEqual(disk.paths().sort(), [...before.keys()].sort())
    for (const [path, bytes] of before) assert.deepEqual(disk.bytesOf(path), bytes)
    assert.equal(isDamaged(report), false)
  })

  it('gives the lock back', async () => {
    const { disk } = await closed()
    await verify(disk)
    await (await openTestLog(disk)).log.close()
  })

  it('names every damage, also behind the first, and counts what is intact', async () => {
    const { disk, log, messages } = await closed()
    const [first, , third] = log.segments
    assert.ok(first && third)
    for (const [segment, share] of [
      [first, 0.3],
      [first, 0.8],
      [third, 0.7],
    ] as const)
      disk.flipBit(segment.path, Math.floor(segment.endPosition * share) * 8)
    const report = await verify(disk)
    assert.deepEqual(codes(report), ['corrupt', 'corrupt', 'corrupt'])
    assert.deepEqual(
      report.problems.map(({ segment }) => `${directory}/${segment}`).sort(),
      [first.path, first.path, third.path].sort(),
    )
    const positions = report.problems.map(({ position }) => position)
    assert.ok(positions.every((position) => position >= 128 && position % 8 === 0))
    assert.ok(report.messages >= messages - 3 && report.messages < messages)
  })

  it('tells a tail that was cut from damage, and remembers the ones that were', async () => {
    const disk = simulatedDisk()
    const { log } = await openTestLog(disk)
    log.append([messageRecord(0, Buffer.alloc(300))], false)
    await log.sync()
    const after = disk.kill()
    const { path, endPosition } = log.current
    after.put(path, after.bytesOf(path).slice(0, endPosition - 50))
    const torn = await verify(after)
    assert.deepEqual(codes(torn), ['tail_cut'])
    assert.equal(isDamaged(torn), true)
    const opened = await openTestLog(after)
    await opened.log.close()
    const kept = await verify(after)
    assert.deepEqual(codes(kept), ['tail_cut'])
    assert.match(kept.problems[0]?.segment ?? '', /^tails\//)
  })

  it('misses a segment that is not there, and names leftovers without calling them damage', async () => {
    const { disk, log } = await closed()
    const [, second] = log.segments
    assert.ok(second)
    const bytes = disk.bytesOf(second.path)
    disk.remove(second.path)
    assert.deepEqual(codes(await verify(disk)), ['missing'])
    disk.put(second.path, bytes)
    disk.put(`${directory}/log/${segmentName(0, 5)}`, bytes)
    disk.put(`${directory}/log/notes.txt`, bytes)
    disk.put(`${directory}/log/spare-1-1.tmp`, bytes)
    const report = await verify(disk)
    assert.deepEqual(codes(report), ['leftover', 'leftover'])
    assert.equal(isDamaged(report), false)
  })

  it('says what it does not understand', async () => {
    const { disk } = await closed()
    const foreign = `${directory}/log/${segmentName(900, 1)}`
    disk.put(foreign, Buffer.alloc(400, 'not ours'))
    const report = await verify(disk)
    assert.equal(report.problems[0]?.code, 'foreign')
    assert.ok(codes(report).includes('corrupt'), 'and that the other segments cannot be judged')
    disk.remove(foreign)
    const opened = await openTestLog(disk)
    opened.log.append([buildRecord(0x70, Buffer.alloc(4)), buildRecord(0xf0, Buffer.alloc(4))], false)
    await opened.log.close()
    const newer = await verify(disk)
    assert.deepEqual(codes(newer), ['newer_format'])
    assert.match(newer.problems[0]?.message ?? '', /type 112/)
    assert.deepEqual(
      (await verifyDirectory({ directory, disk })).problems,
      [],
      'without the types, all are taken for known',
    )
  })

  it('finds what a writer did wrong under a good checksum', async () => {
    const disk = simulatedDisk()
    await (await openTestLog(disk)).log.close()
    const owner = JSON.parse(Buffer.from(disk.bytesOf(`${directory}/OWNER`)).toString()) as { log: string }
    const fields = { number: 50, fence: 9, epoch: 5, baseSequence: 100 }
    const frames: Uint8Array[] = []
    let sequence = 100
    const add = (...records: Uint8Array[]) => {
      frames.push(buildFrame(records, { epoch: 5, firstSequence: sequence, syncedUpTo: sequence }))
      sequence += records.length
    }
    const headersBroken = messageRecord(3, Buffer.from('abc'))
    add(
      buildRecord(RecordType.segments, encodeTable([])),
      buildRecord(RecordType.snapshotEnd, new Uint8Array(0)),
    )
    add(messageRecord(1, Buffer.from('one')), messageRecord(1, Buffer.from('one again')))
    headersBroken.writeUInt32LE(2, 56)
    headersBroken.writeUInt32LE(1, 60)
    add(headersBroken)
    const header = encodeSegmentHeader({ ...fields, logId: Buffer.from(owner.log, 'hex'), createdAtMs: 0 })
    disk.put(`${directory}/log/${segmentName(50, 9)}`, Buffer.concat([header, ...frames]))
    const report = await verify(disk)
    const told = report.problems.filter(({ code }) => code === 'corrupt').map(({ message }) => message)
    assert.equal(told.length, 2, JSON.stringify(report.problems))
    assert.match(told[0] ?? '', /offset 1 of a partition behind/)
    assert.match(told[1] ?? '', /headers/)
  })

  it('compares the indexes with what it read', async () => {
    const { disk, log } = await closed()
    const [first] = log.segments
    assert.ok(first)
    // A footer that is intact and wrong: the number of messages in it, with a new checksum.
    const bytes = Buffer.from(disk.bytesOf(first.path))
    const at = first.footerPosition
    const payload = Buffer.from(bytes.subarray(at + 32 + 16, first.endPosition))
    payload.writeUInt32LE(payload.readUInt32LE(24 + 24) + 1, 24 + 24)
    const length = bytes.readUInt32LE(at + 32)
    const frame = buildFrame([buildRecord(RecordType.footer, payload.subarray(0, length - 16))], {
      epoch: first.epoch,
      firstSequence: first.endSequence - 1,
      syncedUpTo: Number(bytes.readBigUInt64LE(at + 24)),
    })
    bytes.set(frame, at)
    disk.put(first.path, bytes)
    const report = await verify(disk)
    assert.deepEqual(codes(report), ['corrupt'])
    assert.match(report.problems[0]?.message ?? '', /the index of segment/)
  })

  it('is kept out by an owner, and by the lack of a store', async () => {
    const disk = simulatedDisk()
    await assert.rejects(verify(disk), { code: 'directory_missing' })
    await openTestLog(disk)
    await assert.rejects(verify(disk), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'directory_in_use')
      assert.match(error.message, new RegExp(`process ${process.pid}\\b`))
      return true
    })
  })

  it('is content with the snapshot before, where the newest is not complete', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 512 * 1024 })
    const model = new Model()
    model.attach(opened)
    for (let i = 0; i < 6; i++) model.value(60_000)
    while (opened.log.segments.length < 2) {
      model.message(60_000)
      await opened.log.sync()
    }
    await turns()
    const report = await verify(disk.kill())
    assert.equal(isDamaged(report), false, JSON.stringify(report.problems))
  })
})
