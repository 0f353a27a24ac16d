/** What a handler can say: done, again later, never. Nothing is dropped: what is given up becomes a dead letter. */
import { connect, DeadLetter, Retry, topic } from 'holdfast'

const payments = topic.unchecked<{ cents: number }>('payments')
const holdfast = await connect('./data')

await holdfast.consume({ topic: payments, group: 'bank', concurrency: 8 }, async (message, context) => {
  const { cents } = message.body
  // It can never work: no further attempt.
  if (cents <= 0) throw new DeadLetter(`a payment of ${cents} cents`)
  // It works later: wait as long as the other side asked for.
  if (context.attempt === 1) throw new Retry({ afterMs: 20, reason: 'the bank is busy' })
  console.log(`paid ${cents} cents at attempt ${context.attempt}`)
})

const producer = await holdfast.producer()
const results = await producer.sendAll([
  { topic: payments, key: 'anna', body: { cents: 100 } },
  { topic: payments, key: 'bert', body: { cents: -5 } },
])
console.log(results.every((result) => result.ok) ? 'both are stored' : 'look at the errors')

while ((await holdfast.groups.get('payments', 'bank')).lag > 0) {
  await new Promise((resolve) => setTimeout(resolve, 10))
}
for await (const dead of holdfast.deadLetters('payments', 'bank')) {
  console.log(`dead: ${dead.key}, ${dead.reason}, ${dead.attempts} attempt`)
}
await holdfast.close()

// prints:
// both are stored
// paid 100 cents at attempt 2
// dead: bert, a payment of -5 cents, 1 attempt
