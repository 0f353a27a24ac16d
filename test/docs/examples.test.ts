import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Program, root, runProgram } from './support.ts'

/** How to end the examples that run until somebody ends them. */
const endings: Readonly<Record<string, Omit<Program, 'text'>>> = {
  'quick-start.ts': { signal: 'SIGINT', signalAfter: 'cents' },
  'service.ts': { signal: 'SIGTERM', signalAfter: 'mail to' },
}
const quickStartPrints = 'charge advertiser-42: 100 cents\n'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** What the comment at the end of an example says it prints. */
function printed(text: string): string | null {
  const comment = /^\/\/ prints[^\n]*:\n((?:\/\/ .*\n)+)$/m.exec(text)?.[1]
  return comment === undefined ? null : comment.replace(/^\/\/ /gm, '')
}

for (const name of readdirSync(join(root, 'examples'))) {
  test(`examples/${name} prints what it says`, async () => {
    const text = read(`examples/${name}`)
    const expected = printed(text) ?? (name === 'quick-start.ts' ? quickStartPrints : null)
    const { code, stdout, stderr } = await runProgram({ text, ...endings[name] })
    assert.equal(stdout, expected, stderr)
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stderr, /error/i)
  })
}

test('the README begins with the example that is run here', () => {
  const readme = read('README.md')
  const program = /^```ts\n([\s\S]*?)^```$/m.exec(readme)
  assert.ok(program !== null)
  assert.equal(program[1], read('examples/quick-start.ts'))
  const lastLine = readme.slice(0, program.index + program[0].length).split('\n').length
  assert.ok(lastLine <= 30, `the program ends at line ${lastLine}`)
})
