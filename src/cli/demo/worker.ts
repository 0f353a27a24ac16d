import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Producer } from '../../index.ts'
import { ChargeBatch } from './charge-batch.ts'
import { Clicks, clickId, billingGroup as group, clickTopic as topic } from './clicks.ts'
import { demoFiles } from './files.ts'
import { Ledger } from './ledger.ts'
import { type Assignment, readAssignment } from './protocol.ts'
import { Reporter } from './reporter.ts'
import { workerMain } from './worker-main.ts'

// The process that dies: it sends clicks and bills them, both at the same time, until everything is billed.

const concurrency = 256
/** Clicks come in bursts: they run so far ahead of the billing, then they wait until it has caught up with half of that. */
const burst = 1000
const emptyPollMs = 20

/**
 * Sends first what an earlier process left open, then new clicks; in bursts, because sending
 * is far faster than billing: else a short story would be all sent before the first kill.
 */
class Generator {
  readonly #producer: Producer
  readonly #clicks: Clicks
  readonly #assignment: Assignment
  readonly #reporter: Reporter
  readonly #done = Promise.withResolvers<void>()
  #again = 0
  #next: number
  #inFlight = 0
  /** Sent here and not billed yet, as far as this process knows: it may bill what others sent. */
  #ahead = 0
  #waits = false
  #stopped = false

  constructor(producer: Producer, assignment: Assignment, reporter: Reporter) {
    this.#producer = producer
    this.#clicks = new Clicks(assignment.seed)
    this.#assignment = assignment
    this.#reporter = reporter
    this.#next = assignment.next
  }

  /** Sends no click that was not sent before. */
  stop(): void {
    this.#stopped = true
    this.#fill()
  }

  /** Resolves when every click sent is confirmed. */
  run(): Promise<void> {
    this.#fill()
    return this.#done.promise
  }

  /** One more is billed. */
  billed(): void {
    if (this.#ahead > 0) this.#ahead--
    if (!this.#waits || this.#ahead > burst / 2) return
    this.#waits = false
    this.#fill()
  }

  #fill(): void {
    while (!this.#waits) {
      const number = this.#pick()
      if (number === null) break
      this.#inFlight++
      this.#waits = ++this.#ahead >= burst
      this.#reporter.sending(number)
      this.#send(number).catch(this.#done.reject)
    }
    if (this.#inFlight === 0 && !this.#waits) this.#done.resolve()
  }

  #pick(): number | null {
    const again = this.#assignment.again[this.#again]
    if (again !== undefined) {
      this.#again++
      return again
    }
    return this.#stopped || this.#next === this.#assignment.clicks ? null : this.#next++
  }

  async #send(number: number): Promise<void> {
    const { advertiser, cents } = this.#clicks.get(number)
    await this.#producer.send({
      topic,
      key: advertiser,
      id: clickId(number),
      body: { click: number, cents },
    })
    this.#reporter.confirmed(number)
    this.#reporter.settled(1)
    this.#inFlight--
    this.#fill()
  }
}

async function main(): Promise<void> {
  const { assignment, ended } = await readAssignment(process.stdin)
  const reporter = new Reporter(assignment.next)
  const openedAt = performance.now()
  const holdfast = await connect(demoFiles.store(assignment.directory))
  reporter.opened(performance.now() - openedAt)
  const ledger = new Ledger(demoFiles.ledger(assignment.directory), { oncePerMessage: true })
  const batch = new ChargeBatch(ledger, () => reporter.flush())

  const generator = new Generator(await holdfast.producer(), assignment, reporter)
  await holdfast.consume({ topic, group, concurrency }, async (message) => {
    const { click, cents } = message.body as { click: number; cents: number }
    reporter.started(1)
    await batch.charge({ messageId: message.id, click, advertiser: message.key ?? '', cents })
    reporter.handled(1)
    generator.billed()
  })
  void ended.then(() => generator.stop())
  await generator.run()
  while ((await holdfast.groups.get(topic, group)).lag > 0) await sleep(emptyPollMs)
  await holdfast.close()
  ledger.close()
  reporter.flush()
}

await workerMain(main)
