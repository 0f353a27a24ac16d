import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quietLogger } from '../../src/core/logger.ts'

test('warnings and errors are one line each on stderr, the rest is silent', (context) => {
  const lines: unknown[] = []
  context.mock.method(process.stderr, 'write', (text: unknown) => {
    lines.push(text)
    return true
  })
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  quietLogger.debug({}, 'debug')
  quietLogger.info({}, 'info')
  quietLogger.warn({ topic: 'clicks', bytes: 12, note: 'two\nlines' }, 'tail cut')
  quietLogger.error({ err: new Error('EIO') }, 'log failed')
  quietLogger.error({ cycle, none: undefined, big: 1n }, 'odd')
  quietLogger.warn({}, 'plain')
  assert.deepEqual(lines, [
    'holdfast warning: tail cut (topic=clicks, bytes=12, note="two\\nlines")\n',
    'holdfast error: log failed (err="EIO")\n',
    'holdfast error: odd (cycle=[object Object], none=undefined, big=1)\n',
    'holdfast warning: plain\n',
  ])
})
