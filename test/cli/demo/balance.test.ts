import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BalanceInput, drawBalance, isBalanced } from '../../../src/cli/demo/balance.ts'
import { Clicks, clickId } from '../../../src/cli/demo/clicks.ts'
import type { Charge } from '../../../src/cli/demo/ledger.ts'

const clicks = new Clicks(1)
const click = (number: number) => clicks.get(number)
const cents = (...numbers: number[]) => numbers.reduce((sum, number) => sum + click(number).cents, 0)

function charge(number: number, change: Partial<Charge> = {}): Charge {
  const { advertiser, cents } = click(number)
  return { messageId: clickId(number), click: number, advertiser, cents, ...change }
}

function balance(charges: Charge[], change: Partial<BalanceInput> = {}) {
  return drawBalance({ sent: 5, click, isConfirmed: (n) => n < 4, charges, suppressed: 3, ...change })
}

test('everything confirmed and billed once is balanced', () => {
  const drawn = balance([3, 1, 0, 2].map((n) => charge(n)))
  assert.deepEqual(drawn, {
    sent: { clicks: 5, cents: cents(0, 1, 2, 3, 4) },
    confirmed: { clicks: 4, cents: cents(0, 1, 2, 3) },
    billed: { clicks: 4, cents: cents(0, 1, 2, 3) },
    lost: { clicks: 0, cents: 0 },
    doubleBilled: { clicks: 0, cents: 0 },
    altered: { clicks: 0, cents: 0 },
    duplicatesSuppressed: 3,
  })
  assert.equal(isBalanced(drawn), true)
})

test('a confirmed click without a charge is lost, an unconfirmed one is not', () => {
  const drawn = balance([0, 1, 3].map((n) => charge(n)))
  assert.deepEqual(drawn.lost, { clicks: 1, cents: cents(2) })
  assert.equal(isBalanced(drawn), false)
  assert.equal(isBalanced(balance([0, 1, 2, 3, 4].map((n) => charge(n)))), true)
})

test('each charge beyond the first is double-billed', () => {
  const drawn = balance([0, 1, 2, 3, 2, 2].map((n) => charge(n)))
  assert.deepEqual(drawn.doubleBilled, { clicks: 2, cents: cents(2, 2) })
  assert.equal(isBalanced(drawn), false)
})

test('a charge that is not what was sent is altered, and pays for nothing', () => {
  const wrong: Partial<Charge>[] = [
    { cents: 501 },
    { advertiser: 'somebody else' },
    { messageId: clickId(3) },
    { click: 5 },
    { click: -1 },
  ]
  for (const change of wrong) {
    const drawn = balance([charge(0), charge(1), charge(2, change), charge(3)])
    assert.equal(drawn.altered.clicks, 1, JSON.stringify(change))
    assert.deepEqual(drawn.lost, { clicks: 1, cents: cents(2) })
    assert.equal(isBalanced(drawn), false)
  }
})

test('billed and lost make up what was confirmed, whatever was delivered', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 19 })), (delivered) => {
      const drawn = balance(
        delivered.map((n) => charge(n)),
        { sent: 20, isConfirmed: () => true },
      )
      assert.equal(drawn.billed.clicks, delivered.length)
      assert.equal(drawn.billed.cents - drawn.doubleBilled.cents + drawn.lost.cents, drawn.confirmed.cents)
      assert.equal(drawn.doubleBilled.clicks, delivered.length - new Set(delivered).size)
    }),
  )
})
