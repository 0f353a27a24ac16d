import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FaultyDisk } from '../../src/disk/faulty.ts'
import { decodeFrame, forEachRecord, RecordType, segmentHeaderBytes } from '../../src/log/format.ts'
import type { Segment } from '../../src/log/segment.ts'
import {
  AppRecord,
  cloneDisk,
  Model,
  openTestLog,
  readMessages,
  simulatedDisk,
  turns,
  valueRecord,
} from './support.ts'

/** Frames that lie in a segment's file, as types of their records. */
function framesOf(
  disk: ReturnType<typeof simulatedDisk>,
  segment: Segment,
): { count: number; syncedUpTo: number; types: number[] }[] {
  const bytes = Buffer.from(disk.bytesOf(segment.path))
  const frames: { count: number; syncedUpTo: number; types: number[] }[] = []
  for (let at = segmentHeaderBytes; ; ) {
    const frame = decodeFrame(bytes, at, at, {
      epoch: segment.epoch,
      sequence: null,
      limit: bytes.length - at,
    })
    if (frame === null || 'need' in frame) return frames
    const types: number[] = []
    forEachRecord(frame.bytes, (_at, _length, type) => types.push(type))
    frames.push({ count: frame.count, syncedUpTo: frame.syncedUpTo, types })
    at += frame.bytes.length
  }
}

async function passTime(clock: { advance(ms: number): void }, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed++) {
    clock.advance(1)
    await turns(2)
  }
}

