import assert from 'node:assert/strict'
import { test } from 'node:test'
import { table } from '../../src/cli/table.ts'

test('a table aligns, and ends lines without spaces', () => {
  const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' as const }, { title: 'END' }]
  assert.equal(
    table(columns, [
      ['a', '10', ''],
      ['longer', '5', 'x'],
    ]),
    ['NAME     N  END', 'a       10', 'longer   5  x'].join('\n'),
  )
  assert.equal(table(columns, []), 'NAME  N  END')
})
