import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Clicks } from '../../../src/cli/demo/clicks.ts'

test('the same seed gives the same clicks, another seed others', () => {
  const [one, same, other] = [new Clicks(7), new Clicks(7), new Clicks(8)]
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  assert.deepEqual(
    numbers.map((n) => one.get(n)),
    numbers.map((n) => same.get(n)),
  )
  assert.notDeepEqual(
    numbers.map((n) => one.get(n)),
    numbers.map((n) => other.get(n)),
  )
})

test('amounts are 1 to 500 cents, and many advertisers pay them', () => {
  const clicks = new Clicks(1)
  const advertisers = new Set<string>()
  for (let number = 0; number < 10_000; number++) {
    const { cents, advertiser } = clicks.get(number)
    assert.ok(Number.isInteger(cents) && cents >= 1 && cents <= 500)
    advertisers.add(advertiser)
  }
  assert.equal(advertisers.size, 500)
})
