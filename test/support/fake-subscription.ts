import assert from 'node:assert/strict'
import type { Death, Delivery, DeliverySink, Failure, Subscription } from '../../src/core/engine.ts'
import type { HoldfastError } from '../../src/core/errors.ts'

export interface FakeMessage {
  readonly id: string
  readonly key?: string | null
  readonly partition?: number
  readonly body?: string
  readonly bytes?: number
  readonly failures?: number
  readonly notBeforeMs?: number
  readonly firstFailureMs?: number
  readonly mayBeDuplicate?: boolean
  readonly afterGap?: boolean
  readonly fence?: number | null
}

/** A subscription over an array. It delivers what was requested, at once, and checks that nothing is settled twice. */
export class FakeSubscription implements Subscription {
  readonly acked: string[] = []
  readonly dead: { readonly id: string; readonly death: Death }[] = []
  readonly retries: { readonly id: string; readonly failure: Failure }[] = []
  readonly extended: { readonly id: string; readonly ms: number }[] = []
  readonly pauses: string[] = []
  /** Allowed and not delivered yet. */
  readonly credit = { messages: 0, bytes: 0 }
  requests = 0
  flushes = 0
  closes = 0
  /** What `flush` and `close` reject with. */
  failure: Error | null = null
  /** Called after everything that changes the state. */
  changed: () => void = () => {}
  /** Messages of the partition handed over and neither settled nor taken back. */
  readonly inHand = new Map<string, Delivery>()
  /** Of those, what waits for a retry or behind one; each until it is settled. */
  readonly held = new Set<string>()
  readonly #heldKeys = new Map<string, string>()
  readonly #backlog: Delivery[] = []
  readonly #paused = new Set<number>()
  #sink: DeliverySink | null = null
  #offset = 0

  attach(sink: DeliverySink): this {
    this.#sink = sink
    return this
  }

  /** Adds messages to the backlog and delivers what is allowed. */
  send(...messages: readonly FakeMessage[]): void {
    for (const message of messages) this.#backlog.push(delivery(message, this.#offset++))
    this.#deliver()
  }

  get backlog(): number {
    return this.#backlog.length
  }

  /** Messages in hand that use credit. */
  get runnable(): number {
    return this.inHand.size - this.held.size
  }

  get runnableBytes(): number {
    let bytes = 0
    for (const [id, one] of this.inHand) if (!this.held.has(id)) bytes += one.bytes
    return bytes
  }

  fail(error: HoldfastError): void {
    this.#sink?.failed(error)
  }

  request(messages: number, bytes: number): void {
    assert.ok(messages > 0 && bytes >= 0, `request(${messages}, ${bytes})`)
    this.requests++
    this.credit.messages += messages
    this.credit.bytes += bytes
    this.changed()
    this.#deliver()
  }

  ack(one: Delivery): void {
    this.#settle(one)
    this.acked.push(one.id)
    this.changed()
  }

  retry(one: Delivery, failure: Failure): void {
    assert.ok(this.inHand.has(one.id), `${one.id} is retried and not in hand`)
    this.retries.push({ id: one.id, failure })
    this.held.add(one.id)
    if (one.key !== null) this.hold(one.key, one.id)
  }

  /** What is and comes behind `id` is held; until that is settled, or `release`. */
  hold(key: string, id: string): void {
    this.#heldKeys.set(key, id)
    for (const other of this.inHand.values()) if (other.key === key) this.held.add(other.id)
  }

  release(key: string, id: string): void {
    if (this.#heldKeys.get(key) === id) this.#heldKeys.delete(key)
  }

  deadLetter(one: Delivery, death: Death): void {
    this.#settle(one)
    this.dead.push({ id: one.id, death })
    this.changed()
  }

  extend(one: Delivery, ms: number): void {
    this.extended.push({ id: one.id, ms })
  }

  pausePartition(partition: number): void {
    this.pauses.push(`pause ${partition}`)
    this.#paused.add(partition)
  }

  resumePartition(partition: number): void {
    this.pauses.push(`resume ${partition}`)
    this.#paused.delete(partition)
    this.#deliver()
  }

  async flush(): Promise<void> {
    this.flushes++
    if (this.failure !== null) throw this.failure
  }

  async close(): Promise<void> {
    this.closes++
    if (this.failure !== null) throw this.failure
  }

  #settle(one: Delivery): void {
    assert.ok(this.inHand.delete(one.id), `${one.id} is settled and not in hand`)
    this.held.delete(one.id)
    if (one.key !== null) this.release(one.key, one.id)
  }

  #deliver(): void {
    const batch: Delivery[] = []
    for (let i = 0; i < this.#backlog.length && this.credit.messages > 0 && this.credit.bytes > 0; ) {
      const one = this.#backlog[i]
      if (this.#paused.has(one.partition)) {
        i++
        continue
      }
      this.#backlog.splice(i, 1)
      this.credit.messages--
      this.credit.bytes -= one.bytes
      this.inHand.set(one.id, one)
      if (one.key !== null && this.#heldKeys.has(one.key)) this.held.add(one.id)
      batch.push(one)
    }
    if (batch.length > 0) this.#sink?.deliver(batch)
  }
}

function delivery(message: FakeMessage, offset: number): Delivery {
  const body = message.body ?? '{}'
  return {
    topic: 'clicks',
    partition: message.partition ?? 0,
    offset,
    id: message.id,
    key: message.key ?? null,
    headers: {},
    body,
    codec: 0,
    sentAtMs: 1,
    bytes: message.bytes ?? body.length,
    failures: message.failures ?? 0,
    notBeforeMs: message.notBeforeMs ?? 0,
    firstFailureMs: message.firstFailureMs ?? 0,
    mayBeDuplicate: message.mayBeDuplicate ?? false,
    afterGap: message.afterGap ?? false,
    fence: message.fence ?? null,
  }
}
