import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Ledger } from '../../src/core/ledger.ts'

/** What a ledger must be, without any cleverness. */
class Model {
  readonly set = new Set<number>()

  get floor(): number {
    return this.nextMissing(0)
  }

  nextMissing(from: number): number {
    let at = from
    while (this.set.has(at)) at++
    return at
  }

  add(n: number): boolean {
    const size = this.set.size
    this.set.add(n)
    return this.set.size > size
  }

  addRange(from: number, to: number): number {
    const size = this.set.size
    for (let n = from; n < to; n++) this.set.add(n)
    return this.set.size - size
  }

  ranges(): [number, number][] {
    const floor = this.floor
    const out: [number, number][] = []
    for (const n of [...this.set].sort((a, b) => a - b)) {
      if (n < floor) continue
      const last = out.at(-1)
      if (last !== undefined && last[1] === n) last[1] = n + 1
      else out.push([n, n + 1])
    }
    return out
  }

  countBelow(end: number): number {
    return [...this.set].filter((n) => n < end).length
  }
}

function assertSame(ledger: Ledger, model: Model, probes: readonly number[]): void {
  assert.equal(ledger.floor, model.floor)
  assert.equal(ledger.size, model.set.size)
  assert.equal(ledger.end, model.set.size === 0 ? 0 : Math.max(...model.set) + 1)
  assert.deepEqual([...ledger.ranges()], model.ranges())
  for (const n of probes) {
    assert.equal(ledger.has(n), model.set.has(n), `has ${n}`)
    assert.equal(ledger.nextMissing(n), model.nextMissing(n), `nextMissing ${n}`)
    assert.equal(ledger.countBelow(n), model.countBelow(n), `countBelow ${n}`)
    assert.equal(ledger.countFrom(n), model.set.size - model.countBelow(n), `countFrom ${n}`)
    assert.equal(ledger.containsRange(n, n + 40), model.nextMissing(n) >= n + 40, `containsRange ${n}`)
  }
}

// Mostly around the borders of words and pages, where mistakes are.
const border = fc.tuple(fc.constantFrom(0, 32, 4064, 4096, 8192, 12288), fc.integer({ min: -3, max: 3 }))
const number = fc.oneof(
  border.map(([at, by]) => Math.max(0, at + by)),
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: 13_000 }),
)
const step = fc.oneof(
  fc.record({ from: number, length: fc.constant(1) }),
  fc.record({
    from: number,
    length: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 9000 })),
  }),
)

test('behaves as a set of numbers', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.array(number, { maxLength: 6 }), (steps, probes) => {
      const ledger = new Ledger()
      const model = new Model()
      for (const { from, length } of steps) {
        if (length === 1) assert.equal(ledger.add(from), model.add(from))
        else assert.equal(ledger.addRange(from, from + length), model.addRange(from, from + length))
        assert.equal(ledger.floor, model.floor)
      }
      assertSame(ledger, model, probes)
      const copy = Ledger.decode(ledger.encode())
      assertSame(copy, model, probes)
      // A decoded ledger goes on as the first would have.
      for (const n of probes) assert.equal(copy.add(n), model.add(n))
      assertSame(copy, model, probes)
    }),
    { numRuns: 500 },
  )
})

test('single numbers in any order fill a page and more', () => {
  const order = fc.shuffledSubarray(
    Array.from({ length: 4200 }, (_, i) => i),
    { minLength: 4200 },
  )
  fc.assert(
    fc.property(order, (numbers) => {
      const ledger = new Ledger()
      for (const n of numbers) assert.equal(ledger.add(n), true)
      assert.equal(ledger.floor, 4200)
      assert.deepEqual([...ledger.ranges()], [])
      assert.deepEqual(ledger.encode(), ledgerOf([0, 4200]).encode())
    }),
    { numRuns: 20 },
  )
})

test('equal sets have equal bytes, whatever way they came about', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const there = new Ledger()
      const back = new Ledger()
      for (const { from, length } of steps) there.addRange(from, from + length)
      for (const { from, length } of steps.toReversed())
        for (let n = from + length - 1; n >= from; n--) back.add(n)
      assert.deepEqual(there.encode(), back.encode())
    }),
    { numRuns: 200 },
  )
})

// Around the sizes at which a page changes from one run to a list of runs and to a bitmap.
test('a page is the same set in each of its forms', () => {
  const inPage = fc.integer({ min: 4096, max: 8192 })
  const numbers = fc.array(fc.oneof(inPage, fc.integer({ min: 4096, max: 4140 })), { maxLength: 24 })
  const range = fc.tuple(inPage, fc.integer({ min: 0, max: 200 }))
  fc.assert(
    fc.property(numbers, fc.option(range), numbers, (first, between, rest) => {
      const ledger = new Ledger()
      const model = new Model()
      for (const n of first) assert.equal(ledger.add(n), model.add(n))
      assertSame(ledger, model, [...first, 0, 4096, 8192])
      if (between !== null) {
        const [from, length] = between
        assert.equal(ledger.addRange(from, from + length), model.addRange(from, from + length))
      }
      for (const n of rest) assert.equal(ledger.add(n), model.add(n))
      assertSame(ledger, model, rest)
      assertSame(Ledger.decode(ledger.encode()), model, [...first, ...rest])
    }),
    { numRuns: 300 },
  )
})

