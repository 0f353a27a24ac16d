import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { holdfast, start } from '../support.ts'

interface Result {
  ok: boolean
  complete: boolean
  balance: Record<
    'sent' | 'confirmed' | 'billed' | 'lost' | 'doubleBilled',
    { clicks: number; cents: number }
  >
  kills: { counted: boolean; unconfirmed: number; running: number; recoveryMs: number }[]
}

const directoryOf = (stderr: string) => /^directory: (.+)$/m.exec(stderr)?.[1] ?? ''

test('the unsafe story loses money, names the mistakes and ends with 0', async () => {
  const args = ['demo', '--unsafe', '--messages', '12000', '--kills', '2', '--seed', '3', '--json']
  const { code, stdout, stderr } = await holdfast(args)
  assert.equal(code, 0, stderr)
  const { balance, ok, kills } = JSON.parse(stdout) as Result
  assert.equal(ok, false)
  assert.equal(balance.sent.clicks, 12_000)
  assert.ok(balance.lost.clicks > 0 && balance.lost.cents >= balance.lost.clicks)
  assert.equal(balance.billed.clicks + balance.lost.clicks, 12_000)
  assert.equal(kills.filter((kill) => kill.counted).length, 2)
  assert.match(stderr, /kept in memory/)
  assert.equal(existsSync(directoryOf(stderr)), false)
})

test('a signal ends the story early, with a balance', async () => {
  const { child, ended, said } = start([
    'demo',
    '--unsafe',
    '--messages',
    '5000000',
    '--kills',
    '0',
    '--keep',
  ])
  while (!said().includes('confirmed ')) await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const { code, stdout, stderr } = await ended
  assert.equal(code, 0, stderr)
  assert.match(stdout, /stopped early/)
  assert.match(stdout, /^ {2}lost +0 +0$/m)
  const directory = directoryOf(stderr)
  assert.equal(existsSync(directory), true)
  await rm(directory, { recursive: true })
})

test('the story with kills bills every confirmed click once', async () => {
  const args = ['demo', '--messages', '20000', '--kills', '3', '--seed', '3', '--json']
  const { code, stdout, stderr } = await holdfast(args)
  assert.equal(code, 0, stderr)
  const { balance, ok, complete, kills } = JSON.parse(stdout) as Result
  assert.deepEqual([ok, complete], [true, true])
  assert.deepEqual(balance.billed, balance.sent)
  assert.deepEqual(balance.confirmed, balance.sent)
  assert.deepEqual([balance.lost.clicks, balance.doubleBilled.clicks], [0, 0])
  const counted = kills.filter((kill) => kill.counted)
  assert.equal(counted.length, 3)
  for (const kill of counted) assert.ok(kill.unconfirmed >= 100 && kill.running >= 1)
  assert.equal(existsSync(directoryOf(stderr)), false)
})
