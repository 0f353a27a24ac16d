/**
 * When what nobody waits for goes to the disk: written within `lazyWriteMs`, synced within `lazySyncMs` of the moment the oldest of it
 * began to wait.
 */
import type { Timer } from '../core/clock.ts'
import type { LogSettings } from './host.ts'

type Settings = Pick<LogSettings, 'clock' | 'lazyWriteMs' | 'lazySyncMs'>

export class LazyTimer {
  readonly #settings: Settings
  readonly #write: (sync: boolean) => boolean
  /** When the oldest of it began to wait; NaN: nothing does. */
  #since = Number.NaN
  #timer: Timer | null = null
  /** Everything that waits is written, and the timer is for its sync. */
  #waitsForSync = false
  #stopped = false

  /** `write` writes what waits, and with `sync` syncs it; false when that has to wait. */
  constructor(settings: Settings, write: (sync: boolean) => boolean) {
    this.#settings = settings
    this.#write = write
  }

  /** Something waits. */
  touch(): void {
    const { clock, lazyWriteMs } = this.#settings
    if (Number.isNaN(this.#since)) this.#since = clock.monotonic()
    if (this.#stopped || (this.#timer !== null && !this.#waitsForSync)) return
    this.#arm(lazyWriteMs, false)
  }

  /** All that waited is on its way, with a sync. */
  done(): void {
    this.#since = Number.NaN
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(delayMs: number, waitsForSync: boolean): void {
    this.#timer?.cancel()
    this.#waitsForSync = waitsForSync
    this.#timer = this.#settings.clock.after(delayMs, () => this.#due())
  }

  #due(): void {
    this.#timer = null
    if (Number.isNaN(this.#since)) return
    const { clock, lazySyncMs, lazyWriteMs } = this.#settings
    const left = this.#since + lazySyncMs - clock.monotonic()
    // A timer may fire late: what would be due before the next one is due now.
    const sync = left <= lazyWriteMs
    const written = this.#write(sync)
    if (Number.isNaN(this.#since) || this.#stopped) return
    // Written now: what is left to wait for is the sync, unless more is touched.
    if (written && !sync) this.#arm(left - lazyWriteMs, true)
    else this.#arm(lazyWriteMs, false)
  }
}
