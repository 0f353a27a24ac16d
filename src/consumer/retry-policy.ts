import type { Random } from '../core/random.ts'
import type { Verdict } from './verdict.ts'

export interface RetrySettings {
  readonly maxAttempts: number
  readonly backoffMs: readonly number[]
  readonly maxRetryAgeMs: number
}

/** What is known of a message that failed before. */
export interface Attempts {
  /** Failed ones that count. */
  readonly failures: number
  /** Wall time; 0: none failed. */
  readonly firstFailureMs: number
}

export interface Decision extends Attempts {
  /** The wait before the next attempt; null: there is none, it is a dead letter. */
  readonly delayMs: number | null
}

/** Waits vary by so much of themselves, so that what failed together does not come back together. */
const jitter = 0.2

/** What becomes of a message whose attempt just failed. */
export function decide(
  before: Attempts,
  verdict: Verdict,
  settings: RetrySettings,
  nowMs: number,
  random: Random,
): Decision {
  const firstFailureMs = before.firstFailureMs === 0 ? nowMs : before.firstFailureMs
  const tooOld = nowMs - firstFailureMs >= settings.maxRetryAgeMs
  const counts = verdict.kind !== 'retry' || verdict.countsAsAttempt || tooOld
  const failures = before.failures + (counts ? 1 : 0)
  if (verdict.kind === 'dead' || (counts && failures >= settings.maxAttempts)) {
    return { failures, firstFailureMs, delayMs: null }
  }
  const askedMs = verdict.kind === 'retry' ? verdict.afterMs : undefined
  return { failures, firstFailureMs, delayMs: askedMs ?? backoffAfter(settings.backoffMs, failures, random) }
}

/** The wait after `failures` failed attempts; the last step repeats. Milliseconds, whole. */
function backoffAfter(steps: readonly number[], failures: number, random: Random): number {
  const step = steps[Math.min(Math.max(failures, 1), steps.length) - 1]
  const share = random.uint32() / 2 ** 32
  return Math.round(step * (1 - jitter + 2 * jitter * share))
}
