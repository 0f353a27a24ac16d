/** How often within one turn credit goes back early; after that timers and sockets have theirs first. */
const earlyPerTurn = 8

/**
 * Gives back what was used of the prefetch: once per turn of the event loop, and a few times within it when half of the prefetch is
 * free, so that a consumer that keeps up is not held to one prefetch a turn.
 */
export class Credit {
  private readonly request: (messages: number, bytes: number) => void
  private readonly half: number
  private messages = 0
  private bytes = 0
  private scheduled = false
  private early = 0
  private isEarly = false
  private stopped = true

  constructor(prefetch: number, request: (messages: number, bytes: number) => void) {
    this.half = prefetch / 2
    this.request = request
  }

  release(messages: number, bytes: number): void {
    this.messages += messages
    this.bytes += bytes
    if (this.stopped) return
    if (!this.scheduled) this.schedule()
    if (this.messages < this.half || this.isEarly || this.early === earlyPerTurn) return
    this.isEarly = true
    this.early++
    queueMicrotask(this.flushEarly)
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
    setImmediate(this.flushTurn)
  }

  private readonly flushTurn = (): void => {
    this.scheduled = false
    this.early = 0
    this.flush()
  }

  private readonly flushEarly = (): void => {
    this.isEarly = false
    this.flush()
  }

  private flush(): void {
    if (this.stopped || this.messages === 0) return
    const { messages, bytes } = this
    this.messages = 0
    this.bytes = 0
    this.request(messages, bytes)
  }
}
