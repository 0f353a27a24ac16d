/** How a service begins and ends: one store, one producer for everybody, a consumer, and time to finish at the end. */
import { once } from 'node:events'
import { connect, topic } from 'holdfast'

const stop = once(process, 'SIGTERM')
const mails = topic.unchecked<{ to: string }>('mails')
const holdfast = await connect(process.env.HOLDFAST_URL ?? './data')

const consumer = await holdfast.consume(
  { topic: mails, group: 'mailer', concurrency: 4 },
  async (message) => {
    console.log(`mail to ${message.body.to}`)
  },
)
// The store failed for good: say so, and let whatever supervises this process start it again.
void consumer.closed.then(({ error }) => {
  if (error !== null) process.exitCode = 1
})

const producer = await holdfast.producer({ id: 'shop' })
await producer.send({ topic: mails, body: { to: 'anna@example.com' } })

await stop
// Handlers that run are waited for, at most 10 s; what is left is delivered again at the next start.
const { handled, unfinished, unconfirmed } = await holdfast.close({ timeoutMs: 10_000 })
console.log(`${handled} handled, ${unfinished} unfinished, ${unconfirmed} unconfirmed`)

// prints, when it gets SIGTERM after the first line:
// mail to anna@example.com
// 1 handled, 0 unfinished, 0 unconfirmed
