/** Where clicks travel, and who bills them. */
export const clickTopic = 'clicks'
export const billingGroup = 'billing'

/** What an advertiser pays for. */
export interface Click {
  /** Counts from 0. */
  readonly number: number
  readonly advertiser: string
  readonly cents: number
}

const advertisers = 500
const maxCents = 500

/** The clicks of a story: the same seed gives the same clicks, in whatever process they are asked for. */
export class Clicks {
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  get(number: number): Click {
    const hash = mix(this.#seed, number)
    return {
      number,
      advertiser: `advertiser-${String(hash % advertisers).padStart(3, '0')}`,
      cents: 1 + ((hash >>> 16) % maxCents),
    }
  }

  cents(number: number): number {
    return 1 + ((mix(this.#seed, number) >>> 16) % maxCents)
  }
}

/** The identity of a click, given where it happens: whoever sends it again sends it under the same id. */
export function clickId(number: number): string {
  return `click-${number}`
}

/** Spreads (seed, number) over 32 bits: multiply and fold, twice. */
function mix(seed: number, number: number): number {
  let hash = Math.imul(seed ^ 0x2545f491, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return (hash ^ (hash >>> 15)) >>> 0
}
