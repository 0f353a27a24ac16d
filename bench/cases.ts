/** The benchmarks, each with its goal. A row says what was measured on both sides; nothing is asserted. */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from '../src/index.ts'
import { connectCounting } from './disks.ts'
import { busyPool, manyTopics, sendWhileDraining } from './latency.ts'
import { cpuMicros, pairs, rateOf, timeOfOne } from './measure.ts'
import { rawLoop } from './raw.ts'
import { slowDisk } from './slow-disk.ts'
import { click, drained, sendWindow, topic } from './workload.ts'

export interface Row {
  readonly what: string
  readonly goal: string
  readonly ours: string
  readonly raw: string
  readonly ratio: string
  readonly notes: string
}

export interface CaseOptions {
  readonly directory: string
  readonly rounds: number
  /** Messages of the backlog. */
  readonly backlog: number
}

export type Case = (options: CaseOptions) => Promise<Row[]>

const rawBytes = 256
const rate = (value: number): string => `${Math.round(value).toLocaleString('en')}/s`

async function window1000({ directory, rounds }: CaseOptions): Promise<Row[]> {
  const messages = 200_000
  const { holdfast, counts } = await connectCounting(join(directory, 'send'))
  const producer = await holdfast.producer()
  await sendWindow(producer, 1000, messages)
  let sent = 0
  const groupsBefore = counts.groups
  const ours = () => {
    sent += messages
    return rateOf(messages, () => sendWindow(producer, 1000, messages))
  }
  const raw = (preallocated: boolean) => () =>
    rawLoop({ directory, group: 1000, bytes: rawBytes, groups: 200, preallocated })
  const growing = await pairs(rounds, messages, ours, raw(false))
  const preallocated = await pairs(rounds, messages, ours, raw(true))
  await holdfast.close()
  const group = Math.round(sent / (counts.groups - groupsBefore))
  const floor = callersOwnMicros(messages)
  const row = (name: string, goal: string, measured: typeof growing): Row => ({
    what: `send, 1000 in flight; raw on a ${name} file`,
    goal,
    ours: rate(measured.ours),
    raw: rate(measured.raw),
    ratio: measured.ratio.toFixed(2),
    notes: `${measured.lowest.toFixed(2)}–${measured.highest.toFixed(2)}, ${measured.cpuMicros.toFixed(1)} µs CPU a message, of which the caller's objects and JSON ${floor.toFixed(1)}; groups of ${group}`,
  })
  return [row('growing', '≥ 0.40, or ≥ 400,000/s', growing), row('preallocated', 'reported', preallocated)]
}

/** What the caller spends before Holdfast sees a message: the object, and the JSON nobody can do without. */
function callersOwnMicros(messages: number): number {
  const cpu = cpuMicros()
  let characters = 0
  for (let i = 0; i < messages; i++) characters += JSON.stringify(click(i).body).length
  return characters > 0 ? cpu() / messages : Number.NaN
}

async function endToEnd({ directory, rounds }: CaseOptions): Promise<Row[]> {
  const messages = 100_000
  const holdfast = await connect(join(directory, 'both'))
  const producer = await holdfast.producer()
  let handled = 0
  await holdfast.consume({ topic, group: 'bench', concurrency: 32 }, async () => {
    handled++
  })
  const ours = () =>
    rateOf(messages, async () => {
      const before = handled
      await sendWindow(producer, 1000, messages)
      while (handled - before < messages) await new Promise((resolve) => setImmediate(resolve))
    })
  await ours()
  const measured = await pairs(rounds, messages, ours, () =>
    rawLoop({ directory, group: 1000, bytes: rawBytes, groups: 200, preallocated: false }),
  )
  await holdfast.close()
  return [
    {
      what: 'send → handle → ack, concurrency 32, key order',
      goal: '≥ 0.25, and ≥ 200,000/s where raw does 800,000',
      ours: rate(measured.ours),
      raw: rate(measured.raw),
      ratio: measured.ratio.toFixed(2),
      notes: `${measured.lowest.toFixed(2)}–${measured.highest.toFixed(2)}, ${measured.cpuMicros.toFixed(1)} µs CPU a message`,
    },
  ]
}

async function oneAtATime({ directory, rounds }: CaseOptions): Promise<Row[]> {
  const messages = 1500
  const holdfast = await connect(join(directory, 'one'))
  const producer = await holdfast.producer()
  await sendWindow(producer, 1, messages)
  const ours = () => rateOf(messages, () => sendWindow(producer, 1, messages))
  const measured = await pairs(rounds, messages, ours, () =>
    rawLoop({ directory, group: 1, bytes: rawBytes, groups: messages, preallocated: false }),
  )
  await holdfast.close()
  return [
    {
      what: 'one send at a time',
      goal: '≤ 1.0 × the time of raw',
      ...timeOfOne(measured),
    },
  ]
}

