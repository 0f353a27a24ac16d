/** What must have happened for a run to prove anything; counted from outside the engine. */
export const markNames = [
  'power cut',
  'kill',
  'clean close',
  'crash inside recovery',
  'crash inside rotation',
  'crash inside close',
  'rotation',
  'segment reused with stale bytes',
  'cut with a reused segment open',
  'segment released',
  'torn tail cut',
  'snapshot incomplete at the crash',
  'segment absorbed',
  'index rebuilt by scan',
  'frame beyond 64 KiB',
  'send waited for room',
  'log failed and reopened',
  'disk full',
  'reserve filled',
  'reserve used',
  'redelivery',
  'acknowledgement lost within its window',
  'dead letter',
  'dead letter lost with its acknowledgement',
  'failure remembered',
  'group created midway',
  'message of unknown outcome found',
  'taken over by a second owner',
  'damage refused',
] as const

export type Mark = (typeof markNames)[number]

export class Marks {
  readonly counts = new Map<Mark, number>(markNames.map((name) => [name, 0]))

  hit(name: Mark, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times)
  }

  add(others: Iterable<readonly [Mark, number]>): void {
    for (const [name, times] of others) this.hit(name, times)
  }
}