test('lonely members take little memory', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  const before = process.memoryUsage()
  const ledger = new Ledger()
  for (let n = 17; ledger.size < 100_000; n += 4096) ledger.add(n)
  collectGarbage()
  const after = process.memoryUsage()
  const bytes = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
  assert.ok(bytes < 12_000_000, `${bytes} bytes for ${ledger.size} members`)
})

test('what lies under the floor costs nothing', () => {
  const ledger = ledgerOf([0, 10_000_000])
  assert.ok(ledger.encode().length <= 8)
  const gap = ledgerOf([1, 10_000_000])
  assert.equal(gap.floor, 0)
  assert.ok(gap.encode().length < 24, String(gap.encode().length))
  assert.equal(gap.add(0), true)
  assert.equal(gap.floor, 10_000_000)
  assert.equal(gap.size, 10_000_000)
})

test('scattered members take little more than a bit each', () => {
  const ledger = new Ledger()
  for (let n = 1; n < 1_000_000; n += 2) ledger.add(n)
  assert.ok(ledger.encode().length < 1_000_000 / 8 + 1_000)
})

test('numbers to the end of what is safe', () => {
  const top = Number.MAX_SAFE_INTEGER
  const ledger = ledgerOf([top - 5000, top])
  assert.equal(ledger.has(top - 1), true)
  assert.equal(ledger.nextMissing(top - 4000), top)
  assert.deepEqual([...Ledger.decode(ledger.encode()).ranges()], [[top - 5000, top]])
  for (const n of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, top]) {
    assert.throws(() => ledger.add(n), RangeError, String(n))
    assert.throws(() => ledger.has(n), RangeError, String(n))
  }
  assert.throws(() => ledger.addRange(5, 4), RangeError)
  assert.throws(() => ledger.addRange(0, top + 1), RangeError)
})

test('the bytes are frozen', () => {
  const hex = (ledger: Ledger) => Buffer.from(ledger.encode()).toString('hex')
  assert.equal(hex(new Ledger()), '0100')
  assert.equal(hex(ledgerOf([0, 300])), '01ac02')
  // One page with a run: nothing skipped, kind 2, one run, gap 5, length 2.
  assert.equal(hex(ledgerOf([5, 7])), '01000002000501')
  // Below the floor the first page is full.
  assert.equal(hex(ledgerOf([0, 3], [4, 5])), '010300020100020100')
  // Two full pages behind an empty one.
  assert.equal(hex(ledgerOf([4096, 12288])), '0100010101')
  const even = new Ledger()
  for (let n = 1; n < 4096; n += 2) even.add(n)
  assert.equal(hex(even), `01000000${'aa'.repeat(512)}`)
})

test('cut, flipped and random bytes are refused or are another ledger, never a crash', () => {
  const bytes = ledgerOf([0, 70], [75, 90], [100, 4000], [8192, 16384], [20_000, 20_001]).encode()
  for (let length = 0; length < bytes.length; length++) decodes(bytes.subarray(0, length))
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3] ^= 1 << (bit & 7)
    decodes(flipped)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (tail) => decodes(Uint8Array.of(1, ...tail))),
    { numRuns: 2000 },
  )
})

const refused: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['another version', '0200'],
  ['a floor that never ends', '01ffffffffffffffffff'],
  ['a floor in a longer form', '018000'],
  ['a bitmap cut', `01000000${'aa'.repeat(511)}`],
  ['an empty bitmap', `01000000${'00'.repeat(512)}`],
  ['a full bitmap', `01000000${'ff'.repeat(512)}`],
  ['an unknown kind', '01000003'],
  ['runs behind the page', '0100000200ff1f05'],
  ['runs that touch', '010000020105000001'],
  ['a first page that holds the floor', '01000002000001'],
  ['a first page with nothing above the floor', '01030002000002'],
  ['a first page without what is below the floor', '01030002000501'],
  ['full pages for ever', '01000101ffffffff7f'],
]

for (const [name, hex] of refused) {
  test(`refuses ${name}`, () => {
    assert.throws(() => Ledger.decode(Buffer.from(hex, 'hex')), RangeError)
  })
}

/** Whatever decodes is a whole ledger. */
function decodes(bytes: Uint8Array): void {
  let ledger: Ledger
  try {
    ledger = Ledger.decode(bytes)
  } catch (error) {
    assert.ok(error instanceof RangeError, String(error))
    return
  }
  assert.deepEqual([...Ledger.decode(ledger.encode()).ranges()], [...ledger.ranges()])
}

function ledgerOf(...ranges: readonly (readonly [number, number])[]): Ledger {
  const ledger = new Ledger()
  for (const [from, to] of ranges) ledger.addRange(from, to)
  return ledger
}
