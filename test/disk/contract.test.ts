import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom } from '../../src/core/random.ts'
import { FaultyDisk } from '../../src/disk/faulty.ts'
import { nodeDisk } from '../../src/disk/node.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { diskContract } from '../support/disk-contract.ts'

diskContract('node', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
  return { disk: nodeDisk, directory, dispose: () => rm(directory, { recursive: true }) }
})

for (const sectorBytes of [512, 4096] as const) {
  diskContract(`simulated, ${sectorBytes}-byte sectors`, async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1), sectorBytes })
    await disk.createDirectory('/data')
    return { disk, directory: '/data' }
  })
}

diskContract('faulty without rules', async () => {
  const disk = new FaultyDisk(new SimulatedDisk({ random: new SeededRandom(2), sectorBytes: 512 }))
  await disk.createDirectory('/data')
  return { disk, directory: '/data' }
})
