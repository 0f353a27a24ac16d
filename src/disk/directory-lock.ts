import type { DatabaseSync } from 'node:sqlite'
import { systemError } from './errors.ts'
import type { DirectoryLock } from './port.ts'

type Sqlite = typeof import('node:sqlite')

const sqliteBusy = 5

/** A lock must live as long as the process, also when whoever took it keeps no reference to it. */
const held = new Set<DatabaseSync>()

/**
 * An exclusive SQLite transaction on a file of its own: the kernel frees it however the process dies,
 * and it holds between containers that share the directory. Nothing else may open that file: the
 * process loses its lock when it closes any descriptor of it.
 *
 * @throws code 'ELOCKED' when another process, or this one, holds it.
 */
export async function lockFile(path: string): Promise<DirectoryLock> {
  const { DatabaseSync } = await sqlite()
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // The journal stays in memory, so that nothing but the file itself is ever written.
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF')
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (isBusy(error)) throw systemError('ELOCKED', 'lock', path, error)
    throw error
  }
  held.add(database)
  return {
    path,
    async release() {
      if (held.delete(database)) database.close()
    },
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode
  return typeof code === 'number' && (code & 0xff) === sqliteBusy
}

let loaded: Promise<Sqlite> | undefined

/** Loads SQLite without its warning that it is experimental; every other warning is let through. */
function sqlite(): Promise<Sqlite> {
  loaded ??= (async () => {
    const emitWarning = process.emitWarning
    process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
      const [options] = rest
      const type = typeof options === 'object' ? (options as { type?: unknown } | null)?.type : options
      if (type === 'ExperimentalWarning' && String(warning).includes('SQLite')) return
      ;(emitWarning as (...all: unknown[]) => void).call(process, warning, ...rest)
    }) as typeof process.emitWarning
    try {
      return await import('node:sqlite')
    } finally {
      process.emitWarning = emitWarning
    }
  })()
  return loaded
}
