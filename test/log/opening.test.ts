import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import type { SimulatedDisk } from '../../src/disk/simulated.ts'
import { lockDirectory } from '../../src/log/directory.ts'
import { buildRecord, encodeSegmentHeader, segmentHeaderBytes } from '../../src/log/format.ts'
import { segmentName } from '../../src/log/segment.ts'
import { verifyDirectory } from '../../src/log/verify.ts'
import { ManualClock } from '../support/manual-clock.ts'
import {
  cloneDisk,
  directory,
  Model,
  type OpenedLog,
  openTestLog,
  readMessages,
  simulatedDisk,
  turns,
  valueRecord,
} from './support.ts'

const logDirectory = `${directory}/log`

interface Made extends OpenedLog {
  readonly disk: SimulatedDisk
  readonly model: Model
}

/** A log of so many segments, each message durable by itself. */
async function made(segments: number, messageBytes = 150): Promise<Made> {
  const disk = simulatedDisk()
  const opened = await openTestLog(disk, { segmentBytes: 4096 })
  const model = new Model()
  model.attach(opened)
  while (opened.log.segments.length < segments) {
    model.message(messageBytes)
    await opened.log.sync()
  }
  model.message(messageBytes)
  model.value(20)
  await opened.log.sync()
  return { ...opened, disk, model }
}

const later = () => new ManualClock(1_800_000_000_000)

function names(disk: SimulatedDisk): string[] {
  const inLog = disk.paths().filter((path) => path.startsWith(`${logDirectory}/`))
  return inLog.map((path) => path.slice(logDirectory.length + 1)).sort()
}

