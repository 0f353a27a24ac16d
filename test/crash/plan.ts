import { below, chance, type Random } from '../../src/core/random.ts'

/** What one directory is like, all its life. */
export interface Plan {
  readonly segmentBytes: number
  readonly bufferBytes: number
  readonly reserveBytes: number
  readonly capacityBytes: number
  readonly sectorBytes: 512 | 4096
  readonly latencyMs: number
  readonly cycles: number
  readonly topics: readonly { readonly name: string; readonly partitions: number }[]
  readonly keys: number
  readonly producers: number
  /** Of messages beyond 64 KiB. */
  readonly largeShare: number
  readonly callersIds: number
  /** The second group of a topic acknowledges so rarely. */
  readonly slowShare: number
  readonly deadShare: number
  /** Of cycles in which one sync fails. */
  readonly faultShare: number
}

const kibi = 1024

export function drawPlan(random: Random): Plan {
  const isBig = chance(random, 0.13)
  const isTight = !isBig && chance(random, 0.17)
  return {
    segmentBytes: isBig ? 384 * kibi : (4 << below(random, chance(random, 0.8) ? 2 : 5)) * kibi,
    bufferBytes: (chance(random, 0.5) ? 320 : 512) * kibi,
    reserveBytes: isTight ? 288 * kibi : chance(random, 0.3) ? 32 * kibi : 0,
    capacityBytes: isTight ? 700 * kibi : 2 ** 40,
    sectorBytes: chance(random, 0.5) ? 512 : 4096,
    latencyMs: chance(random, 0.2) ? 1 + below(random, 4) : 0,
    cycles: isBig ? 20 + below(random, 12) : 5 + below(random, 16),
    topics: Array.from({ length: 1 + below(random, 3) }, (_, i) => ({
      name: ['clicks', 'orders', 'a.b_c'][i],
      partitions: 1 + below(random, 4),
    })),
    keys: 1 + below(random, 12),
    producers: 1 + below(random, 3),
    largeShare: isBig ? 0.04 : chance(random, 0.3) ? 0.006 : 0,
    callersIds: chance(random, 0.5) ? 0.3 : 0,
    slowShare: chance(random, 0.4) ? 0.1 : 1,
    deadShare: isBig ? 0.03 : chance(random, 0.45) ? 0.15 : 0.005,
    faultShare: chance(random, 0.35) ? 0.6 : 0,
  }
}

/** How a process ends. */
export type Ending = 'opening' | 'rotation' | 'closing' | 'clean' | 'takeover' | 'calls'

export function drawEnding(random: Random): Ending {
  const at = below(random, 100)
  if (at < 20) return 'opening'
  if (at < 35) return 'rotation'
  if (at < 43) return 'closing'
  if (at < 48) return 'clean'
  return at < 51 ? 'takeover' : 'calls'
}
