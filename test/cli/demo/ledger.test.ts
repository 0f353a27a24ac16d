import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ChargeBatch } from '../../../src/cli/demo/charge-batch.ts'
import { type Charge, Ledger } from '../../../src/cli/demo/ledger.ts'

const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
after(() => rm(directory, { recursive: true }))
let files = 0
const fresh = () => join(directory, `${files++}.sqlite`)

const charge = (click: number): Charge => ({
  messageId: `click-${click}`,
  click,
  advertiser: 'a',
  cents: 10 * click,
})

test('a repeated message is charged once, and counted, also after reopening', () => {
  const path = fresh()
  const first = new Ledger(path, { oncePerMessage: true })
  assert.equal(first.charge([charge(1), charge(2), charge(1)]), 1)
  first.close()
  const second = new Ledger(path, { oncePerMessage: true })
  assert.equal(second.charge([charge(2), charge(3)]), 1)
  assert.deepEqual([...second.charges()], [charge(1), charge(2), charge(3)])
  assert.equal(second.suppressed(), 2)
  second.close()
})

test('without an inbox every delivery is charged', () => {
  const ledger = new Ledger(fresh(), { oncePerMessage: false })
  ledger.charge([charge(1), charge(1)])
  assert.equal([...ledger.charges()].length, 2)
  assert.equal(ledger.suppressed(), 0)
  ledger.close()
})

test('a transaction is whole or not at all', () => {
  const ledger = new Ledger(fresh(), { oncePerMessage: true })
  const broken = { ...charge(2), cents: 'much' as unknown as number }
  assert.throws(() => ledger.charge([charge(1), broken]))
  assert.deepEqual([...ledger.charges()], [])
  ledger.charge([charge(3)])
  assert.equal([...ledger.charges()].length, 1)
  ledger.close()
})

test('handlers of one turn share a transaction, and end after it', async () => {
  const events: string[] = []
  const batch = new ChargeBatch(
    {
      charge: (charges) => {
        events.push(`charge ${charges.length}`)
        return 0
      },
    },
    () => events.push('before'),
  )
  await Promise.all([1, 2, 3].map((n) => batch.charge(charge(n)).then(() => events.push('handled'))))
  await batch.charge(charge(4))
  assert.deepEqual(events, ['before', 'charge 3', 'handled', 'handled', 'handled', 'before', 'charge 1'])
})

test('a transaction that fails fails every handler in it', async () => {
  const failure = new Error('disk full')
  const batch = new ChargeBatch(
    {
      charge: () => {
        throw failure
      },
    },
    () => undefined,
  )
  const results = await Promise.allSettled([batch.charge(charge(1)), batch.charge(charge(2))])
  for (const result of results) assert.equal(result.status === 'rejected' && result.reason, failure)
})
