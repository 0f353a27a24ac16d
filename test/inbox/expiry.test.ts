import assert from 'node:assert/strict'
import type { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import type { SqliteInbox } from '../../src/inbox/sqlite-inbox.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { freshPath, handle, inboxOf, open, transaction } from './support.ts'

const hourMs = 3_600_000
const keepMs = 10 * hourMs

const handleMany = (inbox: SqliteInbox, db: DatabaseSync, name: string, count: number): void => {
  transaction(db, () => {
    for (let i = 0; i < count; i++)
      assert.equal(inbox.handled({ topic: 'clicks', id: `${name}${i}` }, db), true)
  })
}

const count = (db: DatabaseSync, group = 'billing'): number =>
  Number(db.prepare('select count(*) as n from holdfast_inbox where consumer_group = ?').get(group)?.n)

describe('old records', () => {
  it('go when they are older than keepMs, and not before', () => {
    const clock = new ManualClock()
    const db = open()
    const inbox = inboxOf({ keepMs }, clock)
    inbox.create(db)
    handleMany(inbox, db, 'old', 10)
    clock.advance(keepMs)
    handleMany(inbox, db, 'young', 64)
    assert.equal(count(db), 74)
    clock.advance(1)
    handleMany(inbox, db, 'new', 64)
    assert.equal(count(db), 128)
    assert.equal(handle(inbox, db, 'young0'), false)
    assert.equal(handle(inbox, db, 'old0'), true)
  })

  it('go a few at a time, the oldest first, so that no transaction becomes slow', () => {
    const clock = new ManualClock()
    const db = open()
    const inbox = inboxOf({ keepMs }, clock)
    inbox.create(db)
    handleMany(inbox, db, 'a', 500)
    clock.advance(1)
    handleMany(inbox, db, 'b', 12)
    clock.advance(2 * keepMs)
    let before = count(db)
    let most = 0
    for (let i = 0; i < 160; i++) {
      handle(inbox, db, `c${i}`)
      const gone = before + 1 - count(db)
      most = Math.max(most, gone)
      before = count(db)
    }
    assert.equal(most, 128)
    assert.equal(count(db), 160)
  })

  it('of another group stay', () => {
    const clock = new ManualClock()
    const db = open()
    const mail = inboxOf({ group: 'mail', keepMs }, clock)
    const billing = inboxOf({ keepMs }, clock)
    mail.create(db)
    handleMany(mail, db, 'a', 5)
    handleMany(billing, db, 'a', 5)
    clock.advance(2 * keepMs)
    handleMany(billing, db, 'b', 64)
    assert.deepEqual([count(db), count(db, 'mail')], [64, 5])
  })

  it('stay for ever with Infinity', () => {
    const clock = new ManualClock()
    const db = open()
    const inbox = inboxOf({ keepMs: Number.POSITIVE_INFINITY }, clock)
    inbox.create(db)
    handleMany(inbox, db, 'a', 5)
    clock.advance(1000 * keepMs)
    handleMany(inbox, db, 'b', 64)
    assert.equal(count(db), 69)
  })

  it('stay when a message comes again: nothing is deleted then', () => {
    const clock = new ManualClock()
    const db = open()
    const inbox = inboxOf({ keepMs }, clock)
    inbox.create(db)
    handleMany(inbox, db, 'a', 5)
    clock.advance(2 * keepMs)
    for (let i = 0; i < 100; i++) assert.equal(handle(inbox, db, 'a4'), false)
    assert.equal(count(db), 5)
  })
})

describe('time', () => {
  /** The records of a first life, and a second one that begins `awayMs` later. */
  function twoLives(awayMs: number): { db: DatabaseSync; inbox: SqliteInbox; clock: ManualClock } {
    const path = freshPath()
    const first = new ManualClock()
    const before = inboxOf({ keepMs }, first)
    const db = open(path)
    before.create(db)
    handleMany(before, db, 'last', 20)
    db.close()
    const clock = new ManualClock(first.now() + awayMs)
    const inbox = inboxOf({ keepMs }, clock)
    return { db: open(path), inbox, clock }
  }

  it('in which the program did not run does not count', () => {
    const { db, inbox, clock } = twoLives(100 * keepMs)
    handleMany(inbox, db, 'new', 64)
    for (let i = 0; i < 20; i++) assert.equal(handle(inbox, db, `last${i}`), false)
    clock.advance(keepMs + 1)
    handleMany(inbox, db, 'later', 64)
    assert.equal(handle(inbox, db, 'last0'), true)
  })

  it('does not count for a second connection either', () => {
    const { db, inbox } = twoLives(100 * keepMs)
    handleMany(inbox, db, 'new', 1)
    const second = open(db.location() ?? '')
    handleMany(inbox, second, 'more', 64)
    for (let i = 0; i < 20; i++) assert.equal(handle(inbox, second, `last${i}`), false)
  })

  it('that steps forward makes nothing old', () => {
    const clock = new ManualClock()
    const db = open()
    const inbox = inboxOf({ keepMs }, clock)
    inbox.create(db)
    handleMany(inbox, db, 'a', 5)
    clock.stepWall(100 * keepMs)
    handleMany(inbox, db, 'b', 64)
    assert.equal(handle(inbox, db, 'a0'), false)
  })

  it('that steps back makes nothing old', () => {
    const { db, inbox } = twoLives(-100 * keepMs)
    handleMany(inbox, db, 'new', 64)
    assert.equal(handle(inbox, db, 'last0'), false)
  })
})
