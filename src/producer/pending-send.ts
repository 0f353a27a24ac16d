import type { Outgoing, Placement } from '../core/engine.ts'
import type { HoldfastError } from '../core/errors.ts'
import type { Headers, Receipt } from '../core/message.ts'
import type { LateOutcome } from './late-outcome.ts'

/** Where the message of a send is. */
export type Stage =
  /** Waits for room in the window. */
  | 'waiting'
  /** The engine has it and owes an outcome. */
  | 'handed'
  /** The engine does not know its outcome yet, but will find out. */
  | 'unresolved'
  /** Another pending send with the same id carries it. */
  | 'joined'
  /** Has its outcome. */
  | 'over'

/** Who decides what an outcome means for the callers. */
export interface SendOwner {
  confirmed(send: PendingSend, partition: number, offset: number | undefined): void
  refused(send: PendingSend, error: HoldfastError): void
  unknown(send: PendingSend, error: HoldfastError, resolution: Promise<Placement | null> | null): void
  aborted(send: PendingSend): void
}

export type Resolve = (receipt: Receipt) => void
export type Reject = (error: Error) => void

/** A message that passed every local check. */
export interface EncodedMessage {
  readonly topic: string
  readonly key: string | null
  readonly id: string | null
  readonly headers: Headers | null
  readonly body: string | Uint8Array
  readonly codec: number
  readonly bytes: number
  readonly signal: AbortSignal | null
}

/**
 * One send: the message as the engine sees it and the caller who waits for it. Sends are made by the hundred
 * thousand a second, so there is this one object for each, no closure, no timer and no map entry.
 */
export class PendingSend implements Outgoing {
  readonly topic: string
  readonly key: string | null
  readonly id: string | null
  readonly counter: number
  readonly headers: Headers | null
  readonly body: string | Uint8Array
  readonly codec: number
  readonly sentAtMs: number
  readonly bytes: number

  /** On the monotonic clock: when the caller is told that it took too long. */
  readonly deadlineMs: number
  readonly signal: AbortSignal | null
  readonly resolve: Resolve
  readonly reject: Reject
  stage: Stage = 'waiting'
  /** The caller has no answer yet. */
  waits = true
  /** Set when the caller was told "unknown". */
  late: LateOutcome | null = null
  /** Sends of the same id that came while this one was pending. */
  joiners: PendingSend[] | null = null
  /** Neighbours in the order of the calls. */
  previous: PendingSend | null = null
  next: PendingSend | null = null
  private readonly owner: SendOwner

  constructor(
    owner: SendOwner,
    message: EncodedMessage,
    counter: number,
    sentAtMs: number,
    deadlineMs: number,
    resolve: Resolve,
    reject: Reject,
  ) {
    this.owner = owner
    this.topic = message.topic
    this.key = message.key
    this.id = message.id
    this.counter = counter
    this.headers = message.headers
    this.body = message.body
    this.codec = message.codec
    this.sentAtMs = sentAtMs
    this.bytes = message.bytes
    this.deadlineMs = deadlineMs
    this.signal = message.signal
    this.resolve = resolve
    this.reject = reject
  }

  confirmed(partition: number, offset: number | undefined): void {
    this.owner.confirmed(this, partition, offset)
  }

  refused(error: HoldfastError): void {
    this.owner.refused(this, error)
  }

  unknown(error: HoldfastError, resolution: Promise<Placement | null> | null): void {
    this.owner.unknown(this, error, resolution)
  }

  /** The signal was aborted: a listener object needs no closure. */
  handleEvent(): void {
    this.owner.aborted(this)
  }
}

/** Whether a repetition of the id is the same message: same key, same body. Headers are not compared (they may carry traces). */
export function sameMessage(a: Pick<Outgoing, 'key' | 'body'>, b: Pick<Outgoing, 'key' | 'body'>): boolean {
  if (a.key !== b.key) return false
  if (typeof a.body === 'string' && typeof b.body === 'string') return a.body === b.body
  return Buffer.compare(bytesOf(a.body), bytesOf(b.body)) === 0
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
