/** Fixed runs of a log, small enough to fail each of their disk calls in turn. */
import type { Disk } from '../../src/disk/port.ts'
import type { SimulatedDisk } from '../../src/disk/simulated.ts'
import type { LogSettings } from '../../src/log/host.ts'
import type { ManualClock } from '../support/manual-clock.ts'
import { directory, Model, type OpenedLog, openTestLog, simulatedDisk, TestHost, turns } from './support.ts'

export interface Run {
  readonly disk: Disk
  readonly model: Model
  readonly clock: ManualClock
  /** Told of every host, before its log is open. */
  readonly onHost: (host: TestHost) => void
}

export interface Workload {
  readonly name: string
  /** What lies on the disk before. */
  readonly prepare: () => Promise<{ disk: SimulatedDisk; model: Model }>
  readonly run: (run: Run) => Promise<void>
}

async function open(run: Run, options: Partial<LogSettings> = {}): Promise<OpenedLog> {
  const host = new TestHost()
  run.onHost(host)
  const opened = await openTestLog(run.disk, { clock: run.clock, host, ...options })
  await run.model.check(opened)
  run.model.attach(opened)
  return opened
}

async function empty(): Promise<{ disk: SimulatedDisk; model: Model }> {
  return { disk: simulatedDisk(), model: new Model() }
}

/** A directory whose last owner died in the middle of a write, with a segment before that one. */
async function torn(): Promise<{ disk: SimulatedDisk; model: Model }> {
  const disk = simulatedDisk()
  const model = new Model()
  const opened = await openTestLog(disk, { segmentBytes: 2048 })
  model.attach(opened)
  for (let i = 0; i < 12; i++) {
    model.message(100)
    model.value(30)
    await opened.log.sync()
  }
  model.message(700)
  await opened.log.sync()
  const { path, endPosition } = opened.log.current
  const survivor = disk.kill()
  survivor.put(path, survivor.bytesOf(path).slice(0, endPosition - 100))
  // Nothing said that the last one was durable.
  model.acknowledged--
  return { disk: survivor, model }
}

const appends: Workload = {
  name: 'appends of several waiters, lazy ones, an idle time, a close',
  prepare: empty,
  async run(run) {
    const { log } = await open(run, { segmentBytes: 1024 * 1024 })
    for (let i = 0; i < 10; i++) {
      run.model.message(50 + i)
      if (i % 3 === 0) run.model.value(20, true)
      await Promise.all([log.sync(), log.sync()])
    }
    run.model.value(30, true)
    for (let i = 0; i < 30; i++) {
      run.clock.advance(5)
      await turns(2)
    }
    run.model.message(90_000)
    await log.sync()
    await log.close()
  },
}

const rotation: Workload = {
  name: 'rotations',
  prepare: empty,
  async run(run) {
    const { log } = await open(run, { segmentBytes: 2048 })
    for (let i = 0; i < 16; i++) {
      run.model.message(150)
      if (i % 4 === 0) run.model.value(40)
      await log.sync()
    }
    await log.close()
  },
}

const release: Workload = {
  name: 'released segments, their files used again, a reserve',
  prepare: empty,
  async run(run) {
    const { log, host } = await open(run, { segmentBytes: 2048, reserveBytes: 4096 })
    for (let i = 0; i < 24; i++) {
      run.model.message(200)
      await log.sync()
      if (i % 5 !== 4) continue
      run.model.floor(host.next - 1)
      run.model.releaseFree()
      await log.sync()
      run.clock.advance(150)
      await turns(4)
    }
    await log.close()
  },
}

const reopening: Workload = {
  name: 'reopening again and again',
  prepare: empty,
  async run(run) {
    for (let round = 0; round < 3; round++) {
      const { log, host } = await open(run, { segmentBytes: 2048 })
      for (let i = 0; i < 3; i++) {
        run.model.message(300)
        run.model.value(20, i === 2)
        await log.sync()
      }
      if (round === 1) {
        run.model.floor(host.next)
        run.model.releaseFree()
      }
      await log.close()
    }
  },
}

const takeOver: Workload = {
  name: 'taking over from an owner that died in a write',
  prepare: torn,
  async run(run) {
    const { log } = await open(run, { segmentBytes: 2048 })
    for (let i = 0; i < 6; i++) {
      run.model.message(200)
      run.model.value(20)
      await log.sync()
    }
    await log.close()
    const second = await open(run, { segmentBytes: 2048 })
    await second.log.close()
  },
}

export const workloads: readonly Workload[] = [appends, rotation, release, reopening, takeOver]

export const logDirectory = `${directory}/log`
