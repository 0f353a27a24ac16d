import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DeadLetter, Retry } from '../../src/consumer/verdict.ts'
import { consume, settle } from './harness.ts'

describe('retries', () => {
  it('waits 1, 4, 16, 64 and 256 s, then makes a dead letter; never acknowledges', async () => {
    let attempts = 0
    const { subscription, consumer, clock } = await consume({}, (_, context) => {
      attempts++
      assert.equal(context.attempt, attempts)
      throw new Error(`failed ${attempts}`)
    })
    await settle()
    const start = clock.now()
    subscription.send({ id: 'a', key: 'k' })
    await settle()
    for (const [i, waitMs] of [1000, 4000, 16_000, 64_000, 256_000].entries()) {
      assert.equal(subscription.retries.length, i + 1)
      const { failure } = subscription.retries[i]
      assert.equal(failure.failures, i + 1)
      assert.equal(failure.delayMs, waitMs)
      assert.equal(failure.firstFailureMs, start)
      clock.advance(waitMs - 1)
      await settle()
      assert.equal(attempts, i + 1)
      clock.advance(1)
      await settle()
      assert.equal(attempts, i + 2)
    }
    const [{ id, death }] = subscription.dead
    assert.equal(id, 'a')
    assert.equal(death.reason, 'failed 6')
    assert.match(death.stack, /failed 6\n\s+at /)
    assert.equal(death.attempts, 6)
    assert.equal(death.firstFailureMs, start)
    assert.equal(death.lastFailureMs, start + 341_000)
    assert.equal(new Set(subscription.retries.map(({ failure }) => failure.fingerprint)).size, 1)
    assert.deepEqual(subscription.acked, [])
    assert.equal(clock.pending, 1)
    await consumer.close()
  })

  it('spreads waits by ±20 %, and repeats the last step', async () => {
    for (const [uint32, expected] of [
      [0, [80, 160, 160]],
      [2 ** 32 - 1, [120, 240, 240]],
    ] as const) {
      const random = { uint32: () => uint32, bytes: (length: number) => new Uint8Array(length) }
      const { subscription, consumer, clock } = await consume({ backoffMs: [100, 200], random }, () => {
        throw new Error('no')
      })
      await settle()
      subscription.send({ id: 'a' })
      for (let i = 0; i < 3; i++) {
        await settle()
        clock.advance(240)
      }
      assert.deepEqual(
        subscription.retries.slice(0, 3).map(({ failure }) => failure.delayMs),
        expected,
      )
      await consumer.close()
    }
  })

  it('holds the key in place: its successors wait, others go on', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ concurrency: 4 }, ({ id }) => {
      seen.push(id)
      if (seen.length === 1) throw new Error('once')
    })
    await settle()
    subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' }, { id: 'b1', key: 'b' }, { id: 'n' })
    await settle()
    subscription.send({ id: 'a3', key: 'a' }, { id: 'b2', key: 'b' })
    await settle()
    assert.deepEqual(seen, ['a1', 'b1', 'n', 'b2'])
    clock.advance(1000)
    await settle()
    assert.deepEqual(seen.slice(4), ['a1', 'a2', 'a3'])
    assert.deepEqual(subscription.acked.toSorted(), ['a1', 'a2', 'a3', 'b1', 'b2', 'n'])
    await consumer.close()
  })

  it('goes on behind a dead letter', async () => {
    const { subscription, consumer } = await consume({}, async ({ id }) => {
      if (id === 'a1') throw new DeadLetter('no such advertiser', { cause: new Error('404') })
    })
    await settle()
    subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' })
    await settle()
    const [{ death }] = subscription.dead
    assert.equal(death.reason, 'no such advertiser')
    assert.match(death.stack, /caused by: Error: 404/)
    assert.equal(death.attempts, 1)
    assert.deepEqual(subscription.retries, [])
    assert.deepEqual(subscription.acked, ['a2'])
    await consumer.close()
  })

  it('waits as long as a Retry asks', async () => {
    let attempts = 0
    const { subscription, consumer, clock } = await consume({ maxAttempts: 2 }, () => {
      attempts++
      throw new Retry({ afterMs: 77, reason: 'rate limit' })
    })
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    assert.equal(subscription.retries[0].failure.delayMs, 77)
    assert.equal(subscription.retries[0].failure.failures, 1)
    clock.advance(77)
    await settle()
    assert.equal(attempts, 2)
    assert.equal(subscription.dead[0].death.reason, 'rate limit')
    await consumer.close()
  })

  it('does not count a Retry that asks so, until maxRetryAgeMs', async () => {
    const attempts: number[] = []
    const duplicates: boolean[] = []
    const { subscription, consumer, clock } = await consume(
      { maxAttempts: 2, maxRetryAgeMs: 10_000 },
      (message, context) => {
        attempts.push(context.attempt)
        duplicates.push(message.mayBeDuplicate)
        throw new Retry({ afterMs: 3000, countsAsAttempt: false })
      },
    )
    await settle()
    subscription.send({ id: 'a' })
    await settle()
    for (let i = 0; i < 5; i++) {
      clock.advance(3000)
      await settle()
    }
    // 0, 3, 6, 9 s are free; 12 s counts, 15 s is the second that counts.
    assert.deepEqual(attempts, [1, 1, 1, 1, 1, 2])
    assert.deepEqual(duplicates, [false, true, true, true, true, true])
    assert.deepEqual(
      subscription.retries.map(({ failure }) => failure.failures),
      [0, 0, 0, 0, 1],
    )
    assert.equal(subscription.dead.length, 1)
    await consumer.close()
  })

  it('goes on counting where the engine stopped', async () => {
    const seen: number[] = []
    const { subscription, consumer } = await consume({}, (_, { attempt }) => {
      seen.push(attempt)
      throw new Error('still')
    })
    await settle()
    subscription.send({ id: 'a', failures: 5, firstFailureMs: 123 })
    await settle()
    assert.deepEqual(seen, [6])
    assert.equal(subscription.dead[0].death.firstFailureMs, 123)
    await consumer.close()
  })

  it('never makes a dead letter of an attempt that does not count', async () => {
    const { subscription, consumer } = await consume({ maxAttempts: 2 }, () => {
      throw new Retry({ countsAsAttempt: false })
    })
    await settle()
    subscription.send({ id: 'a', failures: 3, firstFailureMs: Date.now() + 1e12 })
    await settle()
    assert.deepEqual(subscription.dead, [])
    assert.equal(subscription.retries[0].failure.failures, 3)
    await consumer.close()
  })

  it('waits out a backoff that outlived a restart, successors behind it', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ concurrency: 4 }, ({ id }) => {
      seen.push(id)
    })
    await settle()
    const dueMs = clock.now() + 5000
    subscription.send({ id: 'a1', key: 'a', failures: 1, notBeforeMs: dueMs }, { id: 'a2', key: 'a' })
    subscription.send({ id: 'b1', key: 'b', notBeforeMs: clock.now() - 1 })
    await settle()
    assert.deepEqual(seen, ['b1'])
    clock.advance(4999)
    await settle()
    assert.deepEqual(seen, ['b1'])
    clock.advance(1)
    await settle()
    assert.deepEqual(seen, ['b1', 'a1', 'a2'])
    await consumer.close()
  })

  it('waits as long as was asked for, longer than any step of the backoff', async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ backoffMs: [1000, 2000] }, ({ id }) => {
      seen.push(id)
    })
    await settle()
    subscription.send({ id: 'a', failures: 1, notBeforeMs: clock.now() + 3_600_000 })
    await settle()
    clock.advance(3_599_999)
    await settle()
    assert.deepEqual(seen, [])
    clock.advance(1)
    await settle()
    assert.deepEqual(seen, ['a'])
    await consumer.close()
  })

  it('waits no longer where the clock is set back behind the delivery', async () => {
    const seen: string[] = []
    const first = Promise.withResolvers<void>()
    const { subscription, consumer, clock } = await consume({}, ({ id }) => {
      seen.push(id)
      return id === 'a1' ? first.promise : undefined
    })
    await settle()
    subscription.send({ id: 'a1', key: 'a' })
    subscription.send({ id: 'a2', key: 'a', failures: 1, notBeforeMs: clock.now() + 1000 })
    await settle()
    clock.stepWall(-86_400_000)
    first.resolve()
    await settle()
    clock.advance(999)
    await settle()
    assert.deepEqual(seen, ['a1'])
    clock.advance(1)
    await settle()
    assert.deepEqual(seen, ['a1', 'a2'])
    await consumer.close()
  })

  it("hands a failed message back where the group's order is 'none'", async () => {
    const seen: string[] = []
    const { subscription, consumer, clock } = await consume({ order: 'none' }, ({ id }) => {
      seen.push(id)
      if (id === 'a1') throw new Error('no')
    })
    await settle()
    subscription.send({ id: 'a1', key: 'a' }, { id: 'a2', key: 'a' })
    await settle()
    clock.advance(10_000)
    await settle()
    assert.deepEqual(seen, ['a1', 'a2'])
    assert.equal(subscription.retries[0].id, 'a1')
    assert.deepEqual(subscription.acked, ['a2'])
    await consumer.close()
  })

  it('warns of failures once a second, and counts the rest', async () => {
    const { subscription, consumer, clock, lines } = await consume({ concurrency: 9 }, () => {
      throw new Error('down')
    })
    await settle()
    subscription.send({ id: 'a' }, { id: 'b' }, { id: 'c' })
    await settle()
    const warnings = () => lines.filter(({ level }) => level === 'warn')
    assert.equal(warnings().length, 1)
    clock.advance(1000)
    await settle()
    assert.equal(warnings().length, 2)
    assert.equal(warnings()[1].fields.suppressed, 2)
    await consumer.close()
  })
})
