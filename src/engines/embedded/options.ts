import type { Clock } from '../../core/clock.ts'
import type { Capabilities } from '../../core/engine.ts'
import type { Logger } from '../../core/logger.ts'
import type { Random } from '../../core/random.ts'
import type { Disk } from '../../disk/port.ts'

/** Everything is given; defaults are the public face's business. */
export interface EmbeddedOptions {
  readonly directory: string
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Size at which a segment of the log is sealed, bytes. */
  readonly segmentBytes: number
  /** Disk space kept for acknowledgements when the disk is full, bytes; 0: none. */
  readonly reserveBytes: number
  /** Memory in which groups are gathered, bytes. */
  readonly bufferBytes: number
  /** An acknowledgement is durable at the latest after this time, ms. */
  readonly ackSyncMs: number
  readonly unsafeNetworkDisk: boolean
  readonly createIfMissing: boolean
}

export const embeddedCapabilities: Capabilities = Object.freeze({
  history: 'all',
  keeps: 'forever',
  fencing: 'session',
  halfMessages: 'none',
  ids: 'process',
  order: Object.freeze(['key'] as const),
  createsTopics: true,
  defaultPartitions: 8,
  limits: Object.freeze({
    bodyBytes: 8 * 1024 * 1024,
    headerBytes: 64 * 1024,
    keyBytes: 1024,
    nameCharacters: 100,
  }),
})