describe('a running log', () => {
  it('acknowledges behind a sync, and puts what comes together into one group', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 1024 * 1024 })
    const model = new Model()
    model.attach(opened)
    const before = disk.counts.syncs
    for (let i = 0; i < 50; i++) model.message()
    assert.equal(model.acknowledged, 0)
    await Promise.all([opened.log.sync(), opened.log.sync(), opened.log.sync()])
    assert.equal(model.acknowledged, 50)
    assert.ok(disk.counts.syncs - before <= 2, `${disk.counts.syncs - before} syncs for one group`)
    assert.equal((await readMessages(opened.log)).size, 50)
    await opened.log.close()
  })

  it('says within 5 ms of idleness what was durable, and makes that durable within 50', async () => {
    const disk = simulatedDisk()
    const { log, clock, host } = await openTestLog(disk, { segmentBytes: 1024 * 1024 })
    const model = new Model()
    model.attach({ log, host })
    await passTime(clock, 200)
    const idle = framesOf(disk, log.current)
    await passTime(clock, 200)
    assert.equal(framesOf(disk, log.current).length, idle.length, 'an idle log writes nothing')
    model.message()
    await log.sync()
    const last = framesOf(disk, log.current).at(-1)
    assert.equal(last?.count, 1)
    await passTime(clock, 5)
    const vouch = framesOf(disk, log.current).at(-1)
    assert.equal(vouch?.count, 0)
    assert.equal(vouch?.syncedUpTo, log.current.endSequence)
    const syncs = disk.counts.syncs
    await passTime(clock, 50)
    assert.equal(disk.counts.syncs, syncs + 1, 'the vouch is synced once')
    await passTime(clock, 200)
    assert.equal(disk.counts.syncs, syncs + 1)
    // A power cut leaves no doubt about the message, then.
    const after = disk.powerCut()
    const bytes = after.bytesOf(log.current.path)
    const found = Buffer.from(bytes).indexOf(Buffer.from('k0'))
    after.flipBit(log.current.path, found * 8)
    await assert.rejects(openTestLog(after), { code: 'corrupt' })
  })

  it('writes what nobody waits for within 5 ms and syncs it within 50', async () => {
    const disk = simulatedDisk()
    const { log, clock, host } = await openTestLog(disk, { segmentBytes: 1024 * 1024 })
    await passTime(clock, 100)
    const before = framesOf(disk, log.current).length
    log.append([valueRecord(0, Buffer.from('lazy'))], true)
    const { ticket } = log
    await passTime(clock, 5)
    assert.deepEqual(framesOf(disk, log.current).slice(before)[0]?.types, [AppRecord.value])
    assert.ok(host.syncedTicket < ticket, 'written is not durable')
    await passTime(clock, 45)
    assert.ok(host.syncedTicket >= ticket)
  })

  it('closes with a record that says so, and a vouch', async () => {
    const disk = simulatedDisk()
    const { log } = await openTestLog(disk)
    log.append([valueRecord(0, Buffer.from('last'))], true)
    const { current } = log
    await log.close()
    const frames = framesOf(disk, current)
    assert.deepEqual(frames.at(-2)?.types.at(-1), RecordType.closed)
    assert.equal(frames.at(-1)?.count, 0)
    await log.close()
  })

  for (const segmentBytes of [1024 * 1024, 1024]) {
    it(`takes nothing more behind that record, whatever is gathered (segments of ${segmentBytes} bytes)`, async () => {
      const disk = simulatedDisk()
      const { log, host } = await openTestLog(disk, { segmentBytes })
      let gathered = 0
      let appended = 0
      // Somebody settles something all the time.
      host.onCollect = () => {
        gathered++
        const number = host.values.size
        host.values.set(number, Buffer.from('late'))
        if (log.append([valueRecord(number, Buffer.from('late'))], true)) appended = gathered
        else host.values.delete(number)
      }
      await log.sync()
      host.onSynced = () => void log.append([valueRecord(0, Buffer.from('more'))], true)
      await log.close()
      await assert.rejects(log.sync(), { code: 'closed' })
      const frames = framesOf(disk, log.current)
      assert.equal(frames.at(-2)?.types.at(-1), RecordType.closed)
      assert.equal(frames.at(-1)?.count, 0)
      assert.equal(gathered, appended, 'nothing is gathered that has no place any more')
      const again = await openTestLog(cloneDisk(disk), { segmentBytes })
      assert.equal(again.recovered.clean, true)
      assert.equal(again.host.values.size, host.values.size, 'what was gathered before is there')
      await again.log.close()
    })
  }

  it('keeps a batch in one frame, whatever its size', async () => {
    const disk = simulatedDisk()
    const { log } = await openTestLog(disk, { segmentBytes: 1024 * 1024 })
    for (const bytes of [10, 60_000, 70_000, 300_000]) {
      log.append([valueRecord(1, Buffer.alloc(bytes, 1)), valueRecord(2, Buffer.alloc(9, 2))], false)
      await log.sync()
      const { types } = framesOf(disk, log.current).at(-1) ?? { types: [] }
      assert.deepEqual(types.slice(-2), [AppRecord.value, AppRecord.value])
    }
    assert.throws(() => log.open(24 * 1024 * 1024), RangeError)
    await log.close()
  })
})

