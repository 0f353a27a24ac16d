import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DemoResult, drawSheet } from '../../../src/cli/demo/sheet.ts'

const amount = (clicks: number, cents: number) => ({ clicks, cents })

const result: DemoResult = {
  unsafe: false,
  seed: 42,
  complete: true,
  elapsedMs: 12_345,
  balance: {
    sent: amount(200_000, 50_000_000),
    confirmed: amount(200_000, 50_000_000),
    billed: amount(200_000, 50_000_000),
    lost: amount(0, 0),
    doubleBilled: amount(0, 0),
    altered: amount(0, 0),
    duplicatesSuppressed: 1234,
  },
  kills: [
    { atClick: 17_000, unconfirmed: 2000, running: 256, counted: true, recoveryMs: 210, openMs: 35 },
    { atClick: 90_000, unconfirmed: 12, running: 0, counted: false, recoveryMs: 190, openMs: 30 },
    { atClick: 91_000, unconfirmed: 1990, running: 250, counted: true, recoveryMs: 1500, openMs: 40 },
  ],
}

const plain = (_style: unknown, text: string) => text

test('the sheet shows clicks, cents and every kill', () => {
  assert.equal(
    drawSheet(result, plain),
    `
Balance sheet  (12.3 s, seed 42)

                          clicks       cents
  sent                   200,000  50,000,000
  confirmed              200,000  50,000,000
  billed                 200,000  50,000,000
  lost                         0           0
  double-billed                0           0
  altered                      0           0
  duplicates suppressed    1,234

  SIGKILL           after confirmed  unconfirmed  handlers running  back after  store opened in
  1                          17,000        2,000               256      210 ms            35 ms
  missed, repeated           90,000           12                 0      190 ms            30 ms
  2                          91,000        1,990               250       1.5 s            40 ms

Killed 2 times in the middle of its work: all 200,000 confirmed clicks are billed, each once.
`,
  )
})

test('the unsafe sheet names the mistakes and what they cost', () => {
  const balance = { ...result.balance, billed: amount(199_000, 49_750_000), lost: amount(1000, 250_000) }
  const sheet = drawSheet({ ...result, unsafe: true, balance }, plain)
  for (const words of [
    /kept in memory/,
    /nobody waits for a confirmation/,
    /acknowledged when they are read/,
    /believed sent/,
    /1,000 clicks worth 250,000 cents are lost/,
  ]) {
    assert.match(sheet, words)
  }
})

test('zeros are green, losses are red', () => {
  const styled = (style: unknown, text: string) => `<${String(style)}>${text}</>`
  const balance = { ...result.balance, lost: amount(10, 1000) }
  const sheet = drawSheet({ ...result, balance }, styled)
  assert.match(sheet, /<red>lost +10 +1,000<\/>/)
  assert.match(sheet, /<green>double-billed +0 +0<\/>/)
  assert.match(sheet, /<red>Killed 2 times .* are lost\.<\/>/)
})

test('a story without kills, and one that was stopped', () => {
  const sheet = drawSheet({ ...result, kills: [], complete: false }, plain)
  assert.match(sheet, /seed 42, stopped early/)
  assert.doesNotMatch(sheet, /SIGKILL/)
  assert.match(sheet, /^All 200,000 confirmed clicks are billed, each once\.$/m)
})
