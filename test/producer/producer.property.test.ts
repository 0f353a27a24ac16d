/**
 * Goal: whatever outcomes, aborts, deadlines and closes come in whatever order, every send has exactly one answer, and every
 * answer is true. Method: a random script drives producer and engine; the engine's own record is the judge.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Outgoing, Placement } from '../../src/core/engine.ts'
import { HoldfastError, isHoldfastError } from '../../src/core/errors.ts'
import type { Receipt, SendResult } from '../../src/core/message.ts'
import { makeProducer, tick } from './support.ts'

const window = { messages: 3, bytes: 1500 }
const maxPending = { messages: 8, bytes: 6000 }

type Step =
  | { readonly do: 'send'; readonly id: string | null; readonly body: number; readonly size: number }
  | { readonly do: 'sendAll'; readonly count: number }
  | { readonly do: 'oneway' }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'confirm' | 'refuse' | 'lose' | 'doubt'; readonly which: number }
  | { readonly do: 'resolve'; readonly which: number; readonly stored: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'tick' }
  | { readonly do: 'close'; readonly ms: number }

const which = fc.nat(20)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      id: fc.option(fc.constantFrom('a', 'b')),
      body: fc.nat(1),
      size: fc.constantFrom(0, 200, 1500),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sendAll' as const), count: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'oneway' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), which }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('confirm' as const, 'refuse', 'lose', 'doubt'), which }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resolve' as const), which, stored: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 100) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'tick' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('close' as const), ms: fc.constantFrom(0, 50, 1000) }),
  },
)

/** What a send came to, and what settled() said afterwards. */
interface Answer {
  answers: number
  receipt: Receipt | null
  error: HoldfastError | null
  late: Receipt | HoldfastError | null
}

class Run {
  readonly fixture = makeProducer({ window, maxPending, sendTimeoutMs: 100 })
  readonly answers: Answer[] = []
  readonly lists: { readonly count: number; results: SendResult[] | null }[] = []
  readonly controllers: AbortController[] = []
  readonly resolutions: { readonly message: Outgoing; settle(placement: Placement | null): void }[] = []
  /** By counter: what the engine holds for true. */
  readonly stored = new Map<number, Placement>()
  readonly absent = new Set<number>()
  #offset = 0
  #isBeyondWindow = false

  constructor() {
    const { engine } = this.fixture
    // Noted, not thrown: what an engine throws the producer catches.
    engine.onBatch = () => {
      const bytes = engine.open.reduce((sum, message) => sum + message.bytes, 0)
      this.#isBeyondWindow ||= engine.open.length > window.messages
      this.#isBeyondWindow ||= bytes > window.bytes && engine.open.length > 1
    }
  }

  async step(step: Step): Promise<void> {
    const { producer, engine, clock } = this.fixture
    switch (step.do) {
      case 'send':
        this.#send(step)
        break
      case 'sendAll':
        this.#sendAll(step.count)
        break
      case 'oneway':
        try {
          producer.unsafeSendOneway({ topic: 'clicks', body: 0 })
        } catch (error) {
          assert.ok(isHoldfastError(error) && ['closed', 'too_many_pending'].includes(error.code))
        }
        break
      case 'abort':
        this.controllers[step.which]?.abort()
        break
      case 'wait':
        clock.advance(step.ms)
        break
      case 'tick':
        await tick()
        break
      case 'close':
        void producer.close({ timeoutMs: step.ms })
        break
      case 'resolve': {
        const [resolution] = this.resolutions.splice(step.which, 1)
        if (resolution !== undefined) resolution.settle(step.stored ? this.#store(resolution.message) : null)
        break
      }
      default:
        if (engine.open.length > 0)
          this.#answer(step.do, engine.take(engine.open[step.which % engine.open.length]))
    }
  }

  async finish(): Promise<void> {
    const { producer, engine, clock } = this.fixture
    const closing = producer.close({ timeoutMs: 1000 })
    clock.advance(1000)
    await tick()
    clock.advance(1000)
    await closing
    while (engine.open.length > 0) this.#answer('confirm', engine.take())
    for (const { settle } of this.resolutions.splice(0)) settle(null)
    await tick()
    await tick()
  }

  #send({ id, body, size }: Extract<Step, { do: 'send' }>): void {
    const answer: Answer = { answers: 0, receipt: null, error: null, late: null }
    const controller = new AbortController()
    this.answers.push(answer)
    this.controllers.push(controller)
    const content = [body, id === null ? 'x'.repeat(size) : '']
    const common = { topic: 'clicks', body: content, signal: controller.signal }
    this.fixture.producer.send(id === null ? common : { ...common, id }).then(
      (receipt) => {
        answer.answers++
        answer.receipt = receipt
      },
      (error: HoldfastError) => {
        answer.answers++
        answer.error = error
        const keep = (late: Receipt | HoldfastError): void => {
          answer.late = late
        }
        error.settled?.().then(keep, keep)
      },
    )
  }

