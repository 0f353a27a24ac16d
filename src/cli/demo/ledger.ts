import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type SqliteInbox, sqliteInbox } from '../../inbox/sqlite.ts'
import { billingGroup, clickTopic } from './clicks.ts'

/** A charge as it stands in the books. */
export interface Charge {
  readonly messageId: string
  readonly click: number
  readonly advertiser: string
  readonly cents: number
}

export interface LedgerOptions {
  /** Charge what an inbox in the same file has not recorded yet. Otherwise every delivery is charged. */
  readonly oncePerMessage: boolean
}

/** The biller's books: an SQLite file. */
export class Ledger {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync
  readonly #suppress: StatementSync
  readonly #inbox: SqliteInbox | null

  constructor(path: string, options: LedgerOptions) {
    this.#database = new DatabaseSync(path)
    // Each transaction is on the disk when it returns: what is acknowledged after it cannot be taken back.
    this.#database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000')
    this.#database.exec(`
      create table if not exists charges (
        message_id text not null, click integer not null, advertiser text not null, cents integer not null
      ) strict;
      create table if not exists suppressed (messages integer not null) strict;
      insert into suppressed select 0 where not exists (select 1 from suppressed);
    `)
    this.#insert = this.#database.prepare('insert into charges values (?, ?, ?, ?)')
    this.#suppress = this.#database.prepare('update suppressed set messages = messages + ?')
    this.#inbox = options.oncePerMessage ? sqliteInbox({ group: billingGroup }) : null
    this.#inbox?.create(this.#database)
  }

  /** Books all of them in one transaction. Returns how many had been charged before. */
  charge(charges: readonly Charge[]): number {
    let repeated = 0
    this.#database.exec('begin immediate')
    try {
      for (const charge of charges) {
        const message = { topic: clickTopic, id: charge.messageId }
        if (this.#inbox?.handled(message, this.#database) === false) repeated++
        else this.#insert.run(charge.messageId, charge.click, charge.advertiser, charge.cents)
      }
      if (repeated > 0) this.#suppress.run(repeated)
      this.#database.exec('commit')
    } catch (error) {
      this.#database.exec('rollback')
      throw error
    }
    return repeated
  }

  /** Deliveries of messages that had been charged before, over the life of the file. */
  suppressed(): number {
    const row = this.#database.prepare('select messages from suppressed').get()
    return Number(row?.messages ?? 0)
  }

  *charges(): Generator<Charge> {
    const rows = this.#database.prepare('select message_id, click, advertiser, cents from charges').iterate()
    for (const row of rows) {
      yield {
        messageId: String(row.message_id),
        click: Number(row.click),
        advertiser: String(row.advertiser),
        cents: Number(row.cents),
      }
    }
  }

  close(): void {
    this.#database.close()
  }
}