/** The same disk, on which another owner's file lies where OWNER was, as long as `isFenced`. */
function fencedWhile(disk: SimulatedDisk, isFenced: () => boolean): SimulatedDisk {
  return new Proxy(disk, {
    get(target, name) {
      if (name === 'identity') return (path: string) => (isFenced() ? 'another' : target.identity(path))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('opening', () => {
  it('takes a short segment over whole only where there is room for both', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 128 * 1024 })
    const model = new Model()
    model.attach(opened)
    for (let i = 0; i < 20; i++) {
      model.message(2000)
      await opened.log.sync()
    }
    const before = opened.log.current
    const full = disk.kill()
    full.capacityBytes = 2 ** 40 - full.freeBytes(directory) + 16 * 1024
    const { log } = await openTestLog(full, { segmentBytes: 128 * 1024, clock: later() })
    assert.deepEqual(
      log.segments.map(({ number }) => number),
      [before.number, before.number + 1],
    )
    assert.equal((await readMessages(log)).size, 20)
    // With room again the next opening takes over what it finds, as always.
    full.capacityBytes = 2 ** 40
    const roomy = await openTestLog(full.kill(), { segmentBytes: 128 * 1024, clock: later() })
    assert.deepEqual(
      roomy.log.segments.map(({ number }) => number),
      [before.number, before.number + 2],
    )
    assert.equal((await readMessages(roomy.log)).size, 20)
  })

  it('makes a log once', async () => {
    const disk = simulatedDisk()
    const first = await openTestLog(disk)
    assert.deepEqual(first.recovered, {
      clean: true,
      rebooted: false,
      tailCut: null,
      scannedSegments: 0,
      created: true,
    })
    await first.log.close()
    const second = await openTestLog(disk)
    assert.equal(second.recovered.created, false)
    assert.equal(second.recovered.clean, true)
    await second.log.close()
  })

  it('takes short segments over whole, so that many short runs leave one', async () => {
    const { disk, log, model } = await made(3)
    // Too long to be taken over, and never sealed: its footer lies in the first segment of the next owner.
    model.message(300 * 1024)
    await log.close()
    const live = log.segments.length + 1
    for (let run = 0; run < 20; run++) {
      const opened = await openTestLog(disk, { segmentBytes: 4096 })
      assert.equal(opened.recovered.scannedSegments, 0, 'its index is still written down')
      await model.check(opened)
      model.attach(opened)
      if (run % 4 === 0) model.value(10)
      await opened.log.close()
    }
    assert.equal(names(disk).length, live)
  })

  it('refuses where the newest segment, or all of them, were taken away, and so says verify', async () => {
    const { disk, log } = await made(3)
    await log.close()
    // The owner that comes now notes what it saw.
    await (await openTestLog(disk, { segmentBytes: 4096 })).log.close()
    const segments = names(disk)
      .filter((name) => name.endsWith('.seg'))
      .sort()
    for (const gone of [segments.slice(-2), segments]) {
      const copy = cloneDisk(disk)
      for (const name of gone) copy.remove(`${directory}/log/${name}`)
      await assert.rejects(openTestLog(copy), (error) => {
        assert.ok(isHoldfastError(error))
        assert.equal(error.code, 'corrupt')
        assert.match(error.message, /lacks segments/)
        return true
      })
      const { problems } = await verifyDirectory({ directory, disk: copy })
      assert.ok(problems.some(({ code, segment }) => code === 'missing' && segment === 'log'))
    }
  })

  it('gives the same from the same files', async () => {
    const { disk, model, clock } = await made(3)
    model.message(300, true)
    clock.advance(5)
    await turns()
    const [a, b] = [cloneDisk(disk), cloneDisk(disk)]
    for (const copy of [a, b]) {
      const opened = await openTestLog(copy, { clock: later() })
      await opened.log.close()
    }
    assert.deepEqual(a.paths().sort(), b.paths().sort())
    for (const path of a.paths()) assert.deepEqual(a.bytesOf(path), b.bytesOf(path), path)
  })

  it('starts one segment earlier where the power failed before the snapshot was complete', async () => {
    const disk = simulatedDisk()
    const opened = await openTestLog(disk, { segmentBytes: 512 * 1024 })
    const model = new Model()
    model.attach(opened)
    const { log } = opened
    for (let i = 0; i < 6; i++) model.value(60_000)
    await log.sync()
    while (log.segments.length < 2) {
      model.message(60_000)
      await log.sync()
    }
    model.message(100)
    await log.sync()
    const next = await openTestLog(disk.powerCut(), { segmentBytes: 512 * 1024 })
    assert.equal(next.host.resets, 1, 'what the incomplete snapshot said was forgotten')
    await model.check(next)
    model.attach(next)
    model.message(100)
    await next.log.close()
  })

  it('rebuilds an index whose footer went with another segment', async () => {
    const { disk, log, model } = await made(3)
    // A new owner writes the footers of what was not sealed into its first segment.
    model.message(300 * 1024)
    await log.sync()
    const second = await openTestLog(disk.powerCut(), { segmentBytes: 4096 })
    await model.check(second)
    model.attach(second)
    const holder = second.log.current
    const homeless = second.log.segments.filter((segment) => segment.footerSegment === holder.number)
    assert.ok(homeless.length > 0)
    while (second.log.current === holder) {
      model.message(200)
      await second.log.sync()
    }
    model.value(10)
    await second.log.sync()
    // The holder has no message that is needed; the one it speaks for has.
    assert.equal(second.log.isReleasable(holder), true)
    second.log.release(holder)
    await second.log.sync()
    await turns()
    const { settings } = second
    const after = (settings.disk as SimulatedDisk).powerCut()
    const third = await openTestLog(after, { segmentBytes: 4096 })
    assert.equal(third.recovered.scannedSegments, homeless.length)
    const index = third.log.segments.find((segment) => segment.number === homeless[0]?.number)?.index.of(1, 0)
    assert.deepEqual(
      [index?.first, index?.last],
      [homeless[0]?.index.of(1, 0)?.first, homeless[0]?.index.of(1, 0)?.last],
    )
    await third.log.close()
    const fourth = await openTestLog(after)
    assert.equal(fourth.recovered.scannedSegments, 0, 'it was written down again')
    await fourth.log.close()
  })

  it('removes what nobody needs, and leaves alone what it does not know', async () => {
    const { disk, log, model, host } = await made(4)
    const given = log.segments[0]
    assert.ok(given)
    const old = disk.bytesOf(given.path)
    model.floor(host.next - 1)
    assert.ok(model.releaseFree() > 0)
    await log.sync()
    await log.close()
    assert.ok(!disk.paths().includes(given.path))
    // A removal that was not durable, files of an owner that died, and a note of the operator's.
    disk.put(given.path, old)
    disk.put(`${logDirectory}/spare-ff-1.tmp`, new Uint8Array(100))
    disk.put(`${logDirectory}/next-ff-2.tmp`, new Uint8Array(100))
    disk.put(`${logDirectory}/notes.txt`, Buffer.from('mine'))
    const opened = await openTestLog(disk)
    await model.check(opened)
    const live = opened.log.segments.map((segment) => segment.path.slice(logDirectory.length + 1))
    assert.deepEqual(names(disk), [...live, 'notes.txt'].sort())
    await opened.log.close()
  })
})

describe('a torn tail', () => {
  it('is cut, kept aside and counted', async () => {
    const { disk, log, model } = await made(2)
    const { path, endPosition } = log.current
    model.message(400)
    await log.sync()
    const whole = disk.bytesOf(path)
    const after = disk.kill()
    const torn = whole.slice(0, endPosition + 200)
    after.put(path, torn)
    model.acknowledged--
    const opened = await openTestLog(after, { clock: later() })
    const { tailCut, clean } = opened.recovered
    assert.equal(clean, false)
    assert.equal(tailCut?.segment, path)
    assert.equal(tailCut.position, endPosition)
    assert.equal(tailCut.frames, 0)
    assert.ok(tailCut.bytes >= 32 && tailCut.bytes <= 200)
    assert.deepEqual(after.bytesOf(tailCut.keptAs), torn.slice(endPosition, endPosition + tailCut.bytes))
    await model.check(opened)
    await opened.log.close()
    const again = await openTestLog(after)
    assert.equal(again.recovered.tailCut, null, 'counted once')
    assert.ok(after.paths().includes(tailCut.keptAs), 'and kept')
  })

  it('may be no more than the last vouch', async () => {
    const { disk, log, model } = await made(1)
    await log.close()
    disk.flipBit(log.current.path, (log.current.endPosition - 20) * 8)
    const opened = await openTestLog(disk)
    assert.equal(opened.recovered.tailCut?.bytes, 32)
    await model.check(opened)
  })

  it('counts complete frames behind the damage', async () => {
    const { disk, log, clock } = await made(2)
    const { path, endPosition } = log.current
    for (let i = 0; i < 3; i++) {
      log.append([valueRecord(50 + i, Buffer.alloc(20))], true)
      clock.advance(5)
      await turns()
    }
    const after = disk.kill()
    after.flipBit(path, (endPosition + 40) * 8)
    const { recovered } = await openTestLog(after)
    assert.equal(recovered.tailCut?.frames, 2)
    assert.equal(recovered.tailCut.bytes, after.bytesOf(recovered.tailCut.keptAs).length)
  })

  it('is named also where the mark of its segment is what is damaged', async () => {
    const { disk, log } = await made(2)
    const { path, endPosition } = log.current
    log.append([valueRecord(50, Buffer.alloc(20))], false)
    await log.sync()
    const after = disk.kill()
    after.flipBit(path, (endPosition + 9) * 8)
    const { recovered } = await openTestLog(after)
    assert.equal(recovered.tailCut?.position, endPosition)
  })
})

describe('damage', () => {
  it('before the vouched end is refused, with segment and byte', async () => {
    const { disk, log, model } = await made(2)
    const { path, endPosition } = log.current
    for (let i = 0; i < 2; i++) {
      model.message(100)
      await log.sync()
    }
    const after = disk.kill()
    after.flipBit(path, (endPosition + 50) * 8)
    const before = new Map(after.paths().map((name) => [name, after.bytesOf(name)]))
    const file = `${log.current.path}, byte ${endPosition}: `
    await assert.rejects(openTestLog(after), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'corrupt')
      assert.ok(error.message.startsWith(file), error.message)
      return true
    })
    for (const [name, bytes] of before)
      if (name.startsWith(logDirectory)) assert.deepEqual(after.bytesOf(name), bytes, 'nothing was changed')
  })

  it('in what an owner took over is refused from its first moment on', async () => {
    const { disk, log, model } = await made(2)
    await log.close()
    const second = await openTestLog(disk, { clock: later() })
    await model.check(second)
    const { path } = second.log.current
    const after = disk.powerCut()
    const bytes = Buffer.from(after.bytesOf(path))
    after.flipBit(path, (bytes.indexOf('k', segmentHeaderBytes) + 30) * 8)
    await assert.rejects(openTestLog(after), { code: 'corrupt' })
  })

  it('of a segment before is refused when it is read', async () => {
    const { disk, log, model } = await made(3)
    await log.close()
    const [first] = log.segments
    assert.ok(first)
    disk.flipBit(first.path, (first.endPosition - 500) * 8)
    const opened = await openTestLog(disk)
    await assert.rejects(readMessages(opened.log), (error: Error) =>
      error.message.startsWith(`${first.path}, byte `),
    )
    assert.ok(model.acknowledged > 0)
    await opened.log.close()
  })

  it('that took a live segment away is refused', async () => {
    const { disk, log } = await made(3)
    await log.close()
    const { path } = log.segments[1] ?? assert.fail()
    disk.remove(path)
    await assert.rejects(openTestLog(disk), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'corrupt')
      assert.ok(error.message.startsWith(`${path}, byte 0: `), error.message)
      return true
    })
  })

  it('of OWNER is refused', async () => {
    const { disk, log } = await made(1)
    await log.close()
    disk.put(`${directory}/OWNER`, Buffer.from('{"holdfast":1'))
    await assert.rejects(openTestLog(disk), { code: 'corrupt' })
  })
})

