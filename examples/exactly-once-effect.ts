/**
 * A delivery can come twice: after a crash, or when a handler failed half way. The effect need not. Here the message's id goes
 * into the same transaction as the charge, so that the second delivery changes nothing.
 */
import { DatabaseSync } from 'node:sqlite'
import { connect, topic } from 'holdfast'

const orders = topic.unchecked<{ cents: number }>('orders')
const holdfast = await connect('./data')

const books = new DatabaseSync('books.sqlite')
books.exec('CREATE TABLE IF NOT EXISTS charges (message_id TEXT PRIMARY KEY, account TEXT, cents INTEGER)')
const insert = books.prepare('INSERT OR IGNORE INTO charges VALUES (?, ?, ?)')

let deliveries = 0
const consumer = await holdfast.consume(
  { topic: orders, group: 'billing', backoffMs: [10] },
  async (message) => {
    deliveries++
    insert.run(message.id, message.key, message.body.cents)
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