describe('rotation', () => {
  it('seals with a footer, and begins with a table and a snapshot that is complete before the next', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 2048 })
    const model = new Model()
    model.attach(opened)
    const { log } = opened
    for (let i = 0; log.segments.length < 6; i++) {
      model.message(100)
      if (i % 6 === 0) model.value(60)
      await log.sync()
    }
    const sealed = log.segments.slice(0, -1)
    for (const segment of sealed) {
      const types = framesOf(disk, segment).flatMap((frame) => frame.types)
      assert.equal(types[0], RecordType.segments)
      assert.equal(types.at(-1), RecordType.footer)
      assert.equal(
        types.filter((type) => type === RecordType.snapshotEnd).length,
        1,
        'its own snapshot, whole',
      )
    }
    for (const [i, segment] of sealed.entries())
      assert.equal(
        segment.endSequence,
        log.segments[i + 1]?.baseSequence,
        'sequences are dense over segments',
      )
    await log.close()
  })

  it('spreads a big snapshot over groups, and does not hold up what is sent meanwhile', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 1024 * 1024 })
    const model = new Model()
    model.attach(opened)
    for (let i = 0; i < 8; i++) model.value(50_000)
    const { log } = opened
    while (log.segments.length < 2) {
      model.message(60_000)
      await log.sync()
    }
    for (let i = 0; i < 10; i++) {
      model.message(100)
      await log.sync()
    }
    const types = framesOf(disk, log.current).flatMap((frame) => frame.types)
    const end = types.indexOf(RecordType.snapshotEnd)
    const messagesBefore = types.slice(0, end).filter((type) => type === RecordType.message).length
    assert.ok(end > 0 && messagesBefore >= 3, `${messagesBefore} messages between the parts of the snapshot`)
    await log.close()
  })

  it('keeps a snapshot bigger than a segment from filling the disk', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 2048 })
    const model = new Model()
    model.attach(opened)
    for (let i = 0; i < 40; i++) model.value(200)
    await opened.log.sync()
    const before = disk.counts.bytesWritten
    for (let i = 0; i < 100; i++) {
      model.message(60)
      await opened.log.sync()
    }
    const written = disk.counts.bytesWritten - before
    assert.ok(written < 10 * 100 * 300, `${written} bytes written for 100 small messages`)
    await opened.log.close()
    await model.check(await openTestLog(cloneDisk(disk)))
  })

  it('lists a segment until the record that gives it up is durable', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 2048 })
    const model = new Model()
    model.attach(opened)
    const { log, host } = opened
    while (log.segments.length < 4) {
      model.message(200)
      await log.sync()
    }
    // Its snapshot is complete with this.
    model.value(20)
    await log.sync()
    // Handled, given up, and the segment filled, all in one group; the power fails when the next segment has its name.
    model.message(3000)
    model.floor(host.next)
    assert.ok(model.releaseFree() > 0)
    const { number } = log.current
    const rotated = new Promise<ReturnType<typeof disk.powerCut>>((resolve) => {
      const { snapshot } = host
      host.snapshot = () => {
        resolve(disk.powerCut())
        return snapshot.call(host)
      }
    })
    void log.sync()
    const after = await rotated
    assert.equal(log.current.number, number + 1)
    await model.check(await openTestLog(after))
  })
})

describe('a failure', () => {
  const operations = [
    'write',
    'sync',
    'create',
    'rename',
    'syncDirectory',
    'openForWriting',
    'release',
  ] as const

  for (const operation of operations) {
    it(`of the first ${operation} ends the log: everybody is told, and the disk is left alone`, async () => {
      const probe = new FaultyDisk(simulatedDisk())
      await (await openTestLog(probe)).log.close()
      const opening = probe.history.filter((call) => call.operation === operation).length
      const disk = new FaultyDisk(simulatedDisk(), { rules: [{ operation, at: opening + 1, fault: 'eio' }] })
      const opened = await openTestLog(disk, { segmentBytes: 2048 })
      const { log, host, clock } = opened
      const model = new Model()
      model.attach(opened)
      const outcomes: Promise<unknown>[] = []
      for (let i = 1; i < 100 && log.error === null; i++) {
        model.message(200)
        const told = log.sync().catch((error: unknown) => error)
        outcomes.push(told)
        await told
        if (i % 12 === 0 && log.error === null) {
          model.floor(host.next)
          model.releaseFree()
        }
      }
      await turns()
      assert.equal(host.failures.length, 1, 'the host hears of it once')
      assert.equal(log.error?.code, 'log_failed')
      assert.equal(log.error?.outcome, 'unknown')
      for (const outcome of await Promise.all(outcomes))
        assert.ok(outcome === undefined || outcome === log.error)
      assert.throws(() => log.append([valueRecord(0, Buffer.alloc(1))], false), { code: 'log_failed' })
      await assert.rejects(log.sync(), { code: 'log_failed' })
      const calls = disk.history.length
      clock.advance(10_000)
      await turns()
      await log.close()
      assert.equal(disk.history.length, calls, 'no call follows')
    })
  }
})
