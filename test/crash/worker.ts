/** Lives through seeds, one after the other, and tells the parent process after each. */
import { bugNamed } from './bugs.ts'
import { type Finding, findingOf } from './finding.ts'
import { Life } from './life.ts'
import type { Mark } from './marks.ts'

export interface Report {
  readonly seed: number
  readonly cuts: number
  readonly operations: number
  readonly marks: readonly (readonly [Mark, number])[]
  readonly finding: Finding | null
}

const [from, step, count, bugName] = process.argv.slice(2)
const bug = bugName === undefined ? undefined : bugNamed(bugName)
bug?.install?.()

for (let i = 0; i < Number(count); i++) {
  const seed = Number(from) + i * Number(step)
  const life = new Life(seed, { bug })
  const finding = await life.run().then(
    () => null,
    (error) => findingOf(error, seed, life.cycle, bugName),
  )
  const report: Report = { seed, ...life.result, marks: [...life.result.marks.counts], finding }
  await new Promise((resolve) => process.send?.(report, resolve))
}
process.disconnect?.()
