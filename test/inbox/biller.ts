/**
 * A process that bills: `node biller.ts DIRECTORY MOMENT`. It ends itself with SIGKILL at that moment of its tenth charge, or,
 * where no moment is named, when everything is handled.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteInbox } from '../../src/inbox/sqlite.ts'
import { connect, topic } from '../../src/index.ts'

const [directory = '', moment = ''] = process.argv.slice(2)
const clicks = topic.unchecked<{ cents: number }>('clicks')
const group = 'billing'
const messages = 60
const killAt = 10

const db = new DatabaseSync(join(directory, 'books.sqlite'))
db.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table if not exists charges (message_id text, cents integer);
  create table if not exists deliveries (message_id text);
`)
const inbox = sqliteInbox({ group })
inbox.create(db)
const deliver = db.prepare('insert into deliveries values (?)')
const charge = db.prepare('insert into charges values (?, ?)')

let charges = 0
function dieAt(now: string): void {
  if (now === moment && charges === killAt) process.kill(process.pid, 'SIGKILL')
}

const holdfast = await connect(join(directory, 'store'))
if ((await holdfast.topics.list()).length === 0) {
  const producer = await holdfast.producer()
  const one = (n: number) => ({ topic: clicks, key: `key-${n % 7}`, body: { cents: n } })
  await producer.sendAll(Array.from({ length: messages }, (_, i) => one(i + 1)))
}
await holdfast.consume({ topic: clicks, group, concurrency: 4 }, (message) => {
  deliver.run(message.id)
  db.exec('begin immediate')
  try {
    if (inbox.handled(message, db)) {
      charges++
      charge.run(message.id, message.body.cents)
    }
    dieAt('before the commit')
    db.exec('commit')
  } catch (error) {
    db.exec('rollback')
    throw error
  }
  dieAt('after the commit')
})

while ((await holdfast.groups.get('clicks', group)).lag > 0) await sleep(5)
await holdfast.close()
