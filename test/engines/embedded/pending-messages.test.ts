import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outgoing } from '../../../src/core/engine.ts'
import { PendingMessages } from '../../../src/engines/embedded/pending-messages.ts'
import type { Partition } from '../../../src/engines/embedded/state.ts'

const partition = { number: 3 } as Partition

describe('pending messages', () => {
  it('come out in order, each once, up to the ticket', () => {
    const step = fc.record({ add: fc.nat(1500), take: fc.nat(1500) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const pending = new PendingMessages()
        const expected: number[] = []
        let ticket = 0
        let settled = 0
        for (const { add, take } of steps) {
          for (let i = 0; i < add; i++) {
            ticket++
            // Other records have tickets, too.
            if (ticket % 5 === 0) continue
            const message = { counter: ticket } as Outgoing
            pending.add(message, ticket % 2 === 0 ? 'even' : 'odd', partition, ticket * 10, ticket)
            expected.push(ticket)
          }
          settled = Math.min(ticket, settled + take)
          pending.take(settled, (message, epoch, own, offset) => {
            const next = expected.shift()
            assert.equal(message.counter, next)
            assert.equal(epoch, message.counter % 2 === 0 ? 'even' : 'odd')
            assert.equal(own, partition)
            assert.equal(offset, message.counter * 10)
            assert.ok(message.counter <= settled)
          })
          assert.ok(expected[0] === undefined || expected[0] > settled, 'nothing durable is left')
          assert.deepEqual(
            [...pending].map(({ message }) => message.counter),
            expected,
          )
          assert.equal(
            pending.has('odd'),
            expected.some((n) => n % 2 === 1),
          )
        }
      }),
      { numRuns: 60 },
    )
  })
})
