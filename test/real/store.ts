/** Opens a store as `connect` does, with segments too small for it: rotation and reclaiming happen all the time. */
import { systemClock } from '../../src/core/clock.ts'
import type { Logger } from '../../src/core/logger.ts'
import { systemRandom } from '../../src/core/random.ts'
import { nodeDisk } from '../../src/disk/node.ts'
import type { Disk, Writer } from '../../src/disk/port.ts'
import { openEmbedded } from '../../src/engines/embedded/index.ts'
import { Holdfast } from '../../src/holdfast.ts'

export const ackSyncMs = 50

export interface SmallStoreOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly reserveBytes: number
  readonly disk?: Disk
  readonly createIfMissing?: boolean
}

const silent = (): void => {}
const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent }

export async function connectSmall(options: SmallStoreOptions): Promise<Holdfast> {
  const ports = { clock: systemClock, random: systemRandom, logger }
  const engine = await openEmbedded({
    disk: nodeDisk,
    createIfMissing: true,
    ackSyncMs,
    bufferBytes: 2 ** 23,
    unsafeNetworkDisk: false,
    ...ports,
    ...options,
  })
  return new Holdfast(engine, ports)
}

/** What a disk was asked to do, and has done. */
export interface DiskWatch {
  appending(): void
  appended(): void
  /** Anything but an append: segments change. */
  changing(): void
  changed(): void
}

/** The real disk, watched. */
export function watched(watch: DiskWatch): Disk {
  return { ...nodeDisk, writer: () => watchedWriter(nodeDisk.writer(), watch) }
}

function watchedWriter(writer: Writer, watch: DiskWatch): Writer {
  // What failed never ends: nothing is proved any more.
  const change = async <Result>(result: Promise<Result>): Promise<Result> => {
    watch.changing()
    const value = await result
    watch.changed()
    return value
  }
  return {
    get syncMs() {
      return writer.syncMs
    },
    allocate: (bytes) => writer.allocate(bytes),
    append(file, position, bytes, how, done) {
      watch.appending()
      writer.append(file, position, bytes, how, (error) => {
        if (error === null) watch.appended()
        else watch.changing()
        done(error)
      })
    },
    create: (path) => change(writer.create(path)),
    open: (path) => change(writer.open(path)),
    release: (file) => change(writer.release(file)),
    rename: (from, to) => change(writer.rename(from, to)),
    remove: (path) => change(writer.remove(path)),
    syncDirectory: (path) => change(writer.syncDirectory(path)),
    close: () => writer.close(),
  }
}
