/** Whose directory it is, whether it may be used, and errors a person can act on. */
import { HoldfastError, isHoldfastError } from '../core/errors.ts'
import type { DirectoryLock, Disk } from '../disk/port.ts'
import { readOwner } from './owner.ts'

/** What a directory of ours may hold before it is complete, and while it is. */
const ownNames = new Set(['lock', 'log', 'tails', 'OWNER', 'OWNER.tmp'])

/** Whether a store lives in the directory; throws where something else does. */
export async function isStore(disk: Disk, directory: string): Promise<boolean> {
  const names = await disk.list(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (names.includes('OWNER')) return true
  const foreign = names.find((name) => !ownNames.has(name))
  if (foreign !== undefined) {
    throw new HoldfastError(
      'directory_not_holdfast',
      `${directory} holds '${foreign}', which is not Holdfast's`,
    )
  }
  if (names.includes('log') && (await disk.list(`${directory}/log`)).some((name) => name.endsWith('.seg'))) {
    throw new HoldfastError('corrupt', `${directory} holds a log but no file OWNER`)
  }
  return false
}

/** Takes the lock; says which process has it otherwise. */
export async function lockDirectory(disk: Disk, directory: string): Promise<DirectoryLock> {
  try {
    return await disk.lock(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error
    const owner = await readOwner(disk, directory).catch(() => null)
    const who = owner === null ? 'another process' : `process ${owner.pid}`
    throw new HoldfastError('directory_in_use', `${directory} is in use by ${who}`, { cause: error })
  }
}

/** What the operating system said, in terms of the directory; anything else is a mistake of ours and stays what it is. */
export function explained(error: unknown, directory: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (isHoldfastError(error) || typeof code !== 'string') return error
  const because = { cause: error }
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new HoldfastError('directory_unreadable', `no permission to use ${directory} (${code})`, because)
    case 'EROFS':
      return new HoldfastError('directory_read_only', `${directory} is on a read-only file system`, because)
    case 'ENOSPC':
    case 'EDQUOT':
      return new HoldfastError('disk_full', `no space to open ${directory} (${code})`, because)
    case 'ENOTDIR':
      return new HoldfastError('directory_not_holdfast', `${directory} is not a directory`, because)
    default:
      return new HoldfastError('io_failed', `${directory}: ${message}`, because)
  }
}
