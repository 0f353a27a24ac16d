/** Counts what the engine and its log do, at their seams and never inside them. One life at a time. */
import { subscribe } from 'node:diagnostics_channel'
import type { LogFailedEvent } from '../../src/core/diagnostics.ts'
import { Store } from '../../src/engines/embedded/store.ts'
import { ChainReader } from '../../src/log/chain.ts'
import type { Mark, Marks } from './marks.ts'

interface Observed {
  readonly marks: Marks
  logFailed(error: Error): void
}

let observed: Observed | null = null

/** From now on what happens is told here. */
export function observe(by: Observed): void {
  observed = by
}

const events: readonly (readonly [string, Mark])[] = [
  ['segment-released', 'segment released'],
  ['tail-cut', 'torn tail cut'],
  ['log-reopened', 'log failed and reopened'],
  ['disk-full', 'disk full'],
]
for (const [name, mark] of events) subscribe(`holdfast:${name}`, () => observed?.marks.hit(mark))
subscribe('holdfast:log-failed', (event) => observed?.logFailed((event as LogFailedEvent).error))

// A sealed segment is read whole in two cases: its footer is gone, or its successor's snapshot is not complete.
const { scanSealed } = ChainReader.prototype
ChainReader.prototype.scanSealed = function (...args) {
  observed?.marks.hit('index rebuilt by scan')
  return scanSealed.apply(this, args)
}
const { reset } = Store.prototype
Store.prototype.reset = function () {
  observed?.marks.hit('snapshot incomplete at the crash')
  observed?.marks.hit('index rebuilt by scan', -1)
  reset.call(this)
}
