import { HoldfastError, isHoldfastError } from '../core/errors.ts'
import type { SendResult } from '../core/message.ts'
import { notSent } from './errors.ts'
import type { Reject, Resolve } from './pending-send.ts'
import type { Bound, SendSource } from './send-queue.ts'

/** Takes one message; answers once. Returns the bytes it takes up until then: 0 when it was refused at once. */
type Accept<Message> = (message: Message, resolve: Resolve, reject: Reject) => number

/** The messages of one `sendAll`, encoded only as room appears, so that a list of any length needs little memory. */
export class SendAll<Message> implements SendSource {
  readonly #messages: readonly Message[]
  readonly #accept: Accept<Message>
  readonly #share: Bound
  readonly #done: (results: SendResult[]) => void
  readonly #results: SendResult[]
  #next = 0
  #settled = 0
  #bytes = 0

  /** `share`: so much of the queue it may fill. */
  constructor(
    messages: readonly Message[],
    share: Bound,
    accept: Accept<Message>,
    done: (results: SendResult[]) => void,
  ) {
    this.#messages = messages
    this.#share = share
    this.#accept = accept
    this.#done = done
    this.#results = new Array(messages.length)
  }

  fill(): boolean {
    while (this.#next < this.#messages.length && this.#hasShare()) this.#take(this.#next++)
    return this.#next === this.#messages.length
  }

  cancel(): number {
    const first = this.#next
    this.#next = this.#messages.length
    for (let i = first; i < this.#messages.length; i++) this.#settle(i, 0, failed(notSent('closed')))
    return this.#messages.length - first
  }

  #hasShare(): boolean {
    const underWay = this.#next - this.#settled
    return underWay === 0 || (underWay < this.#share.messages && this.#bytes < this.#share.bytes)
  }

  #take(index: number): void {
    let bytes = 0
    bytes = this.#accept(
      this.#messages[index],
      (receipt) => this.#settle(index, bytes, { ok: true, receipt }),
      (error) => this.#settle(index, bytes, failed(error)),
    )
    this.#bytes += bytes
  }

  #settle(index: number, bytes: number, result: SendResult): void {
    this.#results[index] = result
    this.#bytes -= bytes
    this.#settled++
    if (this.#settled === this.#messages.length) this.#done(this.#results)
  }
}

/** In a list a mistake in one message is that message's failure, not the call's. */
function failed(error: Error): SendResult {
  if (isHoldfastError(error)) return { ok: false, error }
  return { ok: false, error: new HoldfastError('invalid_message', error.message, { cause: error }) }
}
