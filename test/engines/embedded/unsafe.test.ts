import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import type { Logger } from '../../../src/core/logger.ts'
import type { SimulatedDisk } from '../../../src/disk/simulated.ts'
import { directory, openEngine, simulatedDisk } from './support.ts'

/** A disk whose directories lie on a network file system. */
function networkDisk(): SimulatedDisk {
  const disk = simulatedDisk()
  disk.networkFileSystem = () => 'nfs'
  return disk
}

/** What is said while a store is opened and closed. */
async function heardAt(disk: SimulatedDisk, unsafeNetworkDisk: boolean) {
  const events: unknown[] = []
  const warnings: string[] = []
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: (_fields: unknown, text?: string) => warnings.push(String(text)),
    error: () => {},
  }
  const listen = (event: unknown) => events.push(event)
  subscribe('holdfast:unsafe-setting', listen)
  try {
    const engine = await openEngine(disk, { unsafeNetworkDisk, logger })
    await engine.close()
  } finally {
    unsubscribe('holdfast:unsafe-setting', listen)
  }
  return { events, warnings }
}

describe('unsafeNetworkDisk', () => {
  test('on a network file system is published, and the logger warns', async () => {
    const { events, warnings } = await heardAt(networkDisk(), true)
    const reason = 'locks and syncs of a network file system (nfs) may not hold: messages can be lost'
    assert.deepEqual(events, [{ where: directory, setting: 'unsafeNetworkDisk', reason }])
    assert.deepEqual(warnings, [`${directory}: ${reason}`])
  })

  test('on a local one is published and no reason to warn', async () => {
    const { events, warnings } = await heardAt(simulatedDisk(), true)
    assert.equal(events.length, 1)
    assert.deepEqual(warnings, [])
  })

  test('is silent where it is not set; a network file system is refused then', async () => {
    assert.deepEqual(await heardAt(simulatedDisk(), false), { events: [], warnings: [] })
    await assert.rejects(heardAt(networkDisk(), false), { code: 'network_file_system' })
  })
})