describe('what this version cannot read', () => {
  async function refused(
    change: (made: Made) => Promise<void>,
    code: string,
    message: RegExp,
  ): Promise<void> {
    const store = await made(1)
    await change(store)
    await store.log.close()
    await assert.rejects(openTestLog(store.disk), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.stack)
      assert.match(error.message, message)
      return true
    })
  }

  const header = {
    number: 99,
    fence: 1,
    epoch: 1,
    baseSequence: 0,
    createdAtMs: 0,
    logId: new Uint8Array(16),
  }
  const newest = `${logDirectory}/${segmentName(99, 1)}`

  it('is a newer format', () =>
    refused(
      async ({ disk }) => {
        const bytes = encodeSegmentHeader(header)
        bytes[8] = 2
        bytes[100] = 1
        disk.put(newest, bytes)
      },
      'newer_format',
      /format version 2/,
    ))

  it("is somebody else's file", () =>
    refused(
      async ({ disk }) => disk.put(newest, Buffer.alloc(500, 'no segment')),
      'directory_not_holdfast',
      /not written by Holdfast/,
    ))

  it("is another log's segment", () =>
    refused(async ({ disk }) => disk.put(newest, encodeSegmentHeader(header)), 'corrupt', /another file/))

  it('is a header with one wrong bit, which is damage and no newer format', () =>
    refused(
      async ({ disk, log }) => {
        disk.flipBit(log.current.path, 8 * 8 + 3)
      },
      'corrupt',
      /header is damaged/,
    ))

  it('is an unknown flag', () =>
    refused(
      async ({ log }) => {
        const record = valueRecord(0, Buffer.alloc(4))
        record[5] = 0x40
        log.append([record], false)
      },
      'newer_format',
      /byte \d+: unknown flags 64/,
    ))

  it('is an unknown type', () =>
    refused(
      async ({ log }) => {
        log.append([buildRecord(0x70, Buffer.alloc(4))], false)
      },
      'newer_format',
      /byte \d+: unknown record type 112/,
    ))

  it('is not a type that may be skipped: it is kept, and copied', async () => {
    const { disk, log, model } = await made(1)
    log.append([buildRecord(0xf0, Buffer.from('from the future'))], false)
    await log.close()
    for (let i = 0; i < 3; i++) {
      const opened = await openTestLog(disk)
      await model.check(opened)
      assert.deepEqual(opened.host.unknown, [0xf0])
      assert.ok(Buffer.from(disk.bytesOf(opened.log.current.path)).includes('from the future'))
      await opened.log.close()
    }
  })
})

