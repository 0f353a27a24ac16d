import assert from 'node:assert/strict'
import type { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BetterSqlite3Shape, freshPath, handle, inboxOf, open, transaction } from './support.ts'

const message = (id: string, topic = 'clicks') => ({ topic, id })

describe('a record', () => {
  for (const [driver, connect] of [
    ['node:sqlite', open],
    ['the shape of better-sqlite3', (path: string) => new BetterSqlite3Shape(path)],
  ] as const) {
    it(`is made once and found again, also by another connection: ${driver}`, () => {
      const path = freshPath()
      const inbox = inboxOf()
      const db = connect(path)
      inbox.create(db)
      assert.equal(handle(inbox, db, 'a'), true)
      assert.equal(handle(inbox, db, 'a'), false)
      const other = connect(path)
      const later = inboxOf()
      later.create(other)
      assert.equal(handle(later, other, 'a'), false)
      assert.equal(handle(later, other, 'b'), true)
    })
  }

  it('goes with the transaction that is rolled back, and with a savepoint', () => {
    const db = open()
    const inbox = inboxOf()
    inbox.create(db)
    db.exec('begin')
    assert.equal(inbox.handled(message('a'), db), true)
    assert.equal(inbox.handled(message('a'), db), false)
    db.exec('rollback; begin; savepoint one')
    assert.equal(inbox.handled(message('a'), db), true)
    db.exec('rollback to one')
    assert.equal(inbox.handled(message('a'), db), true)
    db.exec('commit')
    assert.equal(handle(inbox, db, 'a'), false)
  })

  it('is of one topic, one group and exactly these letters', () => {
    const db = open()
    const billing = inboxOf()
    const mail = inboxOf({ group: 'mail' })
    billing.create(db)
    const ids = ['7', '07', '7.0', 'a', 'A', 'a ', 'ä', 'a\u0308', 'a\0b', 'a\0c', '']
    const all = () =>
      transaction(db, () =>
        [billing, mail].map((inbox) =>
          ['clicks', 'Clicks'].map((topic) => ids.map((id) => inbox.handled(message(id, topic), db))),
        ),
      )
    assert.deepEqual(new Set(all().flat(2)), new Set([true]))
    assert.deepEqual(new Set(all().flat(2)), new Set([false]))
  })

  it('is where the options say', () => {
    const db = open()
    const inbox = inboxOf({ table: 'order' })
    inbox.create(db)
    handle(inbox, db, 'a')
    assert.deepEqual(
      { ...db.prepare('select consumer_group, topic, message_id from "order"').get() },
      {
        consumer_group: 'billing',
        topic: 'clicks',
        message_id: 'a',
      },
    )
  })

  it('is in the main database, whatever a temporary table is called', () => {
    const path = freshPath()
    const db = open(path)
    const inbox = inboxOf()
    inbox.create(db)
    db.exec('create temp table holdfast_inbox (consumer_group, topic, message_id, handled_at_ms)')
    handle(inbox, db, 'a')
    const other = open(path)
    assert.equal(handle(inbox, other, 'a'), false)
  })

  it('of a transaction that is still open keeps another connection out', () => {
    const path = freshPath()
    const [first, second] = [open(path), open(path)]
    const inbox = inboxOf()
    inbox.create(first)
    first.exec('begin')
    second.exec('begin')
    assert.equal(inbox.handled(message('a'), first), true)
    assert.throws(() => inbox.handled(message('a'), second), /locked/)
    first.exec('commit')
    second.exec('rollback')
    assert.equal(handle(inbox, second, 'a'), false)
  })

  it('is found by connections that give arrays or bigints', () => {
    for (const options of [{ returnArrays: true }, { readBigInts: true }]) {
      const db = open(freshPath(), options)
      const inbox = inboxOf()
      inbox.create(db)
      assert.equal(handle(inbox, db, 'a'), true)
      assert.equal(handle(inbox, db, 'a'), false)
    }
  })

  it('survives that a connection is closed and opened again: one call fails, the next does not', () => {
    const db = open()
    const inbox = inboxOf()
    inbox.create(db)
    handle(inbox, db, 'a')
    db.close()
    db.open()
    db.exec('pragma synchronous = full')
    assert.throws(() => handle(inbox, db, 'a'), /finalized/)
    assert.equal(handle(inbox, db, 'a'), false)
  })
})

it('whatever is delivered, committed and rolled back, each effect happens once', () => {
  const deliveries = fc.array(
    fc.record({ id: fc.integer({ min: 0, max: 5 }), ending: fc.integer({ min: 0, max: 3 }) }),
    {
      maxLength: 40,
    },
  )
  fc.assert(
    fc.property(deliveries, (list) => {
      const db = open(':memory:')
      db.exec('create table effects (id)')
      const inbox = inboxOf()
      inbox.create(db)
      const committed = new Set<number>()
      for (const { id, ending } of list) {
        db.exec('begin')
        const isNew = inbox.handled(message(`m${id}`), db)
        assert.equal(isNew, !committed.has(id))
        if (isNew) db.prepare('insert into effects values (?)').run(id)
        db.exec(ending === 0 ? 'rollback' : 'commit')
        if (ending !== 0) committed.add(id)
      }
      assert.deepEqual(ids(db), [...committed].sort())
      db.close()
    }),
    { numRuns: 200 },
  )
})

const ids = (db: DatabaseSync) =>
  db
    .prepare('select id from effects order by id')
    .all()
    .map(({ id }) => Number(id))
