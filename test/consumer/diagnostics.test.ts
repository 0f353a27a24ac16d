import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { consume, settle } from './harness.ts'

test('diagnostics follow a message from delivery to its end', async () => {
  const events: [string, Record<string, unknown>][] = []
  const listeners = ['delivered', 'handled', 'failed', 'held', 'dead', 'paused', 'resumed'].map((name) => {
    const listener = (event: unknown): void => {
      events.push([name, event as Record<string, unknown>])
    }
    subscribe(`holdfast:${name}`, listener)
    return [name, listener] as const
  })
  const failure = new Error('down')
  const { subscription, consumer, clock } = await consume(
    { maxAttempts: 2, maxHeld: { messages: 1 } },
    ({ id }) => {
      clock.advance(5)
      if (id === 'a1') throw failure
    },
  )
  await settle()
  subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' })
  await settle()
  clock.advance(1000)
  await settle()
  await consumer.close()
  for (const [name, listener] of listeners) unsubscribe(`holdfast:${name}`, listener)

  const where = { topic: 'clicks', group: 'billing', partition: 0 }
  const first = { ...where, offset: 0, messageId: 'a1' }
  const second = { ...where, offset: 1, messageId: 'a2' }
  assert.deepEqual(events, [
    ['delivered', { ...first, attempt: 1 }],
    ['failed', { ...first, attempt: 1, error: failure, delayMs: 1000 }],
    ['paused', { ...where, reason: 'max_held' }],
    ['held', { ...where, key: 'a', messages: 2 }],
    ['delivered', { ...first, attempt: 2 }],
    ['dead', { ...first, attempt: 2, reason: 'down' }],
    ['delivered', { ...second, attempt: 1 }],
    ['handled', { ...second, attempt: 1, durationMs: 5 }],
    ['resumed', { ...where, reason: 'max_held' }],
  ])
})
