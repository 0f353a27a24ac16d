import { typeName } from '../core/names.ts'

/** What the inbox needs of a connection: `DatabaseSync` of node:sqlite and `Database` of better-sqlite3 have it. */
export type SqliteDatabase = SqliteConnection &
  (
    | { /** node:sqlite */ readonly isTransaction: boolean }
    | { /** better-sqlite3 */ readonly inTransaction: boolean }
  )

interface SqliteConnection {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
}

export interface SqliteStatement {
  run(...values: (string | number)[]): { readonly changes: number | bigint }
  get(...values: (string | number)[]): unknown
}

/** Whether a transaction is open. Throws a TypeError unless `db` is a connection of one of the two drivers. */
export function isInTransaction(db: SqliteDatabase, caller: string): boolean {
  const { exec, prepare, isTransaction, inTransaction } = (db ?? {}) as Partial<
    Record<'exec' | 'prepare' | 'isTransaction' | 'inTransaction', unknown>
  >
  const open = isTransaction ?? inTransaction
  if (typeof exec !== 'function' || typeof prepare !== 'function' || typeof open !== 'boolean') {
    throw new TypeError(
      `${caller}: db must be an open database of node:sqlite or better-sqlite3, not ${described(db)}`,
    )
  }
  return open
}

function described(value: unknown): string {
  const maker = typeof value === 'object' && value !== null ? value.constructor?.name : undefined
  return maker === undefined || maker === 'Object' ? typeName(value) : maker
}

/** The one value a query gives. Drivers can be told to give rows as objects or arrays, and numbers as bigints. */
export function readValue(db: SqliteDatabase, sql: string, ...values: string[]): string | number | null {
  const row = db.prepare(sql).get(...values)
  const [value = null] = Object.values(row ?? {}) as (string | number | bigint | null)[]
  return typeof value === 'bigint' ? Number(value) : value
}

const synchronousNames = ['OFF', 'NORMAL', 'FULL', 'EXTRA']
const full = 2
const extra = 3

/**
 * Null where a commit that returned survives a power cut; otherwise the settings that let it be undone. A rollback journal that
 * is deleted may reappear unless its directory is synced (EXTRA), and WAL is synced by each commit from FULL on.
 */
export function undoableCommits(db: SqliteDatabase): string | null {
  // A driver may have a default of its own for WAL files, which counts from the first read on.
  readValue(db, 'select count(*) from main.sqlite_schema')
  const journal = readValue(db, 'pragma main.journal_mode')
  const synchronous = Number(readValue(db, 'pragma main.synchronous'))
  if (synchronous >= extra || (synchronous === full && journal !== 'delete')) return null
  return `journal_mode = ${journal}, synchronous = ${synchronousNames[synchronous] ?? synchronous}`
}
