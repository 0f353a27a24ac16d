/** The store on other disks than `connect` takes. */
import { systemClock } from '../src/core/clock.ts'
import { quietLogger } from '../src/core/logger.ts'
import { systemRandom } from '../src/core/random.ts'
import { nodeDisk } from '../src/disk/node.ts'
import type { Disk } from '../src/disk/port.ts'
import { openEmbedded } from '../src/engines/embedded/index.ts'
import { Holdfast } from '../src/holdfast.ts'

export interface Counts {
  reads: number
  /** Appends that the disk reported done together: what one sync served, or a few at once. */
  groups: number
}

/** What `connect` opens with its defaults, on another disk. */
export async function connectOn(disk: Disk, directory: string): Promise<Holdfast> {
  const parts = { clock: systemClock, random: systemRandom, logger: quietLogger }
  const engine = await openEmbedded({
    ...parts,
    disk,
    directory,
    segmentBytes: 64 * 1024 * 1024,
    reserveBytes: 64 * 1024 * 1024,
    bufferBytes: 8 * 1024 * 1024,
    ackSyncMs: 50,
    unsafeNetworkDisk: false,
    createIfMissing: true,
  })
  return new Holdfast(engine, parts)
}

/** The same on the real one, counted. */
export async function connectCounting(
  directory: string,
): Promise<{ readonly holdfast: Holdfast; readonly counts: Counts }> {
  const counts: Counts = { reads: 0, groups: 0 }
  return { holdfast: await connectOn(countingDisk(counts), directory), counts }
}

function countingDisk(counts: Counts): Disk {
  return {
    ...nodeDisk,
    async open(path) {
      const file = await nodeDisk.open(path)
      return {
        path,
        size: () => file.size(),
        close: () => file.close(),
        read: (position, length) => {
          counts.reads++
          return file.read(position, length)
        },
      }
    },
    writer() {
      const writer = nodeDisk.writer()
      const append = writer.append.bind(writer)
      let isCounted = false
      const next = (): void => {
        isCounted = false
      }
      writer.append = (file, position, bytes, how, done) =>
        append(file, position, bytes, how, (error) => {
          if (!isCounted) {
            isCounted = true
            counts.groups++
            queueMicrotask(next)
          }
          done(error)
        })
      return writer
    },
  }
}
