/**
 * `holdfast/sqlite`: effects that happen once. The record that a message was handled is made in the transaction of the
 * work itself, in the user's own database. It loads no driver: it works on the connection it is given.
 */
import { systemClock } from '../core/clock.ts'
import { type SqliteInboxOptions, sqliteInboxOptions } from './options.ts'
import { SqliteInbox } from './sqlite-inbox.ts'

export type { SqliteInboxOptions } from './options.ts'
export type { SqliteDatabase, SqliteStatement } from './sqlite-database.ts'
export type { SqliteInbox } from './sqlite-inbox.ts'

/**
 * An inbox for one group. It holds no connection and nothing open: make it once, use it with any number of connections.
 *
 * @throws HoldfastError `invalid_option`, `invalid_name`.
 */
export function sqliteInbox(options: SqliteInboxOptions): SqliteInbox {
  return new SqliteInbox(sqliteInboxOptions.parse(options, 'sqliteInbox'), systemClock)
}
