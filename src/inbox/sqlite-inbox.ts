import type { Clock } from '../core/clock.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import { checkGroupName, typeName } from '../core/names.ts'
import type { Values } from '../core/options.ts'
import type { sqliteInboxOptions } from './options.ts'
import {
  isInTransaction,
  readValue,
  type SqliteDatabase,
  type SqliteStatement,
  undoableCommits,
} from './sqlite-database.ts'

type Settings = Values<typeof sqliteInboxOptions.rules>

/** Prepared once per connection. */
interface Statements {
  readonly record: SqliteStatement
  /** Null: records stay for ever. */
  readonly expire: SqliteStatement | null
}

const columns = 'consumer_group TEXT, topic TEXT, message_id TEXT, handled_at_ms INTEGER'
/** Looking for old records costs half as much as making one, so not every call looks. */
const recordsPerExpiry = 32
/** More than are made in between, so that the table gets smaller after `keepMs` was lowered; few enough for any transaction. */
const expiredAtOnce = 128

/** Records of handled messages in the user's own SQLite database, made in the transaction of the work itself. */
export class SqliteInbox {
  /**
   * The SQL that makes the table and its index where they are missing, for a program that keeps its schema in
   * migrations.
   */
  readonly schema: string
  readonly #settings: Settings
  readonly #clock: Clock
  readonly #prepared = new WeakMap<SqliteDatabase, Statements>()
  /** The group's last record when this object first met a database, and the monotonic time of that moment. */
  #resumed: { readonly lastMs: number; readonly atMs: number } | null = null
  #recorded = 0

  constructor(settings: Settings, clock: Clock) {
    checkGroupName(settings.group)
    this.#settings = settings
    this.#clock = clock
    this.schema = schemaOf(settings.table)
  }

  /**
   * Makes the table where it is missing, and checks everything that `handled` relies on: to be called before the
   * consumer starts. A program that makes the table in a migration may leave it out, and learns what is wrong with its
   * connection from the first `handled`.
   *
   * @throws TypeError when `db` is not a database of node:sqlite or better-sqlite3.
   * @throws HoldfastError `inbox_unusable` when the table has another shape, or when a power cut can undo commits.
   */
  create(db: SqliteDatabase): void {
    isInTransaction(db, 'create')
    db.exec(this.schema)
    this.#prepare(db)
  }

  /**
   * To be called first in the transaction of the work, which may go on only when it returns true: the message is now
   * recorded as handled, by this transaction, and is forgotten with it when it is rolled back. False: an earlier transaction
   * did the work already; end this one, and let the handler resolve.
   *
   * @throws TypeError outside of a transaction, or when the arguments are not a message and a database.
   * @throws HoldfastError `inbox_unusable` when the table is missing or has another shape, or when a power cut can
   * undo commits.
   */
  handled(message: Pick<Message, 'topic' | 'id'>, db: SqliteDatabase): boolean {
    const { topic, id } = checkedMessage(message)
    if (!isInTransaction(db, 'handled')) {
      throw new TypeError(
        'handled: db has no open transaction; without one a crash between the record and the work loses the work',
      )
    }
    const statements = this.#prepared.get(db) ?? this.#prepare(db)
    try {
      const nowMs = this.#clock.now()
      const { changes } = statements.record.run(this.#settings.group, topic, id, nowMs)
      if (Number(changes) === 0) return false
      if (this.#recorded++ % recordsPerExpiry === 0)
        statements.expire?.run(this.#settings.group, this.#expiryMs(nowMs))
      return true
    } catch (error) {
      // A connection that was closed and opened again, or whose table was dropped, needs new statements.
      this.#prepared.delete(db)
      throw error
    }
  }

  #prepare(db: SqliteDatabase): Statements {
    const { group, table, keepMs, unsafeCommits } = this.#settings
    const found = readValue(
      db,
      `select group_concat(name || ' ' || upper(type), ', ') from pragma_table_info(?, 'main')`,
      table,
    )
    if (found === null) throw unusable(`the main database has no table ${table}`, missingAdvice)
    if (found !== columns)
      throw unusable(`the columns of ${table} are ${found}; needed are ${columns}`, shapeAdvice)
    const undoable = unsafeCommits ? null : undoableCommits(db)
    if (undoable !== null) {
      throw unusable(`a power cut can take back what this database has committed (${undoable})`, commitAdvice)
    }
    const statements = prepared(db, table, keepMs)
    const lastMs = readValue(
      db,
      `select max(handled_at_ms) from main."${table}" where consumer_group = ?`,
      group,
    )
    this.#resumed ??= { lastMs: Number(lastMs ?? this.#clock.now()), atMs: this.#clock.monotonic() }
    this.#prepared.set(db, statements)
    return statements
  }

  /**
   * What was recorded before it is old. The time in which the program did not run does not count: what it handled last is
   * what comes again first, however long it was away. Nor does a clock that steps forward.
   */
  #expiryMs(nowMs: number): number {
    const { lastMs, atMs } = this.#resumed ?? { lastMs: nowMs, atMs: this.#clock.monotonic() }
    const ranUntilMs = lastMs + (this.#clock.monotonic() - atMs)
    return Math.floor(Math.min(nowMs, ranUntilMs)) - this.#settings.keepMs
  }
}

function schemaOf(table: string): string {
  return `create table if not exists "${table}" (
  consumer_group text not null,
  topic text not null,
  message_id text not null,
  handled_at_ms integer not null,
  primary key (consumer_group, topic, message_id)
) strict, without rowid;
create index if not exists "${table}_handled_at" on "${table}" (consumer_group, handled_at_ms);
`
}

function prepared(db: SqliteDatabase, table: string, keepMs: number): Statements {
  const key = 'consumer_group, topic, message_id'
  // SQLite refuses to prepare these where the key is another one, or compares letters otherwise, or the index is missing:
  // ids that only look alike would pass for one, and a call would read the whole table.
  const binaryKey = key.replaceAll(/\w+/g, '$& collate binary')
  try {
    const record = db.prepare(
      `insert into main."${table}" (${key}, handled_at_ms) values (?, ?, ?, ?) on conflict (${binaryKey}) do nothing`,
    )
    if (keepMs === Number.POSITIVE_INFINITY) return { record, expire: null }
    const expire = db.prepare(
      `delete from main."${table}" where (${key}) in (
        select ${key} from main."${table}" indexed by "${table}_handled_at"
        where consumer_group = ? and handled_at_ms < ? order by handled_at_ms limit ${expiredAtOnce})`,
    )
    return { record, expire }
  } catch (cause) {
    throw unusable(
      `the table ${table} has another key or no index: ${(cause as Error).message}`,
      shapeAdvice,
      cause,
    )
  }
}

const missingAdvice =
  'Call create(db) before the consumer starts, or put the SQL of inbox.schema into a migration.'
const shapeAdvice = 'Give the inbox a table of its own, made by create(db) or by the SQL of inbox.schema.'
const commitAdvice =
  'Run `PRAGMA journal_mode = WAL` and `PRAGMA synchronous = FULL` on every connection. unsafeCommits overrides it.'

function unusable(what: string, advice: string, cause?: unknown): HoldfastError {
  return new HoldfastError('inbox_unusable', `inbox: ${what}`, { advice, cause })
}

function checkedMessage(message: Pick<Message, 'topic' | 'id'>): { topic: string; id: string } {
  const { topic, id } = message ?? {}
  if (typeof topic === 'string' && typeof id === 'string') return { topic, id }
  throw new TypeError(`handled: the message comes first, with topic and id; this is ${typeName(message)}`)
}
