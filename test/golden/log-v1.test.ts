/** A directory as the first release of the format left it is opened for ever after. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Delivery } from '../../src/core/engine.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { engineRecordTypes } from '../../src/engines/embedded/records.ts'
import { verifyDirectory } from '../../src/log/verify.ts'
import { all, directory, openEngine, openSender, subscribe } from '../engines/embedded/support.ts'

const golden = fileURLToPath(new URL('./log-v1', import.meta.url))

/** A copy: opening writes. */
async function copy(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(1), sectorBytes: 512 })
  for (const entry of await readdir(golden, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    disk.put(`${directory}/${path.slice(golden.length + 1)}`, await readFile(path))
  }
  return disk
}

const epoch = 'IayqsL7uiRE5MitJwZ8c8g'

/** As it was sent: partition, offset, key, headers, body. */
const clicks = [
  ...Array.from({ length: 30 }, (_, i) => ({
    id: `${epoch}-${i + 1}`,
    key: `advertiser-${i % 5}`,
    headers: { trace: `t-${i}` },
    body: JSON.stringify({ click: i, cents: i * 7 }),
  })),
  { id: `${epoch}-31`, key: '', headers: {}, body: '"an empty key"' },
  { id: `${epoch}-32`, key: null, headers: {}, body: Buffer.from([0, 1, 2, 253, 254, 255]) },
  { id: `${epoch}-33`, key: 'Ø-ключ-鍵', headers: { naïve: '☕', empty: '' }, body: '"ünïcödé 🧾"' },
]

function asSent({ id, key, headers, body }: Delivery) {
  return { id, key, headers: { ...headers }, body: typeof body === 'string' ? body : Buffer.from(body) }
}

const counter = ({ id }: { id: string }): number => Number(id.slice(id.lastIndexOf('-') + 1))

describe('the golden directory of format 1', () => {
  it('is intact', async () => {
    const report = await verifyDirectory({ directory, disk: await copy(), recordTypes: engineRecordTypes })
    assert.deepEqual(report.problems, [])
    assert.equal(report.segments, 5)
    assert.equal(report.messages, 33 + 3 + 1, 'the dead letter is a message too')
  })

  it('holds its topics and groups', async () => {
    const engine = await openEngine(await copy())
    const topics = await engine.topics()
    const clicksTopic = { topic: 'clicks', partitions: 2, retentionMs: 0, maxBytes: null, messages: 33 }
    const payments = {
      topic: 'payments',
      partitions: 1,
      retentionMs: 86_400_000,
      maxBytes: 1_000_000,
      messages: 3,
    }
    const createdAtMs = 1_767_225_600_000
    assert.deepEqual(
      topics.map(({ bytes: _, ...topic }) => topic),
      [
        { ...clicksTopic, createdAtMs, groups: ['billing', 'audit'] },
        { ...payments, createdAtMs, groups: [] },
      ],
    )
    const groups = await engine.groups('clicks')
    assert.deepEqual(
      groups.map(({ group, order, lag, retrying, dead, partitions }) => ({
        group,
        order,
        lag,
        retrying,
        dead,
        floors: partitions.map(({ floor, end }) => [floor, end]),
      })),
      [
        {
          group: 'billing',
          order: 'key',
          lag: 1,
          retrying: 1,
          dead: 1,
          floors: [
            [26, 26],
            [1, 7],
          ],
        },
        {
          group: 'audit',
          order: 'key',
          lag: 16,
          retrying: 0,
          dead: 0,
          floors: [
            [1, 26],
            [1, 7],
          ],
        },
      ],
    )
    await engine.close()
  })

  it('gives every message that is not handled, as it was sent', async () => {
    const engine = await openEngine(await copy())
    const { collector: billing } = await subscribe(engine, 'billing')
    const { collector: audit } = await subscribe(engine, 'audit')
    const { collector: fresh } = await subscribe(engine, 'fresh')
    const { collector: payments } = await subscribe(engine, 'ledger', 'payments')
    await Promise.all([billing.received(1), audit.received(16), fresh.received(33), payments.received(3)])
    const [retried] = billing.deliveries
    assert.ok(retried)
    assert.deepEqual(asSent(retried), clicks[6])
    assert.equal(retried.failures, 2)
    assert.equal(retried.notBeforeMs - retried.firstFailureMs, 4000)
    assert.ok(audit.deliveries.every(({ offset }) => offset % 2 === 1))
    assert.deepEqual(fresh.deliveries.sort((a, b) => counter(a) - counter(b)).map(asSent), clicks)
    assert.deepEqual(
      payments.deliveries.map(({ id, key, body }) => [id, key, body]),
      [
        ['payment-1', 'order-1', '{"cents":4999}'],
        ['payment-2', 'order-2', '{"cents":120}'],
        [payments.deliveries[2]?.id, 'order-2', JSON.stringify('x'.repeat(3000))],
      ],
    )
    await engine.close()
  })

  it('keeps its dead letter, and goes on', async () => {
    const disk = await copy()
    const engine = await openEngine(disk)
    const [dead, ...others] = await all(engine.deadLetters('clicks', 'billing'))
    assert.ok(dead)
    assert.equal(others.length, 0)
    assert.deepEqual(
      [
        dead.id,
        dead.key,
        dead.body,
        dead.reason,
        dead.attempts,
        dead.partition,
        dead.offset,
        dead.deadLetterId,
      ],
      [`${epoch}-4`, 'advertiser-3', clicks[3]?.body, 'no such account', 6, 0, 2, 'Nx2ALh3QVgvP52CADXKe5w'],
    )
    const { send, producer } = await openSender(engine)
    const sent = await send({ topic: 'clicks', key: 'advertiser-1' })
    assert.deepEqual(sent, { outcome: 'confirmed', place: { partition: 1, offset: 7 } })
    await producer.close()
    await engine.close()
    const report = await verifyDirectory({ directory, disk, recordTypes: engineRecordTypes })
    assert.deepEqual(report.problems, [])
  })
})
