/** The engine on a simulated disk, driven through its port. */
import type { Clock } from '../../../src/core/clock.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type {
  Delivery,
  DeliverySink,
  Engine,
  Outgoing,
  Placement,
  Subscription,
} from '../../../src/core/engine.ts'
import type { HoldfastError } from '../../../src/core/errors.ts'
import type { Logger } from '../../../src/core/logger.ts'
import { SeededRandom } from '../../../src/core/random.ts'
import type { Disk } from '../../../src/disk/port.ts'
import { SimulatedDisk } from '../../../src/disk/simulated.ts'
import { openEmbedded } from '../../../src/engines/embedded/index.ts'
import type { EmbeddedOptions } from '../../../src/engines/embedded/options.ts'

export const directory = '/store'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export function simulatedDisk(seed = 1, capacityBytes = 2 ** 40): SimulatedDisk {
  return new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes: 512, capacityBytes })
}

/** An engine whose disk lost power is never closed: it must not keep the test's process alive. */
const clock: Clock = { ...systemClock, keepAlive: () => ({ cancel: () => undefined }) }

let seed = 1

export function openEngine(
  disk: Disk,
  options: Partial<EmbeddedOptions> & { readonly clock?: Clock } = {},
): Promise<Engine> {
  return openEmbedded({
    directory,
    disk,
    clock,
    random: new SeededRandom(seed++),
    logger: silent,
    segmentBytes: 16 * 1024,
    reserveBytes: 0,
    bufferBytes: 512 * 1024,
    ackSyncMs: 50,
    unsafeNetworkDisk: false,
    createIfMissing: true,
    ...options,
  })
}

export interface SentMessage {
  readonly topic?: string
  readonly key?: string | null
  readonly id?: string | null
  readonly body?: string | Uint8Array
}

export type Sent =
  | { readonly outcome: 'confirmed'; readonly place: Placement }
  | { readonly outcome: 'refused'; readonly error: HoldfastError }
  | {
      readonly outcome: 'unknown'
      readonly error: HoldfastError
      readonly resolution: Promise<Placement | null> | null
    }

/** A sender with an epoch of its own; its messages are numbered in the order of the calls. */
export async function openSender(engine: Engine, label = 'test') {
  const random = new SeededRandom(seed++)
  const producer = await engine.openProducer({ label, epoch: random.bytes(16) })
  let counter = 0
  const send = (message: SentMessage = {}): Promise<Sent> =>
    new Promise((resolve) => {
      const body = message.body ?? `{"n":${counter}}`
      const outgoing: Outgoing = {
        topic: message.topic ?? 'clicks',
        key: message.key === undefined ? 'k' : message.key,
        id: message.id ?? null,
        counter: ++counter,
        headers: null,
        body,
        codec: typeof body === 'string' ? 1 : 0,
        sentAtMs: 1_700_000_000_000 + counter,
        bytes: body.length * 3 + 200,
        confirmed: (partition, offset) => resolve({ outcome: 'confirmed', place: { partition, offset } }),
        refused: (error) => resolve({ outcome: 'refused', error }),
        unknown: (error, resolution) => resolve({ outcome: 'unknown', error, resolution }),
      }
      producer.send([outgoing])
    })
  return { producer, send }
}

/** Takes what is delivered and lets the test settle it. */
export class Collector implements DeliverySink {
  readonly deliveries: Delivery[] = []
  error: HoldfastError | null = null
  subscription: Subscription | null = null
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  deliver(deliveries: Delivery[]): void {
    this.deliveries.push(...deliveries)
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.deliveries.length < count) return true
      resolve()
      return false
    })
  }

  failed(error: HoldfastError): void {
    this.error = error
  }

  /** Resolves when so many messages were delivered in all. */
  received(count: number): Promise<void> {
    if (this.deliveries.length >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }

  get bodies(): string[] {
    return this.deliveries.map((delivery) => String(delivery.body))
  }
}

export async function subscribe(engine: Engine, group = 'billing', topic = 'clicks', credit = 10_000) {
  const collector = new Collector()
  const subscription = await engine.subscribe({ topic, group, order: 'key', prefetch: 100 }, collector)
  collector.subscription = subscription
  subscription.request(credit, 2 ** 40)
  return { collector, subscription }
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

export async function all<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of iterable) items.push(item)
  return items
}
