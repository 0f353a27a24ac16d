/** The two sides of the log: who stands on it, and what it is given to stand on itself. */
import type { Clock } from '../core/clock.ts'
import type { HoldfastError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Disk } from '../disk/port.ts'

/** What stands on the log and knows what its records mean. */
export interface LogHost {
  /** Puts a record read back into the state; called in the order of the log. */
  apply(frame: Buffer, at: number, length: number, type: number): void
  /** Forgets everything: an older snapshot will be read. */
  reset(): void
  /** Types of records the host knows. */
  readonly recordTypes: ReadonlySet<number>
  /** Whether a stored message is still needed. Asked only when the whole state is known. */
  needs(topic: number, partition: number, offset: number): boolean
  /** What was only written before may be gone. Called before the first snapshot, when the whole state is known. */
  lostWrites(): void
  /**
   * Records that rebuild the whole state, for the segment of this number. Each is taken at the moment it is asked
   * for and appended at once.
   */
  snapshot(segment: number): Iterator<Uint8Array, void>
  /**
   * A group is about to be written: the last moment to append what was gathered (acknowledgements). False when there was no room for
   * all of it: it is asked again soon.
   */
  collect(): boolean
  /** Everything appended up to `ticket` is durable. */
  synced(ticket: number): void
  /** Everything appended up to `ticket` is written: it outlives this process, not a power cut. */
  written(ticket: number): void
  /** There is room again after `open` found none. */
  drained(): void
  /** The log ended with an error; nothing more will be acknowledged. */
  failed(error: HoldfastError): void
}

export interface LogSettings {
  readonly directory: string
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** A segment is sealed when it has grown to this size. */
  readonly segmentBytes: number
  /** Kept free, so that consumers can go on when the disk is full. */
  readonly reserveBytes: number
  /** Memory in which groups are made. */
  readonly bufferBytes: number
  /** What nobody waits for is written within this time, and made durable within `lazySyncMs`. */
  readonly lazyWriteMs: number
  readonly lazySyncMs: number
}
