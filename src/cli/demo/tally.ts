import type { Report } from './protocol.ts'

/** What the supervisor knows of the story, from the reports of all workers. */
export class Tally {
  readonly #confirmed: Uint8Array
  #sent = 0
  #confirmedCount = 0
  #handledBefore = 0
  #handled = 0

  constructor(clicks: number) {
    this.#confirmed = new Uint8Array(clicks)
  }

  /** Every click below was sent at least once. */
  get sent(): number {
    return this.#sent
  }

  /** Clicks confirmed, each counted once. */
  get confirmed(): number {
    return this.#confirmedCount
  }

  /** Handlers that ended well, repeated deliveries included. */
  get handled(): number {
    return this.#handledBefore + this.#handled
  }

  note(report: Report): void {
    this.#sent = Math.max(this.#sent, report.sent)
    this.#handled = report.handled
    for (const click of report.confirmed) {
      if (this.#confirmed[click] === 0) this.#confirmedCount++
      this.#confirmed[click] = 1
    }
  }

  /** The worker is gone; the next one counts from nought. */
  workerEnded(): void {
    this.#handledBefore += this.#handled
    this.#handled = 0
  }

  isConfirmed(click: number): boolean {
    return this.#confirmed[click] === 1
  }

  /** Clicks that were sent and never confirmed: somebody has to send them again. */
  unconfirmed(): number[] {
    const clicks: number[] = []
    for (let click = 0; click < this.#sent; click++) if (this.#confirmed[click] === 0) clicks.push(click)
    return clicks
  }
}
