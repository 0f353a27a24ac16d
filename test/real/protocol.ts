/** What the supervisor orders and what the child reports: a JSON value a line. */

/** The one order of a child. It ends by being killed, by `untilHandled`, or by the failure of its log. */
export interface Order {
  readonly directory: string
  /** Which process this is, from 1: part of the tags of its messages. */
  readonly life: number
  readonly segmentBytes: number
  readonly reserveBytes: number
  /** Each sends as fast as it can, with so many messages in flight. 0: none sends. */
  readonly producers: number
  readonly inFlight: number
  /** Handlers at once. 0: no consumer. */
  readonly concurrency: number
  /** Every so often it asks for everything to be made durable; 0: never. */
  readonly barrierMs: number
  /** Close in order when everything is handled. */
  readonly untilHandled: boolean
}

/** Times are microseconds of the machine's monotonic clock. */
export type Report =
  /** How long opening took; floor and end of each partition. */
  | readonly ['opened', ms: number, partitions: readonly (readonly [floor: number, end: number])[]]
  | readonly ['sent', tag: string]
  | readonly ['confirmed', tag: string, id: string, partition: number, offset: number]
  | readonly ['rejected', tag: string, code: string, outcome: string]
  | readonly [
      'began',
      tag: string,
      id: string,
      partition: number,
      offset: number,
      attempt: number,
      mayBeDuplicate: boolean,
    ]
  | readonly ['failing', tag: string]
  | readonly ['handled', tag: string, at: number]
  | readonly ['dying', tag: string, at: number]
  | readonly ['mangled', tag: string, what: string]
  /** Everything handled before `asked` is durable at `durable`. */
  | readonly ['asked', barrier: number]
  | readonly ['durable', barrier: number]
  /** What was acknowledged before this time must be on the disk, by what the log promises. */
  | readonly ['settled', beforeUs: number]
  | readonly ['released']
  | readonly ['health', state: string]
  | readonly ['dead', tag: string, id: string, partition: number, offset: number, reason: string]
  | readonly ['closed', handled: number, unfinished: number, unconfirmed: number]
  | readonly ['close failed', code: string]
  | readonly ['error', text: string]

/** Monotonic, and the same in all processes of the machine. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n)
