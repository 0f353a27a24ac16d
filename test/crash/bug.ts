import type { Random } from '../../src/core/random.ts'
import type { Disk } from '../../src/disk/port.ts'
import type { Plan } from './plan.ts'

/** A mistake made on purpose, to see that the simulation finds it. */
export interface Bug {
  readonly name: string
  /** Makes the lives in which it matters. */
  readonly plan?: Partial<Plan>
  /** Spoils what the process sees of the disk. */
  readonly wrap?: (disk: Disk) => Disk
  /** Spoils the product in this process, for good. */
  readonly install?: () => void
  readonly ackSyncMs?: number
  /** Spoils the randomness the process gets. */
  readonly random?: (random: Random) => Random
}
