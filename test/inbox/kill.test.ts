import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const biller = fileURLToPath(new URL('./biller.ts', import.meta.url))
/** 1 + 2 + … + 60. */
const whole = { charges: 60, cents: 1830 }

/** One life of the process; resolves with the signal that ended it. */
function live(directory: string, moment: string): Promise<string> {
  const args = ['--disable-warning=ExperimentalWarning', biller, directory, moment]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? `${code} ${said}`))
  })
}

function books(directory: string): { charges: number; cents: number; deliveries: number } {
  const db = new DatabaseSync(join(directory, 'books.sqlite'))
  const row = db
    .prepare(
      `select count(*) as charges, sum(cents) as cents, (select count(*) from deliveries) as deliveries
       from charges`,
    )
    .get()
  db.close()
  return { charges: Number(row?.charges), cents: Number(row?.cents), deliveries: Number(row?.deliveries) }
}

for (const [moment, kept] of [
  ['before the commit', 9],
  ['after the commit', 10],
] as const) {
  test(`killed ${moment}, twice: every message is charged once`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-inbox-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    for (const life of [1, 2]) {
      assert.equal(await live(directory, moment), 'SIGKILL')
      assert.equal(books(directory).charges, life * kept)
    }
    assert.equal(await live(directory, ''), '0 ')
    const { deliveries, ...amounts } = books(directory)
    assert.deepEqual(amounts, whole)
    assert.ok(deliveries >= whole.charges + 2, `${deliveries} deliveries`)
  })
}
