/**
 * The long runs, one after the other: `npm run nightly -- [--seed S] [--share F]`. `--share 0.01` does a hundredth of each. Goes on after a
 * failure and ends with what each came to; exit code 1 if any failed.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    share: { type: 'string', default: '1' },
  },
})
const share = Number(values.share)
if (!(share > 0 && share <= 1))
  throw new RangeError(`--share is a number above 0, at most 1, not ${values.share}`)
const times = (whole: number): string => String(Math.max(1, Math.round(whole * share)))

interface Run {
  readonly name: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const runs: readonly Run[] = [
  {
    // Each run is 5 to 20 power cuts and deaths: about a million in all.
    name: 'simulated power cuts',
    args: ['test/crash/run.ts', '--runs', times(93_000), '--seed', values.seed],
  },
  {
    name: 'power cuts of a real file system',
    args: ['--test', 'test/real/power-loss.test.ts'],
    env: { HOLDFAST_POWER_CYCLES: times(1000) },
  },
  {
    name: 'kill -9 under load',
    args: ['--test', 'test/real/kill.test.ts'],
    env: { HOLDFAST_KILLS: times(5000) },
  },
]

const root = fileURLToPath(new URL('..', import.meta.url))

/** Resolves with the exit code. */
function start({ args, env }: Run): Promise<number> {
  // A test that cannot run here must not look like one that passed.
  const environment = { ...process.env, CI: 'true', HOLDFAST_SEED: values.seed, ...env }
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env: environment })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

console.log(`seed ${values.seed}`)
const results: { name: string; passed: boolean; minutes: string }[] = []
for (const run of runs) {
  console.log(`\n=== ${run.name}: node ${run.args.join(' ')}`)
  const startedAt = performance.now()
  const passed = (await start(run)) === 0
  results.push({ name: run.name, passed, minutes: ((performance.now() - startedAt) / 60_000).toFixed(1) })
}
console.log(`\nseed ${values.seed}`)
console.table(results)
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1
