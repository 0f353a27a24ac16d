import type { Capabilities, Outgoing } from '../../src/core/engine.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import { epochText } from '../../src/core/id.ts'
import { Producer, type ProducerParts } from '../../src/producer/producer.ts'
import { FakeEngineProducer } from '../support/fake-engine.ts'
import { LogRecorder } from '../support/log-recorder.ts'
import { ManualClock } from '../support/manual-clock.ts'

export const limits: Capabilities['limits'] = {
  bodyBytes: 8 * 1024 * 1024,
  headerBytes: 64 * 1024,
  keyBytes: 1024,
  nameCharacters: 100,
}

export interface Fixture {
  readonly producer: Producer
  readonly engine: FakeEngineProducer
  readonly clock: ManualClock
  readonly log: LogRecorder
}

export function makeProducer(parts: Partial<ProducerParts> = {}): Fixture {
  const epoch = new Uint8Array(16).fill(7)
  const engine = new FakeEngineProducer('test', epoch)
  const clock = new ManualClock()
  const log = new LogRecorder()
  const producer = new Producer({
    label: 'test',
    epoch: epochText(epoch),
    engine,
    engineKind: 'fake',
    limits,
    clock,
    logger: log,
    sendTimeoutMs: 60_000,
    window: { messages: 10_000, bytes: 16 * 1024 * 1024 },
    maxPending: { messages: 100_000, bytes: 64 * 1024 * 1024 },
    ...parts,
  })
  return { producer, engine, clock, log }
}

/** One tick: everything sent was gathered and handed over. */
export function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function bodies(messages: readonly Outgoing[]): unknown[] {
  return messages.map(({ body }) => JSON.parse(String(body)))
}

/** What a promise came to, without waiting for one that never settles. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  return Promise.race([
    promise.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    ),
    tick().then(() => 'pending' as const),
  ])
}

/** The error of a send that must not succeed. */
export function rejection(sent: Promise<unknown> | undefined): Promise<HoldfastError> {
  if (sent === undefined) throw new Error('nothing was sent')
  return sent.then(
    () => {
      throw new Error('the send was confirmed')
    },
    (error: HoldfastError) => error,
  )
}
