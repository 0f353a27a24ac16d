/** A real file system fails under a live process: what was confirmed stays, nothing more is confirmed, the process goes on. */
import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { journal, LoopFileSystem, MemoryFileSystem, withLoopDevices } from '../support/loop-device.ts'
import { Hosts } from './hosts.ts'
import type { Report } from './protocol.ts'
import { reboot } from './reboot.ts'

const cleanups: (() => void | Promise<void>)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

const load = { producers: 2, inFlight: 100 }

/** A process under load until the disk fails; afterwards it is asked to send on for a while, and to close. */
class Failing {
  readonly hosts: Hosts
  readonly directory: string
  /** By 'code outcome'. */
  readonly rejections = new Map<string, number>()
  confirmedAfterwards = 0
  health = ''
  closed = ''

  constructor(disk: LoopFileSystem) {
    this.directory = join(disk.mountPoint, 'store')
    const sizes = { segmentBytes: 256 * 1024, reserveBytes: 256 * 1024 }
    this.hosts = new Hosts({ directory: this.directory, ...sizes })
    cleanups.push(() => this.hosts.killAll())
  }

  readonly #hear = (report: Report): void => {
    if (report[0] === 'rejected') {
      const kind = `${report[2]} ${report[3]}`
      this.rejections.set(kind, (this.rejections.get(kind) ?? 0) + 1)
    } else if (report[0] === 'confirmed' && this.rejections.size > 0) this.confirmedAfterwards++
    else if (report[0] === 'health') this.health = report[1]
    else if (report[0] === 'close failed') this.closed = report[1]
  }

  async run(fail: () => Promise<void> | void): Promise<void> {
    const { witness } = this.hosts
    const cycle = await this.hosts.begin(load, this.#hear)
    await cycle.underLoad(100)
    await fail()
    const { code, signal, stderr } = await cycle.ended
    assert.deepEqual([code, signal, stderr], [0, null, ''])
    assert.equal(witness.unconfirmed, 0, 'every send got its outcome')
    assert.deepEqual(witness.violations, [])
    await cycle.kill()
  }

  async assertNothingLost(): Promise<void> {
    const { hosts } = this
    reboot(this.directory)
    await hosts.drain()
    hosts.witness.conclude(hosts.partitions)
    assert.deepEqual(hosts.witness.violations, [])
  }
}

for (const [name, left] of Object.entries(journal)) {
  test(`EIO from everything (journal ${name})`, withLoopDevices(60_000), async (t) => {
    const disk = new LoopFileSystem({ mib: 64 })
    cleanups.push(() => disk.destroy())
    const failing = new Failing(disk)
    await failing.run(() => disk.cutPower(left, () => failing.hosts.witness.powerFails()))
    const { rejections, confirmedAfterwards, health, closed } = failing
    assert.deepEqual([...rejections.keys()].sort(), ['log_failed unknown', 'log_unavailable failed'])
    assert.equal(confirmedAfterwards, 0)
    assert.deepEqual([health, closed], ['failed', 'log_failed'])
    // Not busy: nothing of the store is left open.
    disk.unmount()
    disk.mount()
    await failing.assertNothingLost()
    t.diagnostic(JSON.stringify({ ...Object.fromEntries(rejections), ...failing.hosts.witness.counts }))
  })
}

test('fdatasync fails after writes that succeeded', withLoopDevices(60_000), async (t) => {
  const memory = new MemoryFileSystem(20)
  cleanups.push(() => memory.destroy())
  const disk = new LoopFileSystem({ mib: 64, folder: memory.mountPoint })
  cleanups.push(() => disk.destroy())
  const failing = new Failing(disk)
  const filler = join(memory.mountPoint, 'filler')
  await failing.run(() => {
    const file = openSync(filler, 'w')
    try {
      for (;;) writeSync(file, Buffer.alloc(65_536))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    } finally {
      closeSync(file)
    }
  })
  assert.ok(failing.rejections.has('log_failed unknown'), JSON.stringify([...failing.rejections]))
  // Blocks that are there already can still be written: the repair may succeed, and then the store closes in order.
  assert.ok(['log_failed', ''].includes(failing.closed), failing.closed)
  rmSync(filler)
  disk.unmount()
  disk.mount()
  await failing.assertNothingLost()
  t.diagnostic(JSON.stringify({ ...Object.fromEntries(failing.rejections), ...failing.hosts.witness.counts }))
})
