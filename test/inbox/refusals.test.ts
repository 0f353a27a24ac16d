import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import { sqliteInbox } from '../../src/inbox/sqlite.ts'
import { BetterSqlite3Shape, freshPath, inboxOf, open, transaction } from './support.ts'

const message = { topic: 'clicks', id: 'a' }

const unusable = (text: RegExp) => (error: unknown) => {
  assert.ok(isHoldfastError(error))
  assert.equal(error.code, 'inbox_unusable')
  assert.match(error.message, text)
  assert.equal(error.retryable, false)
  return true
}

describe('handled refuses', () => {
  it('to record outside of a transaction', () => {
    const inbox = inboxOf()
    for (const db of [open(), new BetterSqlite3Shape(freshPath())]) {
      inbox.create(db)
      assert.throws(() => inbox.handled(message, db), { name: 'TypeError', message: /no open transaction/ })
      transaction(db, () => inbox.handled(message, db))
      assert.throws(() => inbox.handled(message, db), { name: 'TypeError', message: /no open transaction/ })
    }
  })

  it('what is no database of the two drivers, and says what it got', () => {
    const inbox = inboxOf()
    class Pool {
      query() {}
    }
    for (const [db, said] of [
      [undefined, 'undefined'],
      [null, 'null'],
      ['books.sqlite', 'string'],
      [{}, 'object'],
      [new Pool(), 'Pool'],
      [{ exec() {}, prepare() {} }, 'object'],
      [message, 'object'],
    ] as const) {
      const expected = {
        name: 'TypeError',
        message: new RegExp(`node:sqlite or better-sqlite3, not ${said}$`),
      }
      assert.throws(() => inbox.handled(message, db as unknown as DatabaseSync), expected)
      assert.throws(() => inbox.create(db as unknown as DatabaseSync), expected)
    }
  })

  it('what is no message, arguments in the wrong order among them', () => {
    const db = open()
    const inbox = inboxOf()
    inbox.create(db)
    db.exec('begin')
    for (const wrong of [
      undefined,
      null,
      'a',
      { id: 'a' },
      { topic: 'clicks' },
      { topic: 'clicks', id: 7 },
      db,
    ]) {
      assert.throws(() => inbox.handled(wrong as unknown as typeof message, db), {
        name: 'TypeError',
        message: /the message comes first/,
      })
    }
  })
})

describe('the table', () => {
  const columns = 'consumer_group text, topic text, message_id text, handled_at_ms integer'
  const key = 'primary key (consumer_group, topic, message_id)'
  const index = 'create index holdfast_inbox_handled_at on holdfast_inbox (consumer_group, handled_at_ms)'

  it('that is missing is named, with what to do', () => {
    const db = open()
    const check = unusable(/^inbox: the main database has no table holdfast_inbox$/)
    assert.throws(() => transaction(db, () => inboxOf().handled(message, db)), check)
    db.exec('create temp table holdfast_inbox (a)')
    assert.throws(() => transaction(db, () => inboxOf().handled(message, db)), check)
  })

  it('is made by the SQL that the page on the inbox shows', () => {
    const page = readFileSync(new URL('../../docs/inbox.md', import.meta.url), 'utf8')
    assert.equal(/^```sql\n([\s\S]*?)^```$/m.exec(page)?.[1], inboxOf().schema)
  })

  it('may come from a migration', () => {
    const db = open()
    const inbox = inboxOf()
    db.exec(inbox.schema)
    assert.equal(
      transaction(db, () => inbox.handled(message, db)),
      true,
    )
    inbox.create(db)
    assert.equal(
      transaction(db, () => inbox.handled(message, db)),
      false,
    )
  })

  it('that was made in a transaction and rolled back with it is missing', () => {
    const db = open()
    const inbox = inboxOf()
    db.exec('begin')
    inbox.create(db)
    db.exec('rollback')
    for (const text of [/no such table/, /has no table/]) {
      assert.throws(() => transaction(db, () => inbox.handled(message, db)), text)
    }
  })

  for (const [what, sql, said] of [
    [
      'other columns',
      'create table holdfast_inbox (message_id text primary key)',
      /columns of holdfast_inbox are message_id TEXT; needed/,
    ],
    [
      'a number for an id',
      `create table holdfast_inbox (${columns.replace('message_id text', 'message_id integer')}, ${key}); ${index}`,
      /message_id INTEGER/,
    ],
    ['no key', `create table holdfast_inbox (${columns}); ${index}`, /another key/],
    [
      'another key',
      `create table holdfast_inbox (${columns}, primary key (message_id)); ${index}`,
      /another key/,
    ],
    [
      'ids without case',
      `create table holdfast_inbox (${columns.replace('message_id text', 'message_id text collate nocase')}, ${key}); ${index}`,
      /another key/,
    ],
    ['no index', `create table holdfast_inbox (${columns}, ${key})`, /no index/],
  ] as const) {
    it(`with ${what} is refused, and stays as it is`, () => {
      const db = open()
      db.exec(sql)
      assert.throws(() => transaction(db, () => inboxOf().handled(message, db)), unusable(said))
      assert.deepEqual(Number(db.prepare('select count(*) as n from holdfast_inbox').get()?.n), 0)
    })
  }

  it('of another shape is refused by create', () => {
    const db = open()
    db.exec('create table holdfast_inbox (consumer_group text, handled_at_ms integer)')
    assert.throws(() => inboxOf().create(db), unusable(/needed are/))
  })
})