  #sendAll(count: number): void {
    const list: { count: number; results: SendResult[] | null } = { count, results: null }
    this.lists.push(list)
    const messages = Array.from({ length: count }, () => ({ topic: 'clicks', body: 0 }))
    void this.fixture.producer.sendAll(messages).then((results) => {
      list.results = results
    })
  }

  #answer(how: 'confirm' | 'refuse' | 'lose' | 'doubt', message: Outgoing): void {
    if (how === 'confirm') {
      const { partition, offset } = this.#store(message)
      message.confirmed(partition, offset)
    } else if (how === 'refuse') {
      this.absent.add(message.counter)
      message.refused(new HoldfastError('disk_full', 'full'))
    } else if (how === 'lose') message.unknown(new HoldfastError('log_failed', 'lost'), null)
    else {
      const { promise, resolve } = Promise.withResolvers<Placement | null>()
      message.unknown(new HoldfastError('log_failed', 'in doubt'), promise)
      const settle = (placement: Placement | null): void => {
        if (placement === null) this.absent.add(message.counter)
        resolve(placement)
      }
      this.resolutions.push({ message, settle })
    }
  }

  #store({ counter }: Outgoing): Placement {
    const placement = { partition: 0, offset: this.#offset++ }
    this.stored.set(counter, placement)
    return placement
  }

  check(): void {
    const { engine } = this.fixture
    assert.equal(this.#isBeyondWindow, false, 'more than the window with the engine')
    const counters = engine.taken.map(({ counter }) => counter)
    assert.deepEqual(
      counters,
      counters.toSorted((a, b) => a - b),
      'handed over in another order than called',
    )
    assert.equal(new Set(counters).size, counters.length, 'handed over twice')
    const offsets = new Set([...this.stored.values()].map(({ offset }) => offset))
    for (const answer of this.answers) {
      assert.equal(answer.answers, 1, 'not exactly one answer')
      assert.equal(answer.late !== null, answer.error?.settled !== undefined, 'settled() never settled')
      this.#checkAnswer(answer.receipt, answer.error, offsets)
      if (answer.late instanceof Error) this.#checkAnswer(null, answer.late, offsets)
      else if (answer.late !== null) this.#checkAnswer(answer.late, null, offsets)
    }
    for (const { count, results } of this.lists) {
      assert.equal(results?.length, count, 'a list without results')
      for (const result of results ?? []) {
        if (result.ok) this.#checkAnswer(result.receipt, null, offsets)
        else this.#checkAnswer(null, result.error, offsets)
      }
    }
  }

  #checkAnswer(receipt: Receipt | null, error: HoldfastError | null, offsets: ReadonlySet<unknown>): void {
    if (receipt !== null) assert.ok(offsets.has(receipt.offset), 'a receipt for what is not stored')
    if (error?.outcome !== 'failed' || error.messageId === undefined) return
    if (error.code === 'id_conflict') return
    // Own ids name their message: what was called failed is not stored.
    const counter = Number(error.messageId.split('-').at(-1))
    if (Number.isNaN(counter)) return
    assert.equal(this.stored.has(counter), false, `message ${counter} is stored and was called failed`)
  }
}

it('every send has exactly one answer, and it is true', async () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', listener)
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const run = new Run()
      for (const one of steps) await run.step(one)
      await run.finish()
      run.check()
      for (const { error, late, receipt } of run.answers) {
        seen.add(error === null ? `receipt${receipt?.duplicate}` : `${error.code} ${error.outcome}`)
        if (late !== null) seen.add(late instanceof Error ? 'late failure' : 'late receipt')
      }
    }),
    { numRuns: 1500 },
  )
  await tick()
  process.off('unhandledRejection', listener)
  assert.deepEqual(unhandled, [])
  // A script that never reaches a case proves nothing about it.
  const expected = [
    'aborted failed',
    'closed failed',
    'disk_full failed',
    'id_conflict failed',
    'late failure',
    'late receipt',
    'log_failed unknown',
    'receiptfalse',
    'receipttrue',
    'send_pending unknown',
    'timed_out failed',
    'too_many_pending failed',
  ]
  assert.deepEqual(
    expected.filter((one) => !seen.has(one)),
    [],
  )
})
