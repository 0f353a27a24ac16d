import { count, duration } from '../format.ts'
import type { Paint } from '../output.ts'
import { table } from '../table.ts'
import { type Amount, type Balance, isBalanced } from './balance.ts'
import type { Kill } from './supervisor.ts'

/** What a demo came to. */
export interface DemoResult {
  readonly unsafe: boolean
  readonly seed: number
  readonly balance: Balance
  readonly kills: readonly Kill[]
  readonly elapsedMs: number
  /** False when the user stopped it before all clicks were sent. */
  readonly complete: boolean
}

const mistakes = [
  'clicks are kept in memory until there are enough to write',
  'nobody waits for a confirmation: what is in memory counts as sent',
  'messages are acknowledged when they are read, before they are billed',
]

/** The balance sheet. */
export function drawSheet(result: DemoResult, paint: Paint): string {
  const parts = [heading(result, paint), amounts(result, paint), killTable(result), verdict(result, paint)]
  return `\n${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function heading(result: DemoResult, paint: Paint): string {
  const title = result.unsafe ? 'Balance sheet: the usual mistakes' : 'Balance sheet'
  const facts = `${duration(result.elapsedMs)}, seed ${result.seed}${result.complete ? '' : ', stopped early'}`
  const lines = [`${paint('bold', title)}  (${facts})`]
  if (result.unsafe) lines.push(...mistakes.map((mistake, i) => `  ${i + 1}. ${mistake}`))
  return lines.join('\n')
}

function amounts({ balance, unsafe }: DemoResult, paint: Paint): string {
  const row = (name: string, amount: Amount) => [name, count(amount.clicks), count(amount.cents)]
  const lines = table(
    [{ title: '' }, { title: 'clicks', align: 'right' }, { title: 'cents', align: 'right' }],
    [
      row('sent', balance.sent),
      row(unsafe ? 'believed sent' : 'confirmed', balance.confirmed),
      row('billed', balance.billed),
      row('lost', balance.lost),
      row('double-billed', balance.doubleBilled),
      row('altered', balance.altered),
      ['duplicates suppressed', count(balance.duplicatesSuppressed), ''],
    ],
  ).split('\n')
  return lines
    .map((line) => (/^(lost|double-billed|altered) /.test(line) ? paint(alarm(line), line) : line))
    .map((line) => `  ${line}`)
    .join('\n')
}

function alarm(line: string): 'green' | 'red' {
  return / 0 +0$/.test(line) ? 'green' : 'red'
}

function killTable({ kills, unsafe }: DemoResult): string {
  if (kills.length === 0) return ''
  const lines = table(
    [
      { title: 'SIGKILL' },
      { title: unsafe ? 'after believed sent' : 'after confirmed', align: 'right' },
      { title: unsafe ? 'in memory' : 'unconfirmed', align: 'right' },
      { title: unsafe ? 'acknowledged, unbilled' : 'handlers running', align: 'right' },
      { title: 'back after', align: 'right' },
      { title: unsafe ? '' : 'store opened in', align: 'right' },
    ],
    kills.map((kill, i) => [
      kill.counted ? String(kills.slice(0, i + 1).filter((one) => one.counted).length) : 'missed, repeated',
      count(kill.atClick),
      count(kill.unconfirmed),
      count(kill.running),
      kill.recoveryMs === 0 ? 'all was confirmed' : duration(kill.recoveryMs),
      unsafe || kill.recoveryMs === 0 ? '' : duration(kill.openMs),
    ]),
  )
  return lines
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}

function verdict(result: DemoResult, paint: Paint): string {
  const { balance, kills, unsafe } = result
  const landed = kills.filter((kill) => kill.counted).length
  const times = landed === 1 ? 'once' : `${count(landed)} times`
  const killed = landed === 0 ? '' : `Killed ${times} in the middle of its work: `
  if (isBalanced(balance)) {
    const billed = `all ${count(balance.confirmed.clicks)} confirmed clicks are billed, each once.`
    return paint('green', sentence(killed + billed))
  }
  const { lost, doubleBilled, altered } = balance
  const wrong = [
    ...(lost.clicks > 0 ? [`${count(lost.clicks)} clicks worth ${count(lost.cents)} cents are lost`] : []),
    ...(doubleBilled.clicks > 0 ? [`${count(doubleBilled.clicks)} charges are double`] : []),
    ...(altered.clicks > 0 ? [`${count(altered.clicks)} charges are wrong`] : []),
  ].join(', ')
  const end = unsafe ? ' Without --unsafe none is.' : ''
  return paint('red', sentence(`${killed}${wrong}.${end}`))
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
