import { type Clock, systemClock } from '../../../src/core/clock.ts'
import type { Rule } from '../../../src/disk/faults.ts'
import { FaultyDisk } from '../../../src/disk/faulty.ts'
import { openEngine, simulatedDisk } from './support.ts'

/** An engine whose next operations of a kind fail from the moment the test says so. */
export async function engineWithFault(rule: Omit<Rule, 'at'>, time: Partial<Clock> = {}) {
  const disk = simulatedDisk()
  // A rule counts from when it is there.
  const rules: Rule[] = []
  const faulty = new FaultyDisk(disk, { rules, onFailedSync: (file) => disk.failSync(file) })
  const clock: Clock = { ...systemClock, keepAlive: () => ({ cancel: () => undefined }), ...time }
  const engine = await openEngine(faulty, { clock })
  const fail = (times = 1): void => {
    for (let at = 1; at <= times; at++) rules.push({ ...rule, at })
  }
  return { disk, engine, fail }
}
