import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type ErrorCode, errorKinds, HoldfastError, isHoldfastError } from '../../src/core/errors.ts'

const codes = Object.keys(errorKinds) as ErrorCode[]
const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

/** Text of the section of each code. */
const sections = new Map(
  page
    .split(/^#{2,3} /m)
    .slice(1)
    .flatMap((section): [string, string][] => {
      const match = /^`([a-z_]+)`\n/.exec(section)
      return match === null ? [] : [[match[1], section.slice(match[0].length)]]
    }),
)

test('docs/errors.md explains every code and no other', () => {
  assert.deepEqual([...sections.keys()].sort(), [...codes].sort())
})

for (const code of codes) {
  test(`docs/errors.md says of ${code} what the table decides`, () => {
    const { outcome, retryable } = errorKinds[code]
    const section = sections.get(code) ?? ''
    const decisions = `Outcome: \`${outcome}\`. Retryable: ${retryable ? 'yes' : 'no'}.`
    assert.equal(section.trimStart().split('\n')[0], decisions)
    assert.ok(section.length > decisions.length + 100, 'it is explained')
  })
}

test('advice is one whole sentence or more', () => {
  for (const code of codes) assert.match(errorKinds[code].advice, /^[A-Z`].*\.$/, code)
})

test('an error has the decisions of its code, unless the case is known better', () => {
  const plain = new HoldfastError('send_pending', 'no answer')
  assert.equal(plain.outcome, 'unknown')
  assert.equal(plain.retryable, true)
  assert.equal(plain.advice, errorKinds.send_pending.advice)
  assert.equal(plain.name, 'HoldfastError')
  assert.equal(plain.settled, undefined)
  assert.equal('cause' in plain, false)

  const cause = new Error('EIO')
  const known = new HoldfastError('aborted', 'stopped', {
    outcome: 'unknown',
    advice: 'Wait.',
    messageId: 'm',
    topic: 't',
    cause,
  })
  assert.equal(known.outcome, 'unknown')
  assert.equal(known.advice, 'Wait.')
  assert.equal(known.messageId, 'm')
  assert.equal(known.topic, 't')
  assert.equal(known.cause, cause)
})

test('errors are recognised across copies of the package', async () => {
  const other = (await import(
    `${new URL('../../src/core/errors.ts', import.meta.url)}?copy`
  )) as typeof import('../../src/core/errors.ts')
  const error = new other.HoldfastError('closed', 'closed')
  assert.equal(error instanceof HoldfastError, false)
  assert.equal(isHoldfastError(error), true)
  for (const value of [null, undefined, 'closed', {}, new Error('closed'), { code: 'closed' }]) {
    assert.equal(isHoldfastError(value), false)
  }
})
