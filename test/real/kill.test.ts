/** Real processes on a real directory, killed under load and started again. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hosts } from './hosts.ts'
import { median, randomOf, runSeed } from './seed.ts'

const kills = Number(process.env.HOLDFAST_KILLS ?? 100)
/** So many of the processes are killed while they open the directory, and not counted. */
const dieOpening = 0.1

/**
 * Two at once, because a cycle is mostly waiting: one on the disk, and one in memory where there is such a file system. A
 * kill takes nothing from either that was written; they differ in where it strikes.
 */
const folders = [tmpdir(), existsSync('/dev/shm') ? '/dev/shm' : tmpdir()].map((parent) =>
  mkdtempSync(join(parent, 'holdfast-kill-')),
)
const fleet = folders.map((folder) => {
  const directory = join(folder, 'store')
  return new Hosts({ directory, segmentBytes: 256 * 1024, reserveBytes: 256 * 1024 })
})
after(async () => {
  for (const hosts of fleet) await hosts.killAll()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

test(`${kills} kills under load lose, double and invent nothing`, { timeout: kills * 10_000 }, async (t) => {
  const seed = runSeed()
  const startedMs = performance.now()
  const random = randomOf(seed)
  let counted = 0
  let others = 0
  const killAndRestart = async (hosts: Hosts): Promise<void> => {
    const { witness } = hosts
    while (counted < kills) {
      // Without barriers acknowledgements have only the log's own timers.
      const barrierMs = random() < 0.5 ? 20 : 0
      const cycle = await hosts.begin({ producers: 3, inFlight: 100, barrierMs })
      if (random() < dieOpening) await sleep(random() * 30)
      else await cycle.underLoad(random() * 60)
      if (await cycle.kill()) counted++
      else others++
      assert.deepEqual(witness.violations, [], `seed ${seed}`)
    }
    await hosts.drain()
    witness.conclude(hosts.partitions)
    assert.deepEqual(witness.violations, [], `seed ${seed}`)
  }
  await Promise.all(fleet.map(killAndRestart))
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  const figures = summary(fleet)
  t.diagnostic(JSON.stringify({ seed, kills: counted, others, seconds, ...figures }))
  // Segments came and went, or the test is not about that any more.
  assert.ok(figures.releasedSegments > 0 && figures.dead > 0 && figures.repeated > 0)
})

function summary(all: readonly Hosts[]) {
  const counts = all.map(({ witness }) => witness.counts)
  const sum = (name: keyof (typeof counts)[number]) => counts.reduce((total, one) => total + one[name], 0)
  const recoveries = all.flatMap(({ recoveryMs }) => recoveryMs)
  const ages = all.flatMap(({ witness }) => witness.repetitions.map(({ ageMs }) => ageMs))
  return {
    sent: sum('sent'),
    confirmed: sum('confirmed'),
    handled: sum('handled'),
    dead: sum('dead'),
    repeated: sum('repeated'),
    releasedSegments: sum('releasedSegments'),
    openMs: median(all.flatMap(({ witness }) => witness.openMs)),
    recoveryMs: median(recoveries),
    slowestRecoveryMs: Math.round(Math.max(...recoveries)),
    repeatedAgeMs: median(ages),
    oldestRepeatedMs: Math.round(Math.max(...ages)),
  }
}
