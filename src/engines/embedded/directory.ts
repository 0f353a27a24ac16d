/** From a path to an open store. */
import { publish } from '../../core/diagnostics.ts'
import { HoldfastError } from '../../core/errors.ts'
import { explained, isStore, lockDirectory } from '../../log/directory.ts'
import { openLog, type Recovered } from '../../log/recovery.ts'
import type { EmbeddedOptions } from './options.ts'
import { Store, type StoreEvents } from './store.ts'

const lazyWriteMs = 5

/** Opens the directory for writing; rejects with an error of the directory's group, and nothing was changed then. */
export async function openStore(
  options: EmbeddedOptions,
  events: StoreEvents,
): Promise<{ store: Store; recovered: Recovered }> {
  const { directory, disk } = options
  try {
    const network = disk.networkFileSystem(directory)
    if (network !== null && !options.unsafeNetworkDisk) {
      throw new HoldfastError(
        'network_file_system',
        `${directory} lies on a network file system (${network})`,
      )
    }
    if (!(await isStore(disk, directory))) {
      if (!options.createIfMissing)
        throw new HoldfastError('directory_missing', `there is no store in ${directory}`)
      await disk.createDirectory(directory)
    }
    const lock = await lockDirectory(disk, directory)
    const store = new Store(events)
    const { log, recovered } = await openLog(
      { ...options, lazyWriteMs: Math.min(lazyWriteMs, options.ackSyncMs), lazySyncMs: options.ackSyncMs },
      lock,
      store,
    )
    store.attach(log)
    return { store, recovered }
  } catch (error) {
    throw explained(error, directory)
  }
}

/** Says aloud which settings can lose messages, and to the logger which of them matter here. */
export function announceUnsafe(options: EmbeddedOptions): void {
  const { directory, disk, logger, unsafeNetworkDisk } = options
  if (!unsafeNetworkDisk) return
  const setting = 'unsafeNetworkDisk'
  const network = disk.networkFileSystem(directory)
  const reason =
    network === null
      ? 'a network file system would be opened, too; this directory is on a local one'
      : `locks and syncs of a network file system (${network}) may not hold: messages can be lost`
  publish('unsafeSetting', { where: directory, setting, reason })
  if (network !== null) logger.warn({ directory, setting, network }, `${directory}: ${reason}`)
}