describe('one owner', () => {
  it('keeps others out, with its process in the message', async () => {
    const { disk } = await made(1)
    await assert.rejects(lockDirectory(disk, directory), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'directory_in_use')
      assert.match(error.message, new RegExp(`process ${process.pid}\\b`))
      return true
    })
  })

  it('acknowledges nothing more when another took the directory over', async () => {
    const { disk, log, host, model } = await made(2)
    disk.remove(`${directory}/lock/lock.db`)
    const second = await openTestLog(disk, { clock: later() })
    await model.check(second)
    const { acknowledged } = model
    model.message(50)
    await assert.rejects(log.sync(), { code: 'fenced' })
    assert.equal(model.acknowledged, acknowledged)
    assert.equal(host.failures[0]?.code, 'fenced')
    await log.close()
    model.operations.length = acknowledged
    model.attach(second)
    model.message(60)
    await second.log.sync()
    await second.log.close()
    await model.check(await openTestLog(disk))
  })

  it('leaves the files of its successor alone', async () => {
    const { disk, log, model, host } = await made(4)
    model.floor(host.next - 1)
    await log.sync()
    assert.ok(model.releaseFree() > 0)
    disk.remove(`${directory}/lock/lock.db`)
    const second = await openTestLog(disk, { clock: later() })
    const before = disk.paths().sort()
    await assert.rejects(log.sync(), { code: 'fenced' })
    await turns()
    await log.close()
    assert.deepEqual(disk.paths().sort(), before)
    await second.log.close()
  })

  it('looks again before a new segment gets its name', async () => {
    const disk = simulatedDisk()
    // Another takes over while the next segment is being made.
    let isOpen = false
    const isFenced = () => isOpen && names(disk).some((name) => name.startsWith('next-'))
    const watched = fencedWhile(disk, isFenced)
    const { log } = await openTestLog(watched)
    isOpen = true
    const segments = names(disk)
    for (let i = 0; log.error === null && i < 100; i++) {
      log.append([valueRecord(0, Buffer.alloc(200))], false)
      await log.sync().catch(() => undefined)
    }
    assert.equal(log.error?.code, 'fenced')
    assert.deepEqual(
      names(disk).filter((name) => name.endsWith('.seg')),
      segments,
    )
  })

  it('looks again before its first segment gets its name', async () => {
    const disk = simulatedDisk()
    const isFenced = () => names(disk).some((name) => name.startsWith('next-'))
    const watched = fencedWhile(disk, isFenced)
    await assert.rejects(openTestLog(watched), { code: 'fenced' })
    assert.deepEqual(
      names(disk).filter((name) => name.endsWith('.seg')),
      [],
    )
  })

  it('is fenced too when only its lock file was replaced', async () => {
    const { disk, log } = await made(1)
    disk.remove(`${directory}/lock/lock.db`)
    log.append([valueRecord(9, Buffer.alloc(1))], false)
    await assert.rejects(log.sync(), { code: 'fenced' })
  })
})
