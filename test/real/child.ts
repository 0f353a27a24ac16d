/**
 * The process that is killed: sends, handles and reports over file descriptor 3. Reports are written before anything else
 * happens, so that what the supervisor read is never ahead of what is true.
 */
import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeadLetter, type Holdfast, isHoldfastError, type Producer } from '../../src/index.ts'
import { differenceFrom, groupName, planOf, planOfTag, tagOf, topicName } from './messages.ts'
import { nowUs, type Order, type Report } from './protocol.ts'
import { ackSyncMs, connectSmall, type DiskWatch, watched } from './store.ts'

const reportFd = 3
const tickMs = 5
/** The log's timers may be so late without being late: they count whole milliseconds, and one comes before the other. */
const timerMs = 7

function report(...line: Report): void {
  const text = `${JSON.stringify(line)}\n`
  for (;;) {
    try {
      writeSync(reportFd, text)
      return
    } catch (error) {
      // The supervisor is slow to read.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const died = (what: string) => (error: unknown) => {
  report('error', `${what}: ${error instanceof Error ? error.stack : String(error)}`)
  process.exit(70)
}
process.on('unhandledRejection', died('unhandled rejection'))
process.on('uncaughtException', died('uncaught exception'))

async function main(order: Order): Promise<void> {
  const { directory, segmentBytes, reserveBytes } = order
  const progress = new Progress()
  subscribe('holdfast:segment-released', () => report('released'))
  const startedMs = performance.now()
  const holdfast = await connectSmall({
    directory,
    segmentBytes,
    reserveBytes,
    disk: watched(progress),
  })
  await holdfast.groups.create(topicName, groupName)
  const { partitions } = await holdfast.groups.get(topicName, groupName)
  report(
    'opened',
    performance.now() - startedMs,
    partitions.map(({ floor, end }) => [floor, end]),
  )
  progress.watch()
  if (order.concurrency > 0) await consume(holdfast, order)
  const barriers = order.barrierMs > 0 ? askForDurability(holdfast, order.barrierMs) : null
  const lanes: Promise<void>[] = []
  for (let index = 0; index < order.producers; index++) {
    lanes.push(produce(await holdfast.producer({ id: `producer-${index}` }), index, order))
  }
  await Promise.all(lanes)
  if (order.untilHandled) await handled(holdfast)
  else await barriers
  report('health', holdfast.health().state)
  if (order.untilHandled) await listDeadLetters(holdfast)
  await holdfast.close({ timeoutMs: 1000 }).then(
    ({ handled: count, unfinished, unconfirmed }) => report('closed', count, unfinished, unconfirmed),
    (error: unknown) => {
      if (!isHoldfastError(error)) throw error
      report('close failed', error.code)
    },
  )
}

/** Keeps `inFlight` messages on their way until a send is refused for good. */
async function produce(producer: Producer, index: number, order: Order): Promise<void> {
  let n = 0
  let refused = 0
  const lane = async () => {
    // A few refusals more show how the store answers once its log has failed.
    while (refused < 3 * order.inFlight) {
      const { tag, key, headers, body, id } = planOf(order.life, index, ++n)
      report('sent', tag)
      try {
        const receipt = await producer.send({
          topic: topicName,
          headers,
          body,
          ...(key === null ? {} : { key }),
          ...(id === null ? {} : { id }),
        })
        report('confirmed', tag, receipt.id, receipt.partition, receipt.offset ?? -1)
      } catch (error) {
        if (!isHoldfastError(error)) throw error
        refused++
        report('rejected', tag, error.code, error.outcome)
        await sleep(5)
      }
    }
  }
  await Promise.all(Array.from({ length: order.inFlight }, lane))
}

async function consume(holdfast: Holdfast, { concurrency }: Order): Promise<void> {
  const options = { topic: topicName, group: groupName, concurrency, backoffMs: [2, 5], maxAttempts: 20 }
  await holdfast.consume(options, async (message, context) => {
    const tag = tagOf(message.body)
    const plan = planOfTag(tag)
    const { id, partition, offset = -1, mayBeDuplicate } = message
    report('began', tag, id, partition, offset, context.attempt, mayBeDuplicate)
    const difference = differenceFrom(plan, message)
    if (difference !== null) report('mangled', tag, difference)
    if (plan.handling === 'slow') await sleep(3)
    if (plan.handling === 'fails once' && context.attempt === 1) {
      report('failing', tag)
      throw new Error('planned failure')
    }
    if (plan.handling === 'dies') {
      report('dying', tag, nowUs())
      throw new DeadLetter(`planned death of ${tag}`)
    }
    report('handled', tag, nowUs())
  })
}

/** Creating a topic that is there waits until everything before it is durable. */
async function askForDurability(holdfast: Holdfast, everyMs: number): Promise<void> {
  for (let barrier = 1; ; barrier++) {
    await sleep(everyMs, undefined, { ref: false })
    report('asked', barrier)
    try {
      await holdfast.topics.create(topicName)
    } catch (error) {
      if (isHoldfastError(error)) return
      throw error
    }
    report('durable', barrier)
  }
}

async function handled(holdfast: Holdfast): Promise<void> {
  while ((await holdfast.groups.get(topicName, groupName)).lag > 0) await sleep(5)
}

async function listDeadLetters(holdfast: Holdfast): Promise<void> {
  for await (const letter of holdfast.deadLetters(topicName, groupName)) {
    const tag = tagOf(letter.body)
    const difference = differenceFrom(planOfTag(tag), letter)
    if (difference !== null) report('mangled', tag, `${difference} of the dead letter`)
    report('dead', tag, letter.id, letter.partition, letter.offset, letter.reason)
  }
}

/**
 * Proves what neither a kill nor a power cut may take back. A timer that fires now fires after all that were due before: an
 * acknowledgement older than the log's delay has been handed to the disk, unless segments change, for which everything
 * waits. Once the disk is done with all it was handed, that acknowledgement is durable. A busy machine only makes the
 * proof late.
 */
class Progress implements DiskWatch {
  #appending = 0
  #appended = 0
  #changing = 0
  #ticks: { readonly at: number; readonly appends: number }[] = []
  #reporting = false

  appending(): void {
    this.#appending++
  }

  appended(): void {
    this.#appended++
    if (this.#reporting) return
    this.#reporting = true
    // What this append was the first part of has begun by then.
    setImmediate(() => this.#report())
  }

  changing(): void {
    this.#changing++
    this.#ticks = []
  }

  changed(): void {
    this.#changing--
  }

  watch(): void {
    setInterval(() => {
      if (this.#changing > 0) return
      this.#ticks.push({ at: nowUs(), appends: this.#appending })
      if (!this.#reporting) this.#report()
    }, tickMs).unref()
  }

  #report(): void {
    this.#reporting = false
    let proved: number | null = null
    while (this.#ticks[0] !== undefined && this.#ticks[0].appends <= this.#appended) {
      proved = this.#ticks.shift()?.at ?? null
    }
    if (proved === null) return
    report('settled', proved - (ackSyncMs + timerMs) * 1000)
  }
}

// What was compiled is kept when a process ends in order, and this one will not: the next one shall load it all the same.
flushCompileCache()

// Waits loaded and warm for its order, so that a restart costs what the log costs.
for await (const line of createInterface({ input: process.stdin })) {
  await main(JSON.parse(line) as Order)
}
