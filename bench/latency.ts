/** How long a send takes while something else is going on. */
import { pbkdf2 } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { connect, type Producer } from '../src/index.ts'
import type { Case } from './cases.ts'
import { median, pairs, rateOf, timeOfOne } from './measure.ts'
import { rawLoop } from './raw.ts'
import { click, sendWindow, topic } from './workload.ts'

/** Eight jobs at a time in the thread pool that belongs to the user's code, too. */
export const busyPool: Case = async ({ directory, rounds }) => {
  const messages = 500
  const holdfast = await connect(join(directory, 'busy-pool'))
  const producer = await holdfast.producer()
  await sendWindow(producer, 1, messages)
  const ours = async (): Promise<number> => {
    let isOver = false
    const job = (): void => {
      if (!isOver) pbkdf2('secret', 'salt', 20_000, 64, 'sha512', job)
    }
    for (let i = 0; i < 8; i++) job()
    const rate = await rateOf(messages, () => sendWindow(producer, 1, messages))
    isOver = true
    return rate
  }
  const raw = () => rawLoop({ directory, group: 1, bytes: 256, groups: messages, preallocated: false })
  const measured = await pairs(rounds, messages, ours, raw)
  await holdfast.close()
  return [
    {
      what: 'one send at a time, the thread pool busy with 8 pbkdf2; raw without them',
      goal: '≤ 1.5 × the time of raw',
      ...timeOfOne(measured),
    },
  ]
}

/** A thousand sends a second, alone and while a backlog of another topic is drained. */
export const sendWhileDraining: Case = async ({ directory, rounds }) => {
  const backlog = 300_000
  const holdfast = await connect(join(directory, 'while-draining'))
  const producer = await holdfast.producer()
  await sendWindow(producer, 1000, backlog)
  const idle: number[] = []
  const busy: number[] = []
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    idle.push(await p99(producer))
    const group = `round-${round}`
    const consumer = await holdfast.consume({ topic, group, concurrency: 32 }, async () => undefined)
    busy.push(await p99(producer))
    await consumer.close()
  }
  await holdfast.close()
  return [
    {
      what: 'p99 of send at 1,000/s while another topic is drained; alone',
      goal: '≤ 5 × alone, or ≤ 5 ms',
      ours: `${median(busy).toFixed(2)} ms`,
      raw: `${median(idle).toFixed(2)} ms`,
      ratio: (median(busy) / median(idle)).toFixed(2),
      notes: `${Math.min(...busy).toFixed(2)}–${Math.max(...busy).toFixed(2)} ms`,
    },
  ]
}

/** The pace comes from a thread of its own: a timer of this one would wait for what is measured. */
async function p99(producer: Producer): Promise<number> {
  const metronome = new Worker(
    `const { parentPort } = require('node:worker_threads')
     let left = 1000
     const timer = setInterval(() => { parentPort.postMessage(performance.timeOrigin + performance.now()); if (--left === 0) clearInterval(timer) }, 1)`,
    { eval: true },
  )
  const took: number[] = []
  const sends: Promise<void>[] = []
  let i = 0
  metronome.on('message', (dueAt: number) => {
    const send = producer.send({ ...click(i++), topic: 'other' }).then(() => {
      took.push(performance.timeOrigin + performance.now() - dueAt)
    })
    sends.push(send)
  })
  await once(metronome, 'exit')
  await Promise.all(sends)
  took.sort((a, b) => a - b)
  return took[Math.floor(took.length * 0.99)]
}

/** A directory with a thousand topics, beside one with a single topic. */
export const manyTopics: Case = async ({ directory }) => {
  const topics = 1000
  const many = join(directory, 'many-topics')
  let holdfast = await connect(many)
  let producer = await holdfast.producer()
  for (let i = 0; i < topics; i++) {
    await producer.send({ ...click(i), topic: `topic-${i}` })
    await holdfast.groups.create(`topic-${i}`, 'bench')
  }
  await holdfast.close()
  const openedAt = performance.now()
  holdfast = await connect(many)
  const openMs = performance.now() - openedAt
  producer = await holdfast.producer()
  const single = await connect(join(directory, 'one-topic'))
  const alone = await single.producer()
  const messages = 50_000
  const sendBy = (who: Producer) => () => rateOf(messages, () => sendWindow(who, 1000, messages))
  await sendBy(producer)()
  await sendBy(alone)()
  const measured = await pairs(11, messages, sendBy(producer), sendBy(alone))
  await holdfast.close()
  await single.close()
  return [
    {
      what: '1,000 topics × 8 partitions, each with a group: opening',
      goal: '< 2 s',
      ours: `${Math.round(openMs)} ms`,
      raw: '',
      ratio: '',
      notes: '',
    },
    {
      what: 'send to one topic among them; to one topic alone',
      goal: '≥ 0.95',
      ours: `${Math.round(measured.ours).toLocaleString('en')}/s`,
      raw: `${Math.round(measured.raw).toLocaleString('en')}/s`,
      ratio: measured.ratio.toFixed(2),
      notes: `${measured.lowest.toFixed(2)}–${measured.highest.toFixed(2)}`,
    },
  ]
}
