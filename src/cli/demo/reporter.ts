import { type Report, sendReport } from './protocol.ts'

/** Counts inside a worker and tells the supervisor, once a turn of the event loop at most. */
export class Reporter {
  readonly #send: (report: Report) => void
  #sent: number
  #confirmed: number[] = []
  #unconfirmed = 0
  #running = 0
  #handled = 0
  #openMs = 0
  #scheduled = false

  constructor(firstUnsent: number, send: (report: Report) => void = sendReport) {
    this.#sent = firstUnsent
    this.#send = send
  }

  opened(openMs: number): void {
    this.#openMs = openMs
    this.#schedule()
  }

  sending(click: number): void {
    this.#sent = Math.max(this.#sent, click + 1)
    this.#unconfirmed++
    this.#schedule()
  }

  /** The sender takes it as arrived. */
  confirmed(click: number): void {
    this.#confirmed.push(click)
    this.#schedule()
  }

  /** Sends that do not hang on this process any more. */
  settled(sends: number): void {
    this.#unconfirmed -= sends
    this.#schedule()
  }

  started(messages: number): void {
    this.#running += messages
    this.#schedule()
  }

  handled(messages: number): void {
    this.#running -= messages
    this.#handled += messages
    this.#schedule()
  }

  /** Tells now: before something that takes long. */
  flush(): void {
    if (!this.#scheduled) return
    this.#scheduled = false
    const confirmed = this.#confirmed
    this.#confirmed = []
    this.#send({
      sent: this.#sent,
      confirmed,
      unconfirmed: this.#unconfirmed,
      running: this.#running,
      handled: this.#handled,
      openMs: this.#openMs,
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }
}
