import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('a body that waits for what keeps no process alive comes to its end', () => {
  const script = `
    const { keepAlive } = await import(process.argv[1])
    const late = () => new Promise((resolve) => setTimeout(() => resolve('done'), 50).unref())
    process.stdout.write(await keepAlive(late))
  `
  const module = new URL('../../src/cli/keep-alive.ts', import.meta.url).href
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script, module])
  assert.deepEqual([String(stdout), status], ['done', 0])
})
