import { after } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Consumer } from '../../src/consumer/consumer.ts'
import { startConsumer } from '../../src/consumer/consumer.ts'
import type { Handler } from '../../src/consumer/dispatcher.ts'
import type { ConsumeOptions } from '../../src/consumer/options.ts'
import type { Delivery } from '../../src/core/engine.ts'
import type { Logger } from '../../src/core/logger.ts'
import type { Random } from '../../src/core/random.ts'
import { FakeSubscription } from '../support/fake-subscription.ts'
import { ManualClock } from '../support/manual-clock.ts'

/** Draws the middle, so that a wait is exactly its step. */
const noJitter: Random = { uint32: () => 2 ** 31, bytes: (length) => new Uint8Array(length) }

export interface Line {
  readonly level: keyof Logger
  readonly fields: Record<string, unknown>
  readonly message: string
}

export interface Harness {
  readonly clock: ManualClock
  readonly subscription: FakeSubscription
  readonly consumer: Consumer
  readonly lines: Line[]
}

export type HarnessOptions = Partial<ConsumeOptions> & {
  readonly decode?: (delivery: Delivery) => unknown
  readonly random?: Random
}

const started: Harness[] = []

// An open consumer keeps the process alive: a test that fails half way must not hang its file.
after(() => {
  for (const { consumer, clock } of started) {
    consumer.close({ timeoutMs: 0 }).catch(() => {})
    clock.advance(0)
  }
})

/** A consumer over a fake subscription, and everything it said. */
export async function consume(options: HarnessOptions, handler: Handler): Promise<Harness> {
  const { decode = (delivery) => JSON.parse(String(delivery.body)), random = noJitter, ...rest } = options
  const clock = new ManualClock()
  const subscription = new FakeSubscription()
  const lines: Line[] = []
  const line = (level: keyof Logger) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  const logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  const parts = {
    clock,
    random,
    logger,
    capabilities: { order: ['key', 'none'] as const },
    subscribe: async (_: unknown, sink: Parameters<FakeSubscription['attach']>[0]) =>
      subscription.attach(sink),
    decode,
  }
  const consumer = await startConsumer(parts, { topic: 'clicks', group: 'billing', ...rest }, handler)
  const harness = { clock, subscription, consumer, lines }
  started.push(harness)
  return harness
}

/** Lets everything that needs no clock happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await setImmediate()
}

/** A promise to be settled by the test. */
export class Gate {
  readonly #settled = Promise.withResolvers<void>()
  readonly promise = this.#settled.promise
  readonly open = (): void => this.#settled.resolve()
  readonly break = (error: unknown): void => this.#settled.reject(error)
}
