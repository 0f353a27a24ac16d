import { EngineRecord, SettledAs, settledRecord, u64Record } from './records.ts'
import type { GroupPartition } from './state.ts'
import type { Store } from './store.ts'

/** Where one partition of the group stands. */
export class Cursor {
  own: GroupPartition
  /** The next offset to hand out. */
  next: number
  paused = false
  /** Up to here the log says (on the disk) that messages may have been handed out. */
  window: number
  #windowAsked: number
  /** Below this offset messages may be at rest already. */
  settledBelow: number
  /** Whether all messages from `next` on lie behind the position of the running scan. */
  covered = false
  /** Handed out and not settled. */
  inHand = 0
  /** Handled, not yet appended: pairs of first offset and offset behind the last. */
  runs: number[] = []
  isDirty = false

  constructor(own: GroupPartition) {
    this.own = own
    this.next = own.settled.floor
    this.window = own.window
    this.#windowAsked = own.window
    this.settledBelow = own.partition.next
  }

  /** The log was opened anew: same offsets, other objects. */
  rebind(own: GroupPartition): void {
    this.own = own
    this.window = own.window
    this.#windowAsked = own.window
    this.settledBelow = own.partition.next
    this.covered = false
  }

  skipSettled(): void {
    if (this.next < this.settledBelow) this.next = this.own.settled.nextMissing(this.next)
  }

  get isBehind(): boolean {
    return !this.paused && this.next < this.own.partition.durable
  }

  /** Asks for more window when half of it is used up; true when the next message may go out. */
  mayHandOut(store: Store, prefetch: number): boolean {
    const half = Math.max(1, prefetch >>> 1)
    if (this.next + half > this.#windowAsked) {
      const upTo = this.next + prefetch
      const { group, partition } = this.own
      if (store.log.append([u64Record(EngineRecord.window, upTo, group.number, partition.number)], true)) {
        this.own.window = upTo
        this.#windowAsked = upTo
        store.whenWritten(() => {
          this.window = Math.max(this.window, upTo)
        })
      }
    }
    return this.next < this.window
  }

  ack(offset: number): void {
    const { runs } = this
    if (runs.length > 0 && runs[runs.length - 1] === offset) runs[runs.length - 1] = offset + 1
    else runs.push(offset, offset + 1)
  }

  /** The runs gathered so far, merged and in order; they are the caller's from then on. */
  takeRuns(): number[] {
    const runs = this.runs
    this.runs = []
    if (runs.length <= 2) return runs
    const order = Array.from({ length: runs.length / 2 }, (_, i) => i * 2).sort((a, b) => runs[a]! - runs[b]!)
    const merged: number[] = []
    for (const i of order) {
      const last = merged.length - 1
      if (last > 0 && runs[i]! <= merged[last]!) merged[last] = Math.max(merged[last]!, runs[i + 1]!)
      else merged.push(runs[i]!, runs[i + 1]!)
    }
    return merged
  }

  /** Appends what was acknowledged since the last group; false when the log has no room for it now. */
  collect(store: Store): boolean {
    const { own } = this
    const { group, partition } = own
    const runs = this.takeRuns()
    const { generation } = group.settings
    const record = settledRecord(group.number, partition.number, generation, SettledAs.handled, runs)
    if (!store.log.append([record], true)) {
      this.runs = runs
      return false
    }
    for (let i = 0; i < runs.length; i += 2) own.settle(runs[i]!, runs[i + 1]!, SettledAs.handled)
    store.settlements.push({
      ticket: store.log.ticket,
      redo: () => {
        for (let i = 0; i < runs.length; i += 2) this.runs.push(runs[i]!, runs[i + 1]!)
      },
      cursor: this,
    })
    return true
  }
}
