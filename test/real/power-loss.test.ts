/** The power of a real file system is cut under load, again and again, on one directory. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeDisk } from '../../src/disk/node.ts'
import { verifyDirectory } from '../../src/log/verify.ts'
import { journal, LoopFileSystem, withLoopDevices } from '../support/loop-device.ts'
import { type Cycle, Hosts } from './hosts.ts'
import { reboot } from './reboot.ts'
import { median, randomOf, runSeed } from './seed.ts'

const cuts = Number(process.env.HOLDFAST_POWER_CYCLES ?? 50)
/** So often the backlog is worked off, and the store closed in order. */
const drainEvery = 25

const cleanups: (() => void | Promise<void>)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

async function problems(directory: string): Promise<{ tailsCut: number; others: string[] }> {
  const report = await verifyDirectory({ directory, disk: nodeDisk })
  const damage = report.problems.filter(({ code }) => code !== 'leftover')
  const others = damage.filter(({ code }) => code !== 'tail_cut')
  return {
    tailsCut: damage.length - others.length,
    others: others.map(
      ({ code, segment, position, message }) => `${code} ${segment} ${position}: ${message}`,
    ),
  }
}

test(`${cuts} power cuts lose, double and invent nothing`, withLoopDevices(cuts * 10_000), async (t) => {
  const seed = runSeed()
  const random = randomOf(seed)
  const disk = new LoopFileSystem({ mib: 256 })
  cleanups.push(() => disk.destroy())
  const directory = join(disk.mountPoint, 'store')
  const hosts = new Hosts({ directory, segmentBytes: 256 * 1024, reserveBytes: 256 * 1024 })
  cleanups.push(() => hosts.killAll())
  const { witness } = hosts
  const startedMs = performance.now()
  const cycleMs: number[] = []
  let tailsCut = 0
  const cutOnce = async (cut: number): Promise<void> => {
    const cycle: Cycle = await hosts.begin({ producers: 3, inFlight: 60, barrierMs: 15 })
    await cycle.underLoad(random() * 60)
    await disk.cutPower(cut % 2 === 0 ? journal.cut : journal.flushed, () => witness.powerFails())
    await sleep(random() * 20)
    await cycle.kill()
    disk.unmount()
    disk.mount()
    reboot(directory)
    const found = await problems(directory)
    tailsCut += found.tailsCut
    assert.deepEqual([...witness.violations, ...found.others], [], `seed ${seed}, cut ${cut}`)
  }
  for (let cut = 1; cut <= cuts; cut++) {
    const beganMs = performance.now()
    await cutOnce(cut)
    cycleMs.push(performance.now() - beganMs)
    if (cut % drainEvery === 0 && cut < cuts) await hosts.drain()
    assert.deepEqual(witness.violations, [], `seed ${seed}, after cut ${cut}`)
  }
  await hosts.drain()
  witness.conclude(hosts.partitions)
  assert.deepEqual(witness.violations, [], `seed ${seed}`)
  assert.deepEqual((await problems(directory)).others, [])
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  const figures = { seed, cuts, seconds, tailsCut, ...witness.counts }
  t.diagnostic(JSON.stringify({ ...figures, openMs: median(witness.openMs), cycleMs: median(cycleMs) }))
})
