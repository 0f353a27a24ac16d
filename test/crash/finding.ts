import { type Invariant, Violation } from './violation.ts'

/** An alarm, with what is needed to see it again. */
export interface Finding {
  /** Null: no check failed, the simulation itself did. */
  readonly invariant: Invariant | null
  readonly seed: number
  readonly cycle: number
  readonly message: string
  readonly replay: string
}

export function findingOf(error: unknown, seed: number, cycle: number, bug?: string): Finding {
  const flag = bug === undefined ? '' : ` --bug '${bug}'`
  return {
    invariant: error instanceof Violation ? error.invariant : null,
    seed,
    cycle,
    message: error instanceof Violation ? error.message : String((error as Error).stack ?? error),
    replay: `npm run crash -- --runs 1 --seed ${seed}${flag}`,
  }
}

export function describe(finding: Finding): string {
  const { invariant, seed, cycle, message, replay } = finding
  return `${invariant ?? 'the simulation failed'} (seed ${seed}, cycle ${cycle}): ${message}\n  ${replay}`
}
