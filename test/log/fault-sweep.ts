/** Every call to the disk × every fault. In a thread of its own: the test runner's tracking of promises doubles the time. */
import assert from 'node:assert/strict'
import { parentPort } from 'node:worker_threads'
import { SeededRandom } from '../../src/core/random.ts'
import type { Fault, Rule } from '../../src/disk/faults.ts'
import { FaultyDisk } from '../../src/disk/faulty.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { cloneDisk, Model, openTestLog, turns } from './support.ts'
import { type Workload, workloads } from './workloads.ts'

const kinds: readonly { readonly name: string; readonly fault: Fault; readonly sticky?: boolean }[] = [
  { name: 'EIO once', fault: 'eio' },
  { name: 'EIO from then on', fault: 'eio', sticky: true },
  { name: 'a short write', fault: 'short' },
  { name: 'ENOSPC', fault: 'enospc' },
  { name: 'a power cut before', fault: 'crash-before' },
  { name: 'a power cut after', fault: 'crash-after' },
]

const mostCalls = 400

interface Outcome {
  readonly disk: SimulatedDisk
  readonly model: Model
  readonly history: FaultyDisk['history']
  readonly hasCrashed: boolean
}

async function run(workload: Workload, rules: readonly Rule[], seed: number): Promise<Outcome> {
  const prepared = await workload.prepare()
  const before = new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes: 512 })
  for (const path of prepared.disk.paths()) before.put(path, prepared.disk.bytesOf(path))
  const { model } = prepared
  let after: SimulatedDisk | null = null
  let crashed: () => void = () => undefined
  const crash = new Promise<void>((resolve) => {
    crashed = resolve
  })
  const disk = new FaultyDisk(before, {
    rules,
    onCrash: () => {
      after = before.powerCut()
      crashed()
    },
    onFailedSync: (file) => before.failSync(file),
  })
  let callsAtFailure = 0
  let acknowledgedAtFailure = 0
  let failed = false
  const work = workload
    .run({
      disk,
      model,
      clock: new ManualClock(),
      onHost: (host) => {
        host.failed = (error) => {
          host.failures.push(error)
          failed = true
          callsAtFailure = disk.history.length
          acknowledgedAtFailure = model.acknowledged
        }
      },
    })
    .catch((error: unknown) => {
      assert.ok(rules.length > 0, `without a fault nothing fails: ${(error as Error).stack}`)
      // The model's own findings are no consequence of a fault.
      if (error instanceof assert.AssertionError) throw error
    })
  await Promise.race([work, crash])
  if (failed) {
    await turns(2)
    assert.equal(disk.history.length, callsAtFailure, 'no call follows the failure')
    assert.equal(model.acknowledged, acknowledgedAtFailure, 'nothing is acknowledged behind the failure')
  }
  return { disk: after ?? before, model, history: disk.history, hasCrashed: after !== null }
}

/** What the next process finds, on a disk that works. */
async function examine(disk: SimulatedDisk, model: Model, again = true): Promise<void> {
  const found = new Model()
  found.operations.push(...model.operations)
  found.acknowledged = model.acknowledged
  const opened = await openTestLog(disk, { segmentBytes: 2048, clock: new ManualClock(1_800_000_000_000) })
  await found.check(opened)
  found.attach(opened)
  found.message(60)
  found.value(20)
  await opened.log.sync()
  await opened.log.close()
  if (!again) return
  const reopened = await openTestLog(disk, { segmentBytes: 2048, clock: new ManualClock(1_900_000_000_000) })
  assert.equal(reopened.recovered.clean, true, 'closed in order')
  await found.check(reopened)
  await reopened.log.close()
}

async function everyCall(workload: Workload, say: (text: string) => void): Promise<number> {
  const clean = await run(workload, [], 1)
  const calls = clean.history.length
  assert.ok(calls <= mostCalls, `${calls} calls are too many to fail each`)
  await examine(clean.disk, clean.model)
  let cases = 0
  for (const { name, fault, sticky } of kinds) {
    for (let at = 1; at <= calls; at++) {
      if (fault === 'short' && clean.history[at - 1]?.operation !== 'write') continue
      const rule: Rule = { operation: 'any', at, fault, sticky: sticky === true }
      const what = `${workload.name}: ${name} at call ${at} (${clean.history[at - 1]?.operation} ${clean.history[at - 1]?.path})`
      try {
        const outcome = await run(workload, [rule], at)
        if (outcome.hasCrashed) await examine(outcome.disk, outcome.model)
        else {
          // The kernel lives on; and it does not.
          await examine(cloneDisk(outcome.disk), outcome.model, false)
          await examine(outcome.disk.powerCut(), outcome.model)
        }
      } catch (error) {
        throw new Error(what, { cause: error })
      }
      cases++
    }
  }
  say(`${workload.name}: ${calls} calls, ${cases} cases`)
  return cases
}

let cases = 0
for (const workload of workloads) cases += await everyCall(workload, (text) => parentPort?.postMessage(text))
parentPort?.postMessage(cases)
