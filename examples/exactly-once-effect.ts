/**
 * A delivery can come twice: after a crash, or when a handler failed half way. The effect need not. Here the inbox records the
 * message in the same transaction as the charge, so that the second delivery changes nothing.
 */
import { DatabaseSync } from 'node:sqlite'
import { connect, topic } from 'holdfast'
import { sqliteInbox } from 'holdfast/sqlite'

const orders = topic.unchecked<{ cents: number }>('orders')
const holdfast = await connect('./data')

const books = new DatabaseSync('books.sqlite')
books.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
books.exec('CREATE TABLE IF NOT EXISTS charges (account TEXT, cents INTEGER)')
const insert = books.prepare('INSERT INTO charges VALUES (?, ?)')
const inbox = sqliteInbox({ group: 'billing' })
inbox.create(books)

/** One transaction, without an await in it: the connection is shared by all handlers. */
function transaction(work: () => void): void {
  books.exec('BEGIN IMMEDIATE')
  try {
    work()
    books.exec('COMMIT')
  } catch (error) {
    if (books.isTransaction) books.exec('ROLLBACK')
    throw error
  }
}

let deliveries = 0
const consumer = await holdfast.consume(
  { topic: orders, group: 'billing', backoffMs: [10] },
  async (message) => {
    deliveries++
    transaction(() => {
      if (inbox.handled(message, books)) insert.run(message.key, message.body.cents)
    })
    // The charge is in the books, and the handler fails all the same: the message comes again.
    if (deliveries === 1) throw new Error('the connection broke')
  },
)

const producer = await holdfast.producer()
await producer.send({ topic: orders, key: 'account-7', body: { cents: 250 } })
while ((await holdfast.groups.get('orders', 'billing')).lag > 0) {
  await new Promise((resolve) => setTimeout(resolve, 10))
}
await consumer.close()

const [row] = books.prepare('SELECT count(*) AS charges, sum(cents) AS cents FROM charges').all()
console.log(`${deliveries} deliveries, ${row?.charges} charge, ${row?.cents} cents`)
books.close()
await holdfast.close()

// prints:
// 2 deliveries, 1 charge, 250 cents
