import { connect, topic } from 'holdfast'

const clicks = topic.unchecked<{ cents: number }>('clicks')
const holdfast = await connect('file:./data')

// A message is acknowledged when its handler resolves, and not before.
await holdfast.consume({ topic: clicks, group: 'billing', concurrency: 32 }, async (message) => {
  console.log(`charge ${message.key}: ${message.body.cents} cents`)
})

// `send` resolves when the message is on the disk.
const producer = await holdfast.producer()
await producer.send({ topic: clicks, key: 'advertiser-42', body: { cents: 100 } })

process.once('SIGINT', () => holdfast.close())
