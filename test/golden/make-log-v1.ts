/**
 * Makes test/golden/log-v1: a directory as this format's first release left it. Run by hand, once for each format version; what is
 * there is never made anew, because its point is that it is old.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Delivery, Engine, Outgoing } from '../../src/core/engine.ts'
import type { Headers } from '../../src/core/message.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { openEmbedded } from '../../src/engines/embedded/index.ts'
import { turns } from '../log/support.ts'
import { ManualClock } from '../support/manual-clock.ts'

const target = fileURLToPath(new URL('./log-v1', import.meta.url))
const random = new SeededRandom(20260101)
const disk = new SimulatedDisk({ random, sectorBytes: 512 })
const clock = new ManualClock(1_767_225_600_000)
const nothing = () => undefined

function open(): Promise<Engine> {
  return openEmbedded({
    directory: '/store',
    disk,
    clock,
    random,
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    segmentBytes: 4096,
    reserveBytes: 0,
    bufferBytes: 1024 * 1024,
    ackSyncMs: 50,
    unsafeNetworkDisk: false,
    createIfMissing: true,
  })
}

/** Time passes, the same for everybody who runs this. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed++) {
    clock.advance(1)
    await turns(2)
  }
}

interface Message {
  readonly topic: string
  readonly key: string | null
  readonly id?: string
  readonly headers?: Headers
  readonly body: string | Uint8Array
}

async function send(engine: Engine, label: string, messages: readonly Message[]): Promise<void> {
  const producer = await engine.openProducer({ label, epoch: random.bytes(16) })
  let confirmed = 0
  for (const [i, message] of messages.entries()) {
    const outgoing: Outgoing = {
      topic: message.topic,
      key: message.key,
      id: message.id ?? null,
      counter: i + 1,
      headers: message.headers ?? null,
      body: message.body,
      codec: typeof message.body === 'string' ? 1 : 0,
      sentAtMs: clock.now(),
      bytes: message.body.length * 3 + 200,
      confirmed: () => confirmed++,
      refused: (error) => {
        throw error
      },
      unknown: (error) => {
        throw error
      },
    }
    producer.send([outgoing])
    await pass(2)
  }
  if (confirmed !== messages.length) throw new Error(`${confirmed} of ${messages.length} were confirmed`)
  const closed = producer.close()
  await pass(60)
  await closed
}

async function consume(
  engine: Engine,
  group: string,
  settle: (delivery: Delivery) => 'ack' | 'retry' | 'die' | 'keep',
) {
  const deliveries: Delivery[] = []
  const sink = { deliver: (more: Delivery[]) => void deliveries.push(...more), failed: nothing }
  const subscription = await engine.subscribe({ topic: 'clicks', group, order: 'key', prefetch: 100 }, sink)
  subscription.request(1000, 2 ** 30)
  await pass(20)
  for (const delivery of deliveries) {
    const failed = { firstFailureMs: clock.now() }
    const verdict = settle(delivery)
    if (verdict === 'ack') subscription.ack(delivery)
    if (verdict === 'retry')
      subscription.retry(delivery, { ...failed, failures: 2, delayMs: 4000, fingerprint: 0xabcdef })
    if (verdict === 'die') {
      const death = { reason: 'no such account', stack: 'Error: no such account', attempts: 6 }
      subscription.deadLetter(delivery, { ...death, ...failed, lastFailureMs: clock.now() })
    }
  }
  await pass(60)
  const closed = subscription.close()
  await pass(60)
  await closed
}

const first = await open()
await first.createTopic('clicks', { partitions: 2 })
await first.createTopic('payments', { partitions: 1, retentionMs: 86_400_000, maxBytes: 1_000_000 })
await first.createGroup('clicks', 'billing', {})
await first.createGroup('clicks', 'audit', {})
await pass(20)
await send(first, 'shop', [
  ...Array.from({ length: 30 }, (_, i) => ({
    topic: 'clicks',
    key: `advertiser-${i % 5}`,
    headers: { trace: `t-${i}` },
    body: JSON.stringify({ click: i, cents: i * 7 }),
  })),
  { topic: 'clicks', key: '', body: '"an empty key"' },
  { topic: 'clicks', key: null, body: new Uint8Array([0, 1, 2, 253, 254, 255]) },
  { topic: 'clicks', key: 'Ø-ключ-鍵', headers: { naïve: '☕', empty: '' }, body: '"ünïcödé 🧾"' },
  { topic: 'payments', key: 'order-1', id: 'payment-1', body: '{"cents":4999}' },
])
await consume(first, 'billing', ({ offset, partition }) => {
  if (partition === 0 && offset === 2) return 'die'
  if (partition === 1 && offset === 1) return 'retry'
  return partition === 1 && offset > 8 ? 'keep' : 'ack'
})
const closing = first.close()
await pass(60)
await closing
const second = await open()
await send(second, 'shop', [
  { topic: 'payments', key: 'order-2', id: 'payment-2', body: '{"cents":120}' },
  { topic: 'payments', key: 'order-2', body: JSON.stringify('x'.repeat(3000)) },
])
await consume(second, 'audit', ({ offset }) => (offset % 2 === 0 ? 'ack' : 'keep'))

const after = disk.kill()
await mkdir(target, { recursive: true })
if ((await readdir(target)).length > 0)
  throw new Error(`${target} exists: a golden directory is never made anew`)
for (const path of after.paths()) {
  if (path.includes('/lock/')) continue
  const to = join(target, path.slice('/store/'.length))
  await mkdir(dirname(to), { recursive: true })
  const bytes = Buffer.from(after.bytesOf(path))
  // Process and boot are this machine's.
  const owner = path.endsWith('/OWNER') ? { ...JSON.parse(bytes.toString()), pid: 1, boot: 'golden' } : null
  await writeFile(to, owner === null ? bytes : `${JSON.stringify(owner)}\n`)
}
process.exit(0)
