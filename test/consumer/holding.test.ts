import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { consume, settle } from './harness.ts'

describe('what is held', () => {
  it('uses no prefetch: other keys go on behind any number of it', async () => {
    const seen: string[] = []
    const { subscription, consumer } = await consume(
      { prefetch: { messages: 4, bytes: 40 } },
      ({ id, key }) => {
        seen.push(id)
        if (key === 'a') throw new Error('down')
      },
    )
    await settle()
    const poisoned = Array.from({ length: 50 }, (_, i) => ({ id: `a${i}`, key: 'a', bytes: 10 }))
    subscription.send(...poisoned, { id: 'b', key: 'b', bytes: 10 })
    for (let i = 0; i < 20; i++) await settle()
    assert.deepEqual(seen, ['a0', 'b'])
    assert.equal(subscription.inHand.size, 50)
    assert.deepEqual(subscription.credit, { messages: 4, bytes: 40 })
    await consumer.close()
  })

  for (const [name, maxHeld] of [
    ['messages', { messages: 4 }],
    ['bytes', { bytes: 40 }],
  ] as const) {
    it(`pauses its partition beyond maxHeld ${name}, until it has drained to half`, async () => {
      let down = true
      const held: string[] = []
      const events: unknown[] = []
      const { subscription, consumer, clock, lines } = await consume(
        { prefetch: 2, maxHeld, maxAttempts: 2 },
        ({ id, key }) => {
          if (key !== 'a' || !down) return
          held.push(id)
          throw new Error('down')
        },
      )
      consumer.on('paused', (event) => events.push(event))
      consumer.on('resumed', (event) => events.push(event))
      await settle()
      const message = (id: string, key: string, partition: number) => ({ id, key, partition, bytes: 10 })
      const run = Array.from({ length: 20 }, (_, i) => message(`a${i}`, 'a', 1))
      subscription.send(...run, message('b', 'b', 2))
      for (let i = 0; i < 20; i++) await settle()
      assert.deepEqual(subscription.pauses, ['pause 1'])
      assert.deepEqual(events, [{ partition: 1, reason: 'max_held' }])
      // What was allowed before the pause still comes.
      assert.ok(subscription.inHand.size <= 4 + 2)
      assert.deepEqual(subscription.acked, ['b'])
      assert.equal(lines.filter(({ message }) => message.startsWith('a partition pauses')).length, 1)

      let inHandAtResume = 0
      const resume = subscription.resumePartition.bind(subscription)
      subscription.resumePartition = (partition) => {
        inHandAtResume = subscription.inHand.size
        resume(partition)
      }
      down = false
      clock.advance(1000)
      for (let i = 0; i < 20; i++) await settle()
      assert.deepEqual(subscription.pauses, ['pause 1', 'resume 1'])
      assert.equal(inHandAtResume, 2)
      assert.deepEqual(events[1], { partition: 1 })
      assert.deepEqual(held, ['a0'])
      assert.deepEqual(subscription.acked, ['b', ...run.map(({ id }) => id)])
      await consumer.close()
    })
  }

  it('wakes in due order, whatever the order of the failures', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ concurrency: 100 }, ({ id }) => {
      seen.push(id)
    })
    await settle()
    const now = clock.now()
    const waits = Array.from({ length: 60 }, (_, i) => ((i * 37) % 60) + 1)
    subscription.send(...waits.map((ms) => ({ id: `${ms}`, failures: 1, notBeforeMs: now + ms })))
    await settle()
    for (let ms = 1; ms <= 60; ms++) {
      clock.advance(1)
      await settle()
      assert.deepEqual(seen.length, ms)
    }
    assert.deepEqual(
      seen,
      waits.toSorted((a, b) => a - b).map((ms) => `${ms}`),
    )
    assert.equal(clock.pending, 1)
    await consumer.close()
  })

  it('gives credit back when half of it is free and once per turn, not per message', async () => {
    const { subscription, consumer } = await consume({ prefetch: 100 }, async () => {})
    await settle()
    subscription.send(...Array.from({ length: 100 }, (_, i) => ({ id: `m${i}` })))
    await settle()
    assert.equal(subscription.acked.length, 100)
    // The first prefetch, the half that was free early, the rest.
    assert.equal(subscription.requests, 3)
    assert.equal(subscription.credit.messages, 100)
    await consumer.close()
  })
})
