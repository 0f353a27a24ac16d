import { appendFile, open, readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Clicks, clickId } from './clicks.ts'
import { demoFiles } from './files.ts'
import { type Charge, Ledger } from './ledger.ts'
import { type Assignment, readAssignment } from './protocol.ts'
import { Reporter } from './reporter.ts'
import { workerMain } from './worker-main.ts'

// The same process as worker.ts with the usual mistakes, made in good faith: a queue file, a buffer in front of it
// and a reader that notes its position early. Nothing here breaks anything on purpose; it only trusts too early.

const tickMs = 4
const clicksPerTick = 300
const flushMs = 100
const readBytes = 64 * 1024
const chargesPerTransaction = 200

/** Counts a click as sent when it is in memory, and writes the memory out now and then. */
class NaiveProducer {
  readonly #queue: string
  readonly #clicks: Clicks
  readonly #assignment: Assignment
  readonly #reporter: Reporter
  #memory: Charge[] = []
  #next: number
  stopped = false

  constructor(assignment: Assignment, reporter: Reporter) {
    this.#queue = demoFiles.naiveQueue(assignment.directory)
    this.#clicks = new Clicks(assignment.seed)
    this.#assignment = assignment
    this.#reporter = reporter
    this.#next = assignment.next
  }

  /** Resolves when every click was generated and written. */
  async run(): Promise<void> {
    const writing = this.#write()
    while (!this.#finished) {
      this.#generate()
      await sleep(tickMs)
    }
    await writing
  }

  get #finished(): boolean {
    return this.stopped || this.#next === this.#assignment.clicks
  }

  #generate(): void {
    const end = Math.min(this.#next + clicksPerTick, this.#assignment.clicks)
    for (; this.#next < end; this.#next++) {
      const { advertiser, cents } = this.#clicks.get(this.#next)
      this.#memory.push({ messageId: clickId(this.#next), click: this.#next, advertiser, cents })
      this.#reporter.sending(this.#next)
      // Mistakes one and two: it is only in memory, and nobody waits for an answer.
      this.#reporter.confirmed(this.#next)
    }
  }

  async #write(): Promise<void> {
    do {
      await sleep(flushMs)
      const group = this.#memory
      this.#memory = []
      await appendFile(this.#queue, group.map((charge) => `${JSON.stringify(charge)}\n`).join(''))
      this.#reporter.settled(group.length)
    } while (!this.#finished || this.#memory.length > 0)
  }
}

/** Reads the queue, notes how far it has read, and bills afterwards. */
class NaiveConsumer {
  readonly #queue: string
  readonly #offsetFile: string
  readonly #ledger: Ledger
  readonly #reporter: Reporter

  constructor(directory: string, ledger: Ledger, reporter: Reporter) {
    this.#queue = demoFiles.naiveQueue(directory)
    this.#offsetFile = demoFiles.naiveOffset(directory)
    this.#ledger = ledger
    this.#reporter = reporter
  }

  /** Resolves when the queue is read to its end and `producing` is over. */
  async run(producing: Promise<void>): Promise<void> {
    let over = false
    void producing.then(() => {
      over = true
    })
    await appendFile(this.#queue, '')
    const file = await open(this.#queue)
    let offset = Number(await readFile(this.#offsetFile, 'utf8').catch(() => '0'))
    for (;;) {
      const last = over
      const { buffer, bytesRead } = await file.read(Buffer.alloc(readBytes), 0, readBytes, offset)
      const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1
      if (end > 0) {
        offset += end
        // Mistake three: acknowledged, before the work is done.
        await this.#acknowledge(offset)
        await this.#bill(buffer.toString('utf8', 0, end))
      } else if (last) break
      else await sleep(tickMs)
    }
    await file.close()
  }

  async #acknowledge(offset: number): Promise<void> {
    await writeFile(`${this.#offsetFile}.new`, String(offset))
    await rename(`${this.#offsetFile}.new`, this.#offsetFile)
  }

  async #bill(lines: string): Promise<void> {
    const charges = lines.split('\n').filter(Boolean).flatMap(parse)
    this.#reporter.started(charges.length)
    for (let i = 0; i < charges.length; i += chargesPerTransaction) {
      const group = charges.slice(i, i + chargesPerTransaction)
      await sleep(1)
      this.#ledger.charge(group)
      this.#reporter.handled(group.length)
    }
  }
}

/** A kill in the middle of a write leaves half a line, which nobody can bill. */
function parse(line: string): Charge[] {
  try {
    return [JSON.parse(line) as Charge]
  } catch {
    return []
  }
}

async function main(): Promise<void> {
  const { assignment, ended } = await readAssignment(process.stdin)
  const reporter = new Reporter(assignment.next)
  const ledger = new Ledger(demoFiles.ledger(assignment.directory), { oncePerMessage: false })
  reporter.opened(0)
  const producer = new NaiveProducer(assignment, reporter)
  const consumer = new NaiveConsumer(assignment.directory, ledger, reporter)
  void ended.then(() => {
    producer.stopped = true
  })
  const producing = producer.run()
  await Promise.all([producing, consumer.run(producing)])
  ledger.close()
  reporter.flush()
}

await workerMain(main)
