import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyPage } from '../../../src/cli/commands/verify.ts'
import type { Paint } from '../../../src/cli/output.ts'
import type { VerifyProblem } from '../../../src/log/verify.ts'

const leftover: VerifyProblem = {
  code: 'leftover',
  segment: 'log/notes.txt',
  position: 0,
  message: 'left alone',
}
const keptTail: VerifyProblem = {
  code: 'tail_cut',
  segment: 'tails/7-4096-1f.tail',
  position: 0,
  message: 'an earlier opening kept it',
}
const corrupt: VerifyProblem = { code: 'corrupt', segment: 'log/7-1f.seg', position: 512, message: 'a bit' }

const page = (...problems: VerifyProblem[]): string => {
  const paint: Paint = (style, text) => `<${String(style)}>${text}</${String(style)}>`
  return verifyPage({ segments: 1, frames: 2, records: 3, bytes: 4, messages: 5, problems }, paint)
}

describe('the page of verify', () => {
  test('has no red where nothing is damaged, whatever is kept', () => {
    for (const problems of [[], [leftover], [keptTail], [leftover, keptTail]]) {
      const text = page(...problems)
      assert.match(text, /<green>everything is intact/)
      assert.doesNotMatch(text, /<red>|PROBLEM|Make a copy/)
      for (const { segment } of problems) assert.ok(text.includes(segment))
    }
  })

  test('says what a kept tail does to the exit code', () => {
    assert.match(page(keptTail), /exit code is 1/)
    assert.doesNotMatch(page(leftover), /exit code/)
  })

  test('counts damage alone, and lists it first', () => {
    const text = page(leftover, corrupt, keptTail)
    assert.match(text, /<red>1 found/)
    assert.match(text, /PROBLEM.*\n.*7-1f\.seg[\s\S]*Make a copy[\s\S]*NO DAMAGE[\s\S]*notes\.txt/)
  })

  test('takes a tail that is not cut off yet for damage', () => {
    assert.match(page({ ...keptTail, segment: 'log/7-1f.seg' }), /<red>1 found/)
  })
})
