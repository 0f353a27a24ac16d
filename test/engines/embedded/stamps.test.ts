/** Who sent what: numbers of producers that share a label, a directory, or a copy of one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SeededRandom } from '../../../src/core/random.ts'
import { SimulatedDisk } from '../../../src/disk/simulated.ts'
import {
  decodeSegmentHeader,
  forEachRecord,
  RecordType,
  segmentHeaderBytes,
} from '../../../src/log/format.ts'
import { MessageRecord } from '../../../src/log/record.ts'
import { SegmentScanner } from '../../../src/log/scanner.ts'
import { openEngine, openSender, simulatedDisk, subscribe } from './support.ts'

interface Stamped {
  readonly stamp: string
  readonly body: string
}

/** Ids and bodies as a consumer sees them, stamps as they lie in the log. */
async function stampsIn(disk: SimulatedDisk): Promise<Stamped[]> {
  const found = new Map<string, Stamped>()
  const names = (await disk.list('/store/log')).filter((name) => name.endsWith('.seg')).sort()
  for (const name of names) {
    const file = await disk.open(`/store/log/${name}`)
    const header = decodeSegmentHeader(await file.read(0, segmentHeaderBytes))
    assert.ok(!('problem' in header))
    const scanner = new SegmentScanner(file, {
      epoch: header.epoch,
      sequence: header.baseSequence,
      position: segmentHeaderBytes,
      end: await file.size(),
      chunkBytes: 64 * 1024,
    })
    for (let frames = await scanner.next(); frames.length > 0; frames = await scanner.next()) {
      for (const frame of frames) {
        forEachRecord(frame.bytes, (at, _length, type) => {
          if (type !== RecordType.message) return
          const record = new MessageRecord(frame.bytes, at)
          const place = `${record.topic}/${record.partition}`
          found.set(`${place}/${record.offset}`, {
            stamp: `${record.producer}/${place}/${record.number}`,
            body: record.bodyText,
          })
        })
      }
    }
    await file.close()
  }
  return [...found.values()]
}

const clone = (disk: SimulatedDisk, seed: number): SimulatedDisk => {
  const copy = new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes: 512 })
  for (const path of disk.paths()) copy.put(path, disk.bytesOf(path))
  return copy
}

describe('producers of one label', { timeout: 20_000 }, () => {
  test('three at once and three one after the other in one directory: all stored, no number twice', async () => {
    let disk = simulatedDisk()
    let sent = 0
    for (let life = 0; life < 3; life++) {
      const engine = await openEngine(disk)
      const senders = await Promise.all([1, 2, 3].map(() => openSender(engine, 'billing-api')))
      for (let i = 0; i < 20; i++) {
        const results = await Promise.all(
          senders.map(({ send }) => send({ key: `k${i % 5}`, body: `{"n":${sent++}}` })),
        )
        assert.ok(results.every(({ outcome }) => outcome === 'confirmed'))
      }
      disk = disk.powerCut()
    }
    const stamped = await stampsIn(disk)
    assert.equal(stamped.length, 180)
    assert.equal(new Set(stamped.map(({ stamp }) => stamp)).size, 180)
    const engine = await openEngine(disk)
    const { collector } = await subscribe(engine)
    await collector.received(180)
    assert.equal(new Set(collector.deliveries.map((delivery) => delivery.id)).size, 180)
    await engine.close()
  })

  test('a directory copied while it is used, continued on both sides and fed into one engine: nothing dropped', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine, 'billing-api')
    for (let i = 0; i < 10; i++) await send({ body: `{"common":${i}}` })
    const copy = clone(disk, 7)
    const other = await openEngine(copy)
    const twin = await openSender(other, 'billing-api')
    for (let i = 0; i < 10; i++) {
      await send({ body: `{"left":${i}}` })
      await twin.send({ body: `{"right":${i}}` })
    }
    const ids = new Map<string, string>()
    const target = await openEngine(simulatedDisk(9))
    const forward = await openSender(target, 'billing-api')
    for (const source of [engine, other]) {
      const { collector } = await subscribe(source)
      await collector.received(20)
      for (const delivery of collector.deliveries) {
        const body = String(delivery.body)
        assert.equal(ids.get(delivery.id) ?? body, body, 'one id never stands for two bodies')
        ids.set(delivery.id, body)
        const result = await forward.send({ id: delivery.id, body })
        assert.equal(result.outcome, 'confirmed')
      }
    }
    assert.equal(ids.size, 30)
    const { collector } = await subscribe(target)
    await collector.received(40)
    assert.deepEqual(new Set(collector.bodies), new Set(ids.values()))
    await Promise.all([engine.close(), other.close(), target.close()])
  })

  test('a restored backup gives new numbers, and a higher fence', async () => {
    const disk = simulatedDisk()
    const engine = await openEngine(disk)
    const { send } = await openSender(engine, 'billing-api')
    await send()
    const { collector } = await subscribe(engine)
    await collector.received(1)
    const backup = clone(disk, 3)
    await engine.close()
    const restored = await openEngine(backup)
    const after = await openSender(restored, 'billing-api')
    await after.send()
    const second = await subscribe(restored)
    await second.collector.received(2)
    const ids = second.collector.deliveries.map((delivery) => delivery.id)
    assert.equal(ids[0], collector.deliveries[0]?.id)
    assert.notEqual(ids[1]?.slice(0, 22), ids[0]?.slice(0, 22))
    assert.ok(second.collector.deliveries[0]!.fence! > collector.deliveries[0]!.fence!)
    await restored.close()
  })
})
