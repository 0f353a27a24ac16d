import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Shutdown } from '../../src/cli/shutdown.ts'

class FakeProcess extends EventEmitter {
  readonly pid = 42
  readonly killed: unknown[] = []
  kill(pid: number, signal: string) {
    this.killed.push([pid, signal])
  }
}

test('the first signal drains, the second ends the process by that signal', async () => {
  const source = new FakeProcess()
  const announced: string[] = []
  const shutdown = new Shutdown(source, (signal) => announced.push(signal))
  const order: string[] = []
  shutdown.beforeForce(() => order.push('children'))
  shutdown.beforeForce(() => order.push('never'))()
  const waited = shutdown.wait()
  assert.equal(shutdown.requested, false)
  source.emit('SIGTERM', 'SIGTERM')
  await waited
  assert.equal(shutdown.signal.aborted, true)
  assert.deepEqual([announced, source.killed], [['SIGTERM'], []])
  source.emit('SIGINT', 'SIGINT')
  assert.deepEqual([order, source.killed], [['children'], [[42, 'SIGINT']]])
  assert.equal(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM'), 0)
})
