const maxMs = 5
const maxMessages = 2000

/**
 * Handlers that are done at once run on in one turn of the event loop until they took so long, or were so many; then timers and sockets
 * have theirs. Their own time counts, not the turn's: else senders on the same thread would leave them none.
 */
export class Turn {
  /** Nothing starts any more before the next turn. */
  isOver = false
  private readonly goOn: () => void
  private messages = 0
  private ms = 0

  /** `goOn` is called in the next turn after one that was over. */
  constructor(goOn: () => void) {
    this.goOn = goOn
  }

  /** A handler is about to start. False: not in this turn. */
  begin(): boolean {
    if (this.messages === 0) setImmediate(this.next)
    else if (this.ms > maxMs || this.messages >= maxMessages) {
      this.isOver = true
      return false
    }
    this.messages++
    return true
  }

  /** A handler ran so long before it returned. */
  ran(ms: number): void {
    this.ms += ms
  }

  private readonly next = (): void => {
    this.messages = 0
    this.ms = 0
    if (!this.isOver) return
    this.isOver = false
    this.goOn()
  }
}
