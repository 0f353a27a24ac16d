import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outgoing } from '../../../src/core/engine.ts'
import { StoredMessage } from '../../../src/engines/embedded/delivery.ts'
import { followDistance, MessageCache } from '../../../src/engines/embedded/message-cache.ts'
import type { Partition } from '../../../src/engines/embedded/state.ts'

const partitions = [0, 1, 2].map((number) => ({ number }) as Partition)

function message(partition: number, offset: number, bytes = 100): StoredMessage {
  const outgoing = { topic: 't', key: null, id: null, counter: 1, headers: null, body: '{}', codec: 1, bytes }
  return StoredMessage.sent(outgoing as unknown as Outgoing, 'epoch', partition, offset)
}

describe('the message cache', () => {
  it('finds what was added and not forgotten, whatever the order of both', () => {
    const step = fc.record({ partition: fc.nat(2), forget: fc.boolean(), count: fc.nat(40) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new MessageCache()
        const kept = partitions.map(() => ({ first: 0, end: 0 }))
        for (const { partition: at, forget, count } of steps) {
          const own = kept[at]!
          const partition = partitions[at]!
          if (forget) {
            own.first = Math.min(own.first + count, own.end)
            cache.forget(partition, own.first)
          } else {
            for (let i = 0; i < count; i++) cache.add(partition, message(at, own.end++))
          }
        }
        assert.equal(
          cache.size,
          kept.reduce((sum, { first, end }) => sum + end - first, 0),
        )
        for (const [at, { first, end }] of kept.entries()) {
          for (let offset = 0; offset <= end; offset++) {
            const found = cache.get(partitions[at]!, offset)
            assert.equal(found?.offset, offset >= first && offset < end ? offset : undefined)
          }
        }
      }),
    )
  })

  it('lets go of the oldest first when there are too many, also behind what was forgotten', () => {
    const cache = new MessageCache()
    const [slow, fast] = partitions as [Partition, Partition]
    for (let i = 0; i < 10; i++) cache.add(slow, message(0, i))
    for (let i = 0; i < followDistance * 3; i++) {
      cache.add(fast, message(1, i))
      if (i < followDistance) cache.forget(fast, i)
    }
    assert.equal(cache.size, followDistance)
    assert.equal(cache.get(slow, 9), undefined)
    assert.equal(cache.get(fast, followDistance * 2 - 1), undefined)
    assert.equal(cache.get(fast, followDistance * 2)?.offset, followDistance * 2)
  })

  it('keeps fewer of large messages, and always the newest', () => {
    const cache = new MessageCache()
    const [partition] = partitions as [Partition]
    for (let i = 0; i < 20; i++) cache.add(partition, message(0, i, 2 * 1024 * 1024))
    assert.equal(cache.size, 4)
    cache.add(partition, message(0, 20, 64 * 1024 * 1024))
    assert.equal(cache.size, 1)
    assert.equal(cache.get(partition, 20)?.offset, 20)
  })

  it('begins anew where offsets do not follow', () => {
    const cache = new MessageCache()
    const [partition] = partitions as [Partition]
    cache.add(partition, message(0, 1))
    cache.add(partition, message(0, 7))
    assert.equal(cache.get(partition, 1), undefined)
    assert.equal(cache.get(partition, 7)?.offset, 7)
    assert.equal(cache.size, 1)
  })
})
