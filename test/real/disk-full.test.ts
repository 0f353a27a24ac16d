/** A small real file system, full: sends are refused, everything else goes on, nothing is lost. */
import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeDisk } from '../../src/disk/node.ts'
import { DeadLetter, type Holdfast, HoldfastError, type Producer } from '../../src/index.ts'
import { isDamaged, verifyDirectory } from '../../src/log/verify.ts'
import { LoopFileSystem, withLoopDevices } from '../support/loop-device.ts'
import { Hosts } from './hosts.ts'
import { connectSmall } from './store.ts'

const mib = 2 ** 20
const sizes = { segmentBytes: mib, reserveBytes: 2 * mib }
const body = 'x'.repeat(10_000)

const cleanups: (() => void | Promise<void>)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

function smallFileSystem() {
  // Nothing set aside for root: full is full.
  const disk = new LoopFileSystem({ mib: 32, make: ['-m', '0'] })
  cleanups.push(() => disk.destroy())
  const directory = join(disk.mountPoint, 'store')
  const ballast = join(disk.mountPoint, 'ballast')
  return {
    disk,
    directory,
    freeBytes: () => nodeDisk.freeBytes(disk.mountPoint),
    /** Another program takes all but so many bytes. */
    fillUpTo(leftBytes: number) {
      const file = openSync(ballast, 'a')
      try {
        for (;;) {
          const { bavail, bsize } = statfsSync(disk.mountPoint)
          const bytes = Math.min(mib, bavail * bsize - leftBytes)
          if (bytes <= 0 || writeSync(file, Buffer.alloc(bytes)) < bytes) return
        }
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(ballast),
  }
}

async function open(directory: string): Promise<Holdfast> {
  const holdfast = await connectSmall({ directory, ...sizes })
  cleanups.push(async () => {
    await holdfast.close({ timeoutMs: 0 }).catch(() => undefined)
  })
  return holdfast
}

async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `${what}: not within 15 s`)
    await sleep(20)
  }
}

const hasReserve = (directory: string): boolean =>
  readdirSync(join(directory, 'log')).some((name) => {
    const size = name.startsWith('reserve-') ? statSync(join(directory, 'log', name)).size : 0
    return size >= sizes.reserveBytes
  })

/** Sends until it is refused; ids of what was confirmed. */
async function fill(producer: Producer): Promise<string[]> {
  const confirmed: string[] = []
  for (;;) {
    const sends = Array.from({ length: 10 }, () => producer.send({ topic: 'orders', body }))
    const results = await Promise.allSettled(sends)
    const refused = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason)
    for (const result of results) if (result.status === 'fulfilled') confirmed.push(result.value.id)
    for (const error of refused) assert.ok(error instanceof HoldfastError, String(error))
    if (refused.length === 0) continue
    assert.deepEqual(
      new Set(refused.map(({ code, outcome }) => `${code} ${outcome}`)),
      new Set(['disk_full failed']),
    )
    return confirmed
  }
}

/** A store with 400 messages and its reserve, on a disk that others then fill to the last byte. */
async function filledByOthers() {
  const { directory, fillUpTo, free } = smallFileSystem()
  const holdfast = await open(directory)
  await holdfast.groups.create('orders', 'billing')
  const producer = await holdfast.producer()
  const confirmed: string[] = []
  for (let i = 0; i < 400; i++) confirmed.push((await producer.send({ topic: 'orders', body })).id)
  await eventually('the reserve', () => hasReserve(directory))
  fillUpTo(0)
  return { directory, free, holdfast, producer, confirmed }
}

async function isAccepted(producer: Producer, confirmed: string[]): Promise<boolean> {
  try {
    confirmed.push((await producer.send({ topic: 'orders', body })).id)
    return true
  } catch (error) {
    assert.equal((error as HoldfastError).code, 'disk_full')
    return false
  }
}

/** Handles everything; every 40th message dies. */
async function consumeInto(holdfast: Holdfast, handled: string[], dead: string[]): Promise<void> {
  await holdfast.consume({ topic: 'orders', group: 'billing', concurrency: 8 }, (message) => {
    const dies = Number(message.offset) % 40 === 39
    if (dies) dead.push(message.id)
    else handled.push(message.id)
    if (dies) throw new DeadLetter('planned')
  })
}

async function listDead(holdfast: Holdfast): Promise<string[]> {
  const ids: string[] = []
  for await (const letter of holdfast.deadLetters('orders', 'billing')) {
    assert.equal(letter.body, body)
    ids.push(letter.id)
  }
  return ids
}

