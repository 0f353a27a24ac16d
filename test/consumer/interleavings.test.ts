import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { DeadLetter, Retry } from '../../src/consumer/verdict.ts'
import type { FakeMessage, FakeSubscription } from '../support/fake-subscription.ts'
import { consume } from './harness.ts'

type Ending = 'ok' | 'sync' | 'fail' | 'dead' | 'retry' | 'free' | 'hang'

interface Plan {
  readonly key: string | null
  readonly bytes: number
  /** How the attempts end, the last one for good. */
  readonly endings: readonly Ending[]
}

type Step = { readonly do: 'send' | 'pause' | 'resume' | 'finish' | 'turn' } | { readonly advance: number }

const plans = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c', null),
    bytes: fc.integer({ min: 0, max: 30 }),
    endings: fc.array(fc.constantFrom<Ending>('ok', 'sync', 'fail', 'dead', 'retry', 'free', 'hang'), {
      maxLength: 5,
    }),
  }),
  { minLength: 1, maxLength: 40 },
)

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Step>({ do: 'send' }, { do: 'finish' }, { do: 'turn' }) },
    { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'pause' }, { do: 'resume' }) },
    { weight: 1, arbitrary: fc.constantFrom<Step>({ advance: 100 }, { advance: 1000 }, { advance: 5000 }) },
  ),
  { maxLength: 80 },
)

const settings = fc.record({
  concurrency: fc.integer({ min: 1, max: 5 }),
  prefetch: fc.record({ messages: fc.integer({ min: 1, max: 8 }), bytes: fc.integer({ min: 1, max: 60 }) }),
  maxHeld: fc.record({ messages: fc.integer({ min: 1, max: 6 }), bytes: fc.integer({ min: 20, max: 60 }) }),
})

const handlerTimeoutMs = 3000
const maxAttempts = 3

/** What must hold at every moment, seen from the handler and from the engine. */
class Observer {
  readonly first: string[] = []
  readonly violations: string[] = []
  /** Called when a handler is told to finish. */
  finished: (lane: string, id: string) => void = () => {}
  readonly running = new Map<string, string>()
  /** Handlers that wait to be finished, oldest first. */
  readonly waiting: (() => void)[] = []
  readonly #attempts = new Map<string, number>()
  readonly #plans: ReadonlyMap<string, Plan>
  readonly #concurrency: number

  constructor(all: ReadonlyMap<string, Plan>, concurrency: number) {
    this.#plans = all
    this.#concurrency = concurrency
  }

  async finish(): Promise<void> {
    this.waiting.shift()?.()
    await setImmediate()
  }

  handle(id: string, key: string | null): unknown {
    const plan = this.#plans.get(id)
    assert.ok(plan)
    const attempt = this.#attempts.get(id) ?? 0
    this.#attempts.set(id, attempt + 1)
    if (attempt === 0) this.first.push(id)
    const lane = key ?? `none ${id}`
    const beside = this.running.get(lane)
    // What is thrown here would pass for a failed attempt.
    if (beside !== undefined) this.violations.push(`${id} runs beside ${beside}`)
    if (this.running.size >= this.#concurrency) this.violations.push(`${id} is one too many`)
    const ending = plan.endings[attempt] ?? 'ok'
    if (ending === 'sync') return undefined
    this.running.set(lane, id)
    return new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        this.running.delete(lane)
        this.finished(lane, id)
        if (ending === 'ok' || ending === 'hang') resolve()
        else reject(errorFor(ending))
      }
      // One that hangs is finished only when everything else was tried.
      if (ending === 'hang') this.waiting.push(finish)
      else this.waiting.unshift(finish)
    })
  }
}

function errorFor(ending: Ending): Error {
  if (ending === 'dead') return new DeadLetter('no')
  if (ending === 'retry') return new Retry({ afterMs: 500 })
  if (ending === 'free') return new Retry({ countsAsAttempt: false })
  return new Error('failed')
}

/** What uses more of the prefetch than there is; null: nothing. */
function excess(
  subscription: FakeSubscription,
  prefetch: { messages: number; bytes: number },
): string | null {
  const messages = subscription.credit.messages + subscription.runnable
  const bytes = subscription.credit.bytes + subscription.runnableBytes
  if (messages <= prefetch.messages && bytes <= prefetch.bytes) return null
  return `${messages} messages and ${bytes} bytes of ${prefetch.messages} and ${prefetch.bytes}`
}

test('any interleaving: order, one at a time, one end each, credit exact', async () => {
  await fc.assert(
    fc.asyncProperty(plans, steps, settings, async (messages, script, options) => {
      const sent: FakeMessage[] = messages.map(({ key, bytes }, i) => ({
        id: `m${i}`,
        key,
        bytes,
        partition: key === null ? i % 2 : key.charCodeAt(0) % 2,
      }))
      const observer = new Observer(new Map(messages.map((plan, i) => [`m${i}`, plan])), options.concurrency)
      const { subscription, consumer, clock } = await consume(
        { ...options, maxAttempts, handlerTimeoutMs, decode: () => null },
        ({ id, key }) => observer.handle(id, key),
      )
      const check = (): void => {
        const died = subscription.dead.at(-1)?.id ?? ''
        for (const [lane, id] of observer.running) if (id === died) subscription.hold(lane, id)
        const message = excess(subscription, options.prefetch)
        if (message !== null) observer.violations.push(message)
      }
      subscription.changed = check
      observer.finished = (lane, id) => {
        if (!subscription.inHand.has(id)) subscription.release(lane, id)
      }
      const unsent = [...sent]
      for (const step of script) {
        if ('advance' in step) clock.advance(step.advance)
        else if (step.do === 'send') subscription.send(...unsent.splice(0, 3))
        else if (step.do === 'finish') await observer.finish()
        else if (step.do === 'turn') await setImmediate()
        else consumer[step.do]()
        check()
      }
      subscription.send(...unsent)
      consumer.resume()
      for (let i = 0; i < 5000 && subscription.backlog + subscription.inHand.size > 0; i++) {
        await setImmediate()
        await observer.finish()
        if (observer.waiting.length === 0) clock.advance(1000)
      }
      while (observer.waiting.length > 0) await observer.finish()
      await setImmediate()
      // Each ends exactly once: the subscription refuses a second settlement, so together they are all.
      const ended = [...subscription.acked, ...subscription.dead.map(({ id }) => id)]
      assert.deepEqual(ended.toSorted(), sent.map(({ id }) => id).toSorted())
      assert.deepEqual(subscription.credit, { ...options.prefetch })
      assert.deepEqual(observer.violations, [])
      for (const key of ['a', 'b', 'c']) {
        const ofKey = sent.filter((message) => message.key === key).map(({ id }) => id)
        assert.deepEqual(
          observer.first.filter((id) => ofKey.includes(id)),
          ofKey,
        )
      }
      assert.equal((await consumer.close()).handled, subscription.acked.length)
    }),
    { numRuns: 800 },
  )
})
