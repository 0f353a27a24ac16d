import { below, type Random } from '../../core/random.ts'

/** A kill that proves nothing does not count: it must hit this much unfinished work. */
export const worthKilling = { unconfirmed: 100, running: 1 } as const

const firstShare = 0.05
const lastShare = 0.8
const maxHesitationMs = 2

/** When to kill: at random points of the story's progress, one in each of as many equal stretches as there are kills. */
export class KillSchedule {
  readonly #points: number[]
  readonly #random: Random
  #landed = 0

  constructor(random: Random, kills: number, clicks: number) {
    this.#random = random
    const stretch = ((lastShare - firstShare) * clicks) / kills
    this.#points = Array.from({ length: kills }, (_, i) =>
      Math.floor(firstShare * clicks + i * stretch + below(random, Math.max(1, Math.floor(stretch)))),
    )
  }

  get landed(): number {
    return this.#landed
  }

  get complete(): boolean {
    return this.#landed === this.#points.length
  }

  /** True when the story has come so far that the next kill is due, and there is something to hit. */
  due(confirmed: number, work: { readonly unconfirmed: number; readonly running: number }): boolean {
    const point = this.#points[this.#landed]
    return point !== undefined && confirmed >= point && isWorth(work)
  }

  /** A little later, so that kills do not follow the rhythm of the reports. Milliseconds. */
  hesitation(): number {
    return below(this.#random, maxHesitationMs)
  }

  /** Judges a kill by what the dead process left. False: it hit too little, and is repeated. */
  judge(left: { readonly unconfirmed: number; readonly running: number }): boolean {
    if (!isWorth(left)) return false
    this.#landed++
    return true
  }
}

function isWorth(work: { readonly unconfirmed: number; readonly running: number }): boolean {
  return work.unconfirmed >= worthKilling.unconfirmed && work.running >= worthKilling.running
}