async function assertSound(directory: string): Promise<void> {
  const report = await verifyDirectory({ directory, disk: nodeDisk })
  assert.ok(!isDamaged(report), JSON.stringify(report.problems))
}

test('a full disk refuses sends; handling makes room for them', withLoopDevices(60_000), async () => {
  const { directory } = smallFileSystem()
  let holdfast = await open(directory)
  await holdfast.groups.create('orders', 'billing')
  await eventually('the reserve', () => hasReserve(directory))
  const confirmed = await fill(await holdfast.producer())
  assert.ok(confirmed.length > 1000, `${confirmed.length} messages fitted`)
  assert.equal(holdfast.health().state, 'degraded')
  await holdfast.close()
  await assertSound(directory)
  // It opens while the disk is full; what was between two segments before may fit now.
  holdfast = await open(directory)
  const producer = await holdfast.producer()
  confirmed.push(...(await fill(producer)))
  const handled: string[] = []
  const dead: string[] = []
  await consumeInto(holdfast, handled, dead)
  await eventually('all handled', () => handled.length + dead.length === confirmed.length)
  await eventually('sends are accepted again', () => isAccepted(producer, confirmed))
  assert.equal(holdfast.health().state, 'ready')
  await eventually('the last one handled', () => handled.length + dead.length === confirmed.length)
  assert.deepEqual([...handled, ...dead].sort(), [...confirmed].sort())
  assert.deepEqual(await listDead(holdfast), dead)
  await holdfast.close()
  await assertSound(directory)
  holdfast = await open(directory)
  assert.deepEqual(await listDead(holdfast), dead)
  await holdfast.close()
})

test('a disk that others fill stops sends only', withLoopDevices(60_000), async () => {
  const { directory, free, holdfast, producer, confirmed } = await filledByOthers()
  // What its segment has in advance is still there.
  confirmed.push(...(await fill(producer)))
  assert.equal(holdfast.health().state, 'degraded')
  const handled: string[] = []
  const dead: string[] = []
  await consumeInto(holdfast, handled, dead)
  await eventually('all handled', () => handled.length + dead.length === confirmed.length)
  assert.deepEqual(await listDead(holdfast), dead)
  assert.equal(holdfast.health().state, 'degraded')
  free()
  await eventually('sends are accepted again', () => isAccepted(producer, confirmed))
  await eventually('the last one handled', () => handled.length + dead.length === confirmed.length)
  assert.deepEqual([...handled, ...dead].sort(), [...confirmed].sort())
  await holdfast.close()
  await assertSound(directory)
})

test('a disk filled behind its back while it only consumes', withLoopDevices(60_000), async () => {
  const { directory, free, holdfast, producer, confirmed } = await filledByOthers()
  // No send has noticed: the first acknowledgement meets the full disk.
  const handled: string[] = []
  const dead: string[] = []
  await consumeInto(holdfast, handled, dead)
  await eventually('all handled', () => handled.length + dead.length >= confirmed.length)
  free()
  await eventually('sends are accepted again', async () => {
    try {
      confirmed.push((await producer.send({ topic: 'orders', body })).id)
      return true
    } catch (error) {
      assert.equal((error as HoldfastError).outcome, 'failed')
      return false
    }
  })
  await eventually('the last one handled', () => handled.includes(confirmed.at(-1) ?? ''))
  assert.deepEqual([...new Set([...handled, ...dead])].sort(), [...confirmed].sort())
  await holdfast.close()
  await assertSound(directory)
})

test('processes killed on a full disk lose nothing', withLoopDevices(120_000), async () => {
  const { directory, fillUpTo, free } = smallFileSystem()
  const hosts = new Hosts({ directory, ...sizes })
  cleanups.push(() => hosts.killAll())
  const { witness } = hosts
  const filling = { producers: 2, inFlight: 100, concurrency: 0 }
  fillUpTo(8 * mib)
  for (let kill = 0; kill < 4; kill++) {
    let refused = 0
    const cycle = await hosts.begin(filling, (report) => {
      if (report[0] !== 'rejected') return
      refused++
      assert.deepEqual(report.slice(2), ['disk_full', 'failed'])
    })
    await cycle.until(() => refused > 5)
    await cycle.kill()
    assert.ok(refused > 5, await cycle.epitaph())
    assert.deepEqual(witness.violations, [])
  }
  await hosts.drain()
  assert.ok(witness.counts.confirmed > 1000)
  free()
  const cycle = await hosts.begin({ producers: 2, inFlight: 100 })
  await cycle.underLoad(50)
  await cycle.kill()
  await hosts.drain()
  witness.conclude(hosts.partitions)
  assert.deepEqual(witness.violations, [])
})
