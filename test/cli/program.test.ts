import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { holdfast, temporaryDirectory } from './support.ts'

const cwd = await temporaryDirectory()

test('--help lists what is built, and nothing else', async () => {
  const { code, stdout } = await holdfast(['--help'])
  assert.equal(code, 0)
  const list = stdout.slice(stdout.indexOf('Commands:'))
  const commands = [...list.matchAll(/^ {2}([a-z-]+) .*/gm)].map((match) => match[1])
  assert.deepEqual(commands, ['demo', 'produce', 'consume', 'topics', 'groups', 'dead-letters', 'verify'])
})

test('--version is the version of the package', async () => {
  const { code, stdout } = await holdfast(['--version'])
  assert.equal(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+/)
})

describe('wrong usage ends with exit code 2, a word about it and no stack', () => {
  const cases: [string[], RegExp][] = [
    [[], /Usage: holdfast/],
    [['prduce'], /unknown command 'prduce'[\s\S]*produce/],
    [['produce'], /missing required argument 'topic'/],
    [['produce', 'clicks', 'a', 'b'], /too many arguments/],
    [['produce', 'clicks', '--kye', 'x'], /unknown option '--kye'[\s\S]*--key/],
    [['produce', 'clicks', '--raw', '--key', 'x'], /--raw lines have no fields/],
    [['consume', 'clicks'], /--group/],
    [['consume', 'clicks', '--group', 'g', '--json'], /--json needs --exec/],
    [['consume', 'clicks', '--group', 'g', '--max', '0'], /whole number from 1/],
    [['consume', 'clicks', '--group', 'g', '--concurrency', '1e9'], /whole number from 1 to 10000/],
    [['demo', '--messages', '100', '--kills', '5'], /5 kills need at least 20,000 messages/],
    [['topics', 'delete'], /unknown command 'delete'/],
  ]
  for (const [args, words] of cases) {
    test(`holdfast ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await holdfast(args, { cwd })
      assert.equal(code, 2, stderr)
      assert.match(stderr, words)
      assert.doesNotMatch(stderr, /^\s+at /m)
      assert.equal(stdout, '')
      assert.equal(existsSync(join(cwd, 'data')), false)
    })
  }
})

test('a file that is not there is named, and no store is made', async () => {
  const { code, stderr } = await holdfast(['produce', 'clicks', 'missing.ndjson'], { cwd })
  assert.equal(code, 1)
  assert.match(stderr, /no such file.*missing\.ndjson/)
  assert.doesNotMatch(stderr, /^\s+at /m)
  assert.equal(existsSync(join(cwd, 'data')), false)
})