/** A consumer that keeps up reads nothing back: counted at the disk port. */
async function keepsUp({ directory }: CaseOptions): Promise<Row[]> {
  const { holdfast, counts } = await connectCounting(join(directory, 'keeps-up'))
  const producer = await holdfast.producer()
  await holdfast.consume({ topic, group: 'bench', concurrency: 32 }, async () => undefined)
  const atOpen = counts.reads
  const messages = 50_000
  for (let i = 0; i < messages; i += 200) {
    await sendWindow(producer, 200, 200, i)
    await drained(holdfast, 'bench')
  }
  await holdfast.close()
  return [
    {
      what: `a consumer that keeps up, ${messages.toLocaleString('en')} messages`,
      goal: '0 reads',
      ours: `${counts.reads - atOpen} reads`,
      raw: '',
      ratio: '',
      notes: 'counted at the disk port',
    },
  ]
}

interface BacklogReport {
  readonly step: string
  readonly peakRssMb: number
  readonly perSecond: number
  readonly openMs: number
}

/** In processes of their own: resident memory is the process's. */
async function backlog({ directory, backlog }: CaseOptions): Promise<Row[]> {
  const store = join(directory, 'backlog')
  const program = asPublished(directory)
  const rows: Row[] = []
  const step = async (name: string, flags: readonly string[], kill: boolean): Promise<BacklogReport> => {
    const child = fork(program, [name, store, String(backlog)], {
      execArgv: [...flags],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = once(child, 'exit')
    const [report] = (await Promise.race([once(child, 'message'), ended.then(() => [null])])) as [
      BacklogReport | null,
    ]
    if (report === null) throw new Error(`the step ${name} ended without a report`)
    if (kill) child.kill('SIGKILL')
    await ended
    return report
  }
  const small = ['--max-semi-space-size=4']
  const count = backlog.toLocaleString('en')
  const produced = await step('produce', small, true)
  rows.push(memoryRow(`${count} messages of backlog: producing`, '< 200 MB', produced))
  await dropCaches()
  const killed = await step('open', small, false)
  rows.push(openRow('opening it after kill -9', '< 1 s', killed))
  await dropCaches()
  const clean = await step('open', small, false)
  rows.push(openRow('opening it after a clean close', '< 0.3 s', clean))
  const consumed = await step('drain', small, false)
  rows.push(memoryRow(`${count} messages of backlog: draining`, '< 200 MB', consumed))
  const bytes = readdirSync(join(store, 'log')).reduce(
    (sum, name) => sum + statSync(join(store, 'log', name)).size,
    0,
  )
  rows.push({
    what: 'size of the directory after draining',
    goal: 'a few segments',
    ours: `${Math.round(bytes / 2 ** 20)} MiB`,
    raw: '',
    ratio: '',
    notes: `${readdirSync(join(store, 'log')).length} files`,
  })
  return rows
}

/** The steps run what is published: what takes TypeScript's types away would take some 30 MB in their processes. */
function asPublished(directory: string): string {
  const holdfast = new URL('../dist/index.js', import.meta.url).href
  for (const name of ['workload', 'backlog-child']) {
    const source = readFileSync(new URL(`./${name}.ts`, import.meta.url), 'utf8')
    const script = stripTypeScriptTypes(source)
      .replaceAll("'../src/index.ts'", JSON.stringify(holdfast))
      .replaceAll("'./workload.ts'", "'./workload.mjs'")
    writeFileSync(join(directory, `${name}.mjs`), script)
  }
  return join(directory, 'backlog-child.mjs')
}

function memoryRow(what: string, goal: string, report: BacklogReport): Row {
  return {
    what,
    goal,
    ours: `${report.peakRssMb} MB`,
    raw: '',
    ratio: '',
    notes: `${rate(report.perSecond)}, --max-semi-space-size=4`,
  }
}

function openRow(what: string, goal: string, report: BacklogReport): Row {
  return {
    what,
    goal,
    ours: `${Math.round(report.openMs)} ms`,
    raw: '',
    ratio: '',
    notes: 'page cache dropped before, where permitted',
  }
}

async function dropCaches(): Promise<void> {
  await promisify(execFile)('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches']).catch(() => undefined)
}

export const cases: Readonly<Record<string, Case>> = {
  send: window1000,
  'end-to-end': endToEnd,
  one: oneAtATime,
  'keeps-up': keepsUp,
  backlog,
  'slow-disk': slowDisk,
  'busy-pool': busyPool,
  latency: sendWhileDraining,
  topics: manyTopics,
}