describe('commits', () => {
  const settings = (journal: string, synchronous: string) => {
    const db = new DatabaseSync(freshPath())
    db.exec(`pragma journal_mode = ${journal}; pragma synchronous = ${synchronous}`)
    return db
  }

  for (const [journal, synchronous] of [
    ['wal', 'normal'],
    ['wal', 'off'],
    ['delete', 'full'],
    ['delete', 'normal'],
    ['truncate', 'normal'],
  ] as const) {
    it(`of ${journal} with ${synchronous} are refused, unless that was asked for`, () => {
      const db = settings(journal, synchronous)
      const said = unusable(
        new RegExp(`journal_mode = ${journal}, synchronous = ${synchronous.toUpperCase()}`),
      )
      assert.throws(() => inboxOf().create(db), said)
      assert.throws(() => transaction(db, () => inboxOf().handled(message, db)), said)
      const inbox = inboxOf({ unsafeCommits: true })
      assert.equal(
        transaction(db, () => inbox.handled(message, db)),
        true,
      )
    })
  }

  for (const [journal, synchronous] of [
    ['wal', 'full'],
    ['wal', 'extra'],
    ['delete', 'extra'],
    ['truncate', 'full'],
    ['persist', 'full'],
  ] as const) {
    it(`of ${journal} with ${synchronous} are taken`, () => {
      const db = settings(journal, synchronous)
      inboxOf().create(db)
      assert.equal(
        transaction(db, () => inboxOf().handled(message, db)),
        true,
      )
    })
  }
})

describe('options', () => {
  it('are all checked at once', () => {
    const wrong = { group: '', table: 'a b', keepMs: 5, keep: 1 } as unknown as { group: string }
    assert.throws(
      () => sqliteInbox(wrong),
      (error) => {
        assert.ok(isHoldfastError(error))
        assert.equal(error.code, 'invalid_option')
        assert.match(
          error.message,
          /^sqliteInbox: keep is no option.*; group is "".*; table is "a b".*; keepMs is 5/,
        )
        return true
      },
    )
  })

  it('name a group as consume does', () => {
    assert.throws(() => sqliteInbox({ group: 'a b' }), { code: 'invalid_name' })
    assert.throws(() => sqliteInbox({} as { group: string }), /group is missing/)
  })

  it('take a table that is an SQL word, and none that is not one word', () => {
    for (const table of ['a"b', 'sqlite_x', '1a', '', 'main.a']) {
      assert.throws(() => sqliteInbox({ group: 'g', table }), { code: 'invalid_option' }, table)
    }
    sqliteInbox({ group: 'g', table: 'select' }).create(open())
  })

  it('take Infinity and whole numbers from an hour on', () => {
    for (const keepMs of [3_600_000, Number.POSITIVE_INFINITY]) sqliteInbox({ group: 'g', keepMs })
    for (const keepMs of [0, 3_599_999, 3_600_000.5, Number.NaN, -1]) {
      assert.throws(() => sqliteInbox({ group: 'g', keepMs }), { code: 'invalid_option' }, String(keepMs))
    }
  })
})
