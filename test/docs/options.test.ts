import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { filled, optionsPage } from '../../scripts/option-tables.ts'

const page = readFileSync(optionsPage, 'utf8')

test('the page of options shows what the code allows', () => {
  assert.equal(page, filled(page), 'run: node scripts/option-tables.ts')
})

test('every option has a meaning, and a default or a reason to have none', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  assert.ok(rows.length >= 30)
  for (const row of rows) {
    const [, , fallback, allowed, meaning] = row.split('|').map((cell) => cell.trim())
    assert.notEqual(allowed, '', row)
    assert.ok(meaning !== undefined && meaning.length > 4, row)
    const isGroup = /an object of/.test(allowed ?? '')
    assert.ok(fallback !== '' || isGroup || /default|no limit|when it aborts|at least/.test(meaning), row)
  }
})
