import { type Click, clickId } from './clicks.ts'
import type { Charge } from './ledger.ts'

export interface Amount {
  clicks: number
  cents: number
}

/** What became of the clicks and of the money. */
export interface Balance {
  readonly sent: Amount
  readonly confirmed: Amount
  /** Every charge in the books. */
  readonly billed: Amount
  /** Confirmed, and not in the books. */
  readonly lost: Amount
  /** Charges beyond the first of a click. */
  readonly doubleBilled: Amount
  /** Charges that differ from the click they name, or name none that was sent. */
  readonly altered: Amount
  /** Deliveries of a click that had been charged before, which charged nothing. */
  readonly duplicatesSuppressed: number
}

export interface BalanceInput {
  readonly sent: number
  readonly click: (number: number) => Click
  readonly isConfirmed: (number: number) => boolean
  readonly charges: Iterable<Charge>
  readonly suppressed: number
}

/** Compares what was promised with what is in the books, click by click. */
export function drawBalance(input: BalanceInput): Balance {
  const balance = {
    sent: nothing(),
    confirmed: nothing(),
    billed: nothing(),
    lost: nothing(),
    doubleBilled: nothing(),
    altered: nothing(),
    duplicatesSuppressed: input.suppressed,
  }
  const seen = new Uint8Array(input.sent)
  for (const charge of input.charges) {
    add(balance.billed, charge.cents)
    if (!matches(charge, input)) add(balance.altered, charge.cents)
    else if (seen[charge.click] === 1) add(balance.doubleBilled, charge.cents)
    else seen[charge.click] = 1
  }
  for (let number = 0; number < input.sent; number++) {
    const { cents } = input.click(number)
    add(balance.sent, cents)
    if (!input.isConfirmed(number)) continue
    add(balance.confirmed, cents)
    if (seen[number] === 0) add(balance.lost, cents)
  }
  return balance
}

/** True when every confirmed click is billed once, with its own amount. */
export function isBalanced(balance: Balance): boolean {
  return balance.lost.clicks + balance.doubleBilled.clicks + balance.altered.clicks === 0
}

function matches(charge: Charge, input: BalanceInput): boolean {
  if (!(charge.click >= 0 && charge.click < input.sent)) return false
  const click = input.click(charge.click)
  return (
    charge.messageId === clickId(charge.click) &&
    charge.cents === click.cents &&
    charge.advertiser === click.advertiser
  )
}

function nothing(): Amount {
  return { clicks: 0, cents: 0 }
}

function add(amount: Amount, cents: number): void {
  amount.clicks++
  amount.cents += cents
}
