/**
 * `npm run crash -- --runs N --seed S [--jobs J] [--bug NAME] [--trace]`: N directories, each with 5–20 deaths of the process or the
 * machine, every one replayable by its seed alone.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { bugNamed } from './bugs.ts'
import { describe, findingOf } from './finding.ts'
import { Life } from './life.ts'
import { runPool, type Summary } from './pool.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    bug: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})
const [runs, seed, jobs] = [values.runs, values.seed, values.jobs].map((text) => wholeNumber(text))
if (runs === 1) await replay(seed)
else await runAll()

/** Here and now, with every death printed. */
async function replay(only: number): Promise<void> {
  const bug = values.bug === undefined ? undefined : bugNamed(values.bug)
  bug?.install?.()
  const life = new Life(only, { bug, trace: (line) => console.log(line) })
  try {
    await life.run()
    console.log(`seed ${only}: ${life.result.cuts} deaths, ${life.result.operations} operations, no alarm`)
  } catch (error) {
    console.log(describe(findingOf(error, only, life.cycle, values.bug)))
    if (values.trace) console.log(error)
    process.exitCode = 1
  }
}

async function runAll(): Promise<void> {
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  let printed = 0
  const onReport = (summary: Summary): void => {
    if (seconds() < printed + 2) return
    printed = seconds()
    const { runs: done, cuts, findings } = summary
    console.log(
      `${done}/${runs} runs, ${cuts} deaths, ${Math.round(cuts / printed)}/s, ${findings.length} alarms`,
    )
  }
  const summary = await runPool({ runs, seed, jobs, bug: values.bug, onReport })
  const { cuts, operations, marks, findings } = summary
  for (const [name, times] of marks.counts) console.log(`${String(times).padStart(9)}  ${name}`)
  console.log(
    `${summary.runs} runs from seed ${seed}: ${cuts} deaths, ${(operations / cuts).toFixed(0)} operations each, ${seconds().toFixed(0)} s, ${Math.round(cuts / seconds())} deaths/s`,
  )
  for (const finding of findings) console.log(describe(finding))
  console.log(findings.length === 0 ? 'No alarm.' : `${findings.length} alarms.`)
  process.exitCode = findings.length === 0 ? 0 : 1
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new RangeError(`a whole number is needed, not '${text}'`)
  return Number(text)
}
