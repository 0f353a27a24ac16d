import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after } from 'node:test'
import { type SqliteInboxOptions, sqliteInboxOptions } from '../../src/inbox/options.ts'
import type { SqliteDatabase, SqliteStatement } from '../../src/inbox/sqlite-database.ts'
import { SqliteInbox } from '../../src/inbox/sqlite-inbox.ts'
import { ManualClock } from '../support/manual-clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-inbox-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let files = 0

export const freshPath = (): string => join(directory, `${files++}.sqlite`)

/** A connection whose commits are durable, as the documentation asks for. */
export function open(
  path = freshPath(),
  options: ConstructorParameters<typeof DatabaseSync>[1] = {},
): DatabaseSync {
  const db = new DatabaseSync(path, options)
  db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 0')
  return db
}

export function inboxOf(options: Partial<SqliteInboxOptions> = {}, clock = new ManualClock()): SqliteInbox {
  return new SqliteInbox(sqliteInboxOptions.parse({ group: 'billing', ...options }, 'sqliteInbox'), clock)
}

/** Runs `work` in a transaction of its own. */
export function transaction<Result>(db: Pick<SqliteDatabase, 'exec'>, work: () => Result): Result {
  db.exec('begin immediate')
  try {
    const result = work()
    db.exec('commit')
    return result
  } catch (error) {
    db.exec('rollback')
    throw error
  }
}

/** A message of the topic `clicks`, handled in a transaction of its own: whether it was new. */
export const handle = (inbox: SqliteInbox, db: SqliteDatabase, id: string): boolean =>
  transaction(db, () => inbox.handled({ topic: 'clicks', id }, db))

/** What better-sqlite3 has of what the inbox uses, no more: its own name of the property, and rows as plain objects. */
export class BetterSqlite3Shape {
  readonly #db: DatabaseSync

  constructor(path: string) {
    this.#db = open(path)
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  exec(sql: string): this {
    this.#db.exec(sql)
    return this
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#db.prepare(sql)
    return {
      run: (...values) => ({ changes: Number(statement.run(...values).changes), lastInsertRowid: 0 }),
      get: (...values) => {
        const row = statement.get(...values)
        return row === undefined ? undefined : { ...row }
      },
    }
  }
}
