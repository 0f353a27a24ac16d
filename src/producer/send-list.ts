import type { PendingSend } from './pending-send.ts'

/**
 * Pending sends in the order of their calls, which is also the order of their deadlines. Those before `firstWaiting`
 * were handed to the engine. Linked through the sends, so that any of them leaves at once and
 * nothing of it stays in memory.
 */
export class SendList {
  first: PendingSend | null = null
  firstWaiting: PendingSend | null = null
  private last: PendingSend | null = null

  append(send: PendingSend): void {
    send.previous = this.last
    if (this.last === null) this.first = send
    else this.last.next = send
    this.last = send
    if (this.firstWaiting === null) this.firstWaiting = send
  }

  has(send: PendingSend): boolean {
    return send.previous !== null || this.first === send
  }

  /** Does nothing when the send is not in the list. */
  remove(send: PendingSend): void {
    if (!this.has(send)) return
    const { previous, next } = send
    if (previous === null) this.first = next
    else previous.next = next
    if (next === null) this.last = previous
    else next.previous = previous
    if (this.firstWaiting === send) this.firstWaiting = next
    // A dead send in the old generation must not keep its younger neighbours alive.
    send.previous = null
    send.next = null
  }
}
