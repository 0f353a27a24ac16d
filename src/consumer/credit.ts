/**
 * Gives back what was used of the prefetch, once per turn of the event loop. A turn, not a microtask: an engine that
 * delivers at once must not keep timers and sockets waiting.
 */
export class Credit {
  private readonly request: (messages: number, bytes: number) => void
  private messages = 0
  private bytes = 0
  private scheduled = false
  private stopped = true

  constructor(request: (messages: number, bytes: number) => void) {
    this.request = request
  }

  release(messages: number, bytes: number): void {
    this.messages += messages
    this.bytes += bytes
    if (!this.scheduled && !this.stopped) this.schedule()
  }

  /** Keeps what is given back until `start`. */
  stop(): void {
    this.stopped = true
  }

  start(): void {
    this.stopped = false
    if (!this.scheduled && this.messages > 0) this.schedule()
  }

  private schedule(): void {
    this.scheduled = true
    setImmediate(this.flush)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    if (this.stopped) return
    const { messages, bytes } = this
    this.messages = 0
    this.bytes = 0
    this.request(messages, bytes)
  }
}
