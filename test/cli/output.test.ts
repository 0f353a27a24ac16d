import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CommandError, UsageError } from '../../src/cli/errors.ts'
import { Output } from '../../src/cli/output.ts'
import { Progress } from '../../src/cli/progress.ts'
import { HoldfastError } from '../../src/core/errors.ts'

function capture(options: { isTTY?: boolean; json?: boolean; verbose?: boolean; env?: NodeJS.ProcessEnv }) {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY: options.isTTY === true,
    columns: 40,
    write: (text: string) => {
      written[name] += text
      return true
    },
  })
  const output = new Output({
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    json: options.json === true,
    verbose: options.verbose === true,
    env: options.env ?? {},
  })
  return { output, written }
}

describe('errors', () => {
  test('a Holdfast error prints its message, then its advice, and no stack', () => {
    const { output, written } = capture({})
    output.error(new HoldfastError('directory_missing', "there is no store in './data'"))
    const [first, second, rest] = written.stderr.split('\n')
    assert.equal(first, "error: there is no store in './data'")
    assert.match(second ?? '', /^ {2}Check the path/)
    assert.equal(rest, '')
    assert.equal(written.stdout, '')
  })

  test('--verbose shows the stack', () => {
    const { output, written } = capture({ verbose: true })
    output.error(new HoldfastError('corrupt', 'damaged', { cause: new Error('why') }))
    assert.match(written.stderr, /cause: why/)
    assert.match(written.stderr, /output\.test\.ts:\d+/)
    assert.match(written.stderr, /caused by Error: why/)
  })

  test("a user's mistake and a system error are not called a bug, anything else is", () => {
    for (const error of [
      new UsageError('x'),
      new CommandError('x'),
      Object.assign(new Error('ENOENT'), { syscall: 'open' }),
    ]) {
      const { output, written } = capture({})
      output.error(error)
      assert.doesNotMatch(written.stderr, /bug/)
    }
    const { output, written } = capture({})
    output.error(new RangeError('index'))
    assert.match(written.stderr, /bug.*--verbose/)
    assert.doesNotMatch(written.stderr, /output\.test\.ts/)
  })
})

describe('results', () => {
  test('are text for people, or one JSON object', () => {
    const people = capture({})
    people.output.result({ a: 1 }, () => 'text')
    assert.equal(people.written.stdout, 'text\n')
    const programs = capture({ json: true })
    programs.output.result({ a: 1 }, () => 'text')
    assert.equal(programs.written.stdout, '{"a":1}\n')
  })
})

describe('colour', () => {
  const escapeSequence = '\u001b['
  test('only on a terminal, and not with NO_COLOR', () => {
    const cases: [boolean, NodeJS.ProcessEnv, boolean][] = [
      [true, {}, true],
      [true, { NO_COLOR: '' }, true],
      [true, { NO_COLOR: '1' }, false],
      [true, { TERM: 'dumb' }, false],
      [false, {}, false],
    ]
    for (const [isTTY, env, coloured] of cases) {
      const { output, written } = capture({ isTTY, env })
      output.warn('careful')
      output.result({}, (paint) => paint('green', 'fine'))
      assert.equal(written.stderr.includes(escapeSequence), coloured)
      assert.equal(written.stdout.includes(escapeSequence), coloured)
    }
  })
})

describe('progress', () => {
  function progressOn(isTTY: boolean) {
    let now = 0
    let written = ''
    const stream = {
      isTTY,
      columns: 10,
      write: (text: string) => {
        written += text
        return true
      },
    }
    return {
      progress: new Progress(stream, () => now),
      at: (ms: number) => {
        now = ms
      },
      written: () => written,
    }
  }

  test('is silent where nobody looks', () => {
    const { progress, written } = progressOn(false)
    progress.show(() => 'x')
    progress.clear()
    assert.equal(written(), '')
  })

  test('draws ten times a second at most, cut to the width, and clears up', () => {
    const { progress, at, written } = progressOn(true)
    progress.show(() => '0123456789abc')
    at(99)
    progress.show(() => 'never')
    at(100)
    progress.show(() => 'two')
    progress.clear()
    progress.clear()
    assert.equal(written(), '\r\u001b[K012345678\r\u001b[Ktwo\r\u001b[K')
  })
})
