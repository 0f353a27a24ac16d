import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { holdfast, ndjson, parseNdjson, start, temporaryDirectory } from './support.ts'

const directory = await temporaryDirectory()
let stores = 0
const fresh = () => join(directory, `store-${stores++}`)

const clicks = Array.from({ length: 300 }, (_, i) => ({ click: i, advertiser: `a-${i % 7}`, cents: i }))

async function produce(url: string, values: readonly unknown[], ...options: string[]) {
  const ended = await holdfast(['produce', 'clicks', '--url', url, '--json', ...options], {
    input: ndjson(values),
  })
  assert.equal(ended.code, 0, ended.stderr)
  return JSON.parse(ended.stdout) as Record<string, unknown>
}

const consume = (url: string, ...options: string[]) =>
  holdfast(['consume', 'clicks', '--group', 'billing', '--url', url, ...options])

async function lag(url: string): Promise<number> {
  const ended = await holdfast(['groups', 'show', 'clicks', 'billing', '--url', url, '--json'])
  assert.equal(ended.code, 0, ended.stderr)
  return (JSON.parse(ended.stdout) as { lag: number }).lag
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(condition())
}

describe('produce and consume', () => {
  test('what went in comes out, once, in the order of its key', async () => {
    const url = fresh()
    const report = await produce(url, clicks, '--key', 'advertiser', '--id', 'click')
    assert.deepEqual([report.confirmed, report.failed, report.complete], [300, 0, true])
    const out = await consume(url, '--until-empty', '--concurrency', '8')
    assert.equal(out.code, 0, out.stderr)
    const messages = parseNdjson(out.stdout)
    assert.equal(messages.length, 300)
    for (let key = 0; key < 7; key++) {
      const expected = clicks.filter((click) => click.advertiser === `a-${key}`)
      const received = messages.filter((message) => message.key === `a-${key}`)
      assert.deepEqual(
        received.map((message) => message.body),
        expected,
      )
      assert.deepEqual(
        received.map((message) => message.id),
        expected.map((click) => String(click.click)),
      )
    }
    const again = await consume(url, '--until-empty')
    assert.deepEqual([again.code, again.stdout], [0, ''])
  })

  test('HOLDFAST_URL and a file work, and raw bytes stay as they are', async () => {
    const env = { HOLDFAST_URL: `file:${fresh()}` }
    const file = join(directory, 'raw')
    await writeFile(file, Buffer.from('text\r\n\xff\n', 'latin1'))
    const sent = await holdfast(['produce', 'clicks', file, '--raw'], { env })
    assert.equal(sent.code, 0, sent.stderr)
    assert.match(sent.stdout, /^2 messages confirmed in 'clicks'/)
    const out = await holdfast(['consume', 'clicks', '--group', 'g', '--until-empty'], { env })
    const bodies = parseNdjson(out.stdout).map((message) => [message.encoding, message.body])
    assert.deepEqual(bodies.sort(), [
      ['base64', '/w=='],
      ['utf8', 'text\r'],
    ])
  })

  test('a broken line is named and kept out, the rest is sent, exit code 1', async () => {
    const url = fresh()
    const { code, stderr } = await holdfast(['produce', 'clicks', '--url', url], {
      input: '{"a":1}\n{"a":\n{"a":3}\n',
    })
    assert.equal(code, 1)
    assert.match(stderr, /^line 2: not valid JSON/m)
    const out = await consume(url, '--until-empty')
    assert.equal(parseNdjson(out.stdout).length, 2)
  })

  test('a topic outside the rule is refused with the rule', async () => {
    const { code, stderr } = await holdfast(['produce', 'no spaces', '--url', fresh()], { input: '1\n' })
    assert.equal(code, 1)
    assert.match(stderr, /A–Z, a–z, 0–9/)
    assert.doesNotMatch(stderr, /^\s+at /m)
  })

  test('--max handles so many and leaves the rest', async () => {
    const url = fresh()
    await produce(url, clicks, '--key', 'advertiser')
    const out = await consume(url, '--max', '10', '--concurrency', '4')
    assert.equal(out.code, 0, out.stderr)
    assert.equal(parseNdjson(out.stdout).length, 10)
    assert.equal(await lag(url), 290)
  })

  test('a closed pipe: what was not printed is not acknowledged, and the end is clean', async () => {
    const url = fresh()
    const many = Array.from({ length: 2000 }, (_, i) => ({ click: i }))
    await produce(url, many, '--id', 'click')
    const { child, ended } = start(['consume', 'clicks', '--group', 'billing', '--url', url])
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, stdout, stderr } = await ended
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stderr, /error/)
    const rest = parseNdjson((await consume(url, '--until-empty')).stdout)
    // What a pipe can swallow without a reader is far less than half of all.
    assert.ok(rest.length >= 1000, `${rest.length} left`)
    const read = parseNdjson(stdout.slice(0, stdout.lastIndexOf('\n') + 1))
    assert.ok(read.length + rest.length <= many.length)
  })
})

describe('consume --exec', () => {
  test('acknowledges on exit code 0, with the message on stdin', async () => {
    const url = fresh()
    const file = join(directory, 'handled')
    await produce(url, clicks.slice(0, 20), '--key', 'advertiser', '--id', 'click')
    const out = await consume(
      url,
      '--until-empty',
      '--json',
      '--concurrency',
      '4',
      '--exec',
      `cat >> ${file}`,
    )
    assert.equal(out.code, 0, out.stderr)
    const result = JSON.parse(out.stdout) as Record<string, unknown>
    assert.deepEqual([result.handled, result.dead, result.ended], [20, 0, 'empty'])
    const ids = (await readFile(file, 'utf8')).match(/"id":"\d+"/g) ?? []
    assert.equal(new Set(ids).size, 20)
  })

  test('another exit code is tried again after a while', async () => {
    const url = fresh()
    await produce(url, [{ cents: 1 }])
    const command = 'test "$HOLDFAST_ATTEMPT" = 2'
    const out = await consume(url, '--until-empty', '--json', '--exec', command)
    assert.equal(out.code, 0, out.stderr)
    assert.equal((JSON.parse(out.stdout) as { handled: number }).handled, 1)
  })

  test('SIGTERM drains: the command in hand ends and is acknowledged', async () => {
    const url = fresh()
    const file = join(directory, 'drained')
    await produce(url, clicks.slice(0, 5))
    const command = `echo started >&2; sleep 1; echo done >> ${file}`
    const { child, ended, said } = start([
      ...['consume', 'clicks', '--group', 'billing', '--url', url],
      ...['--exec', command],
    ])
    await eventually(() => said().includes('started'))
    child.kill('SIGTERM')
    const { code, stderr } = await ended
    assert.equal(code, 0, stderr)
    const done = (await readFile(file, 'utf8')).split('\n').length - 1
    assert.equal(await lag(url), 5 - done)
  })

  test('a second signal stops at once', async () => {
    const url = fresh()
    await produce(url, [1])
    const { child, ended, said } = start([
      ...['consume', 'clicks', '--group', 'billing', '--url', url],
      ...['--exec', 'echo started >&2; exec sleep 600'],
    ])
    await eventually(() => said().includes('started'))
    child.kill('SIGINT')
    await eventually(() => said().includes('once more'))
    child.kill('SIGINT')
    const { signal } = await ended
    assert.equal(signal, 'SIGINT')
    assert.equal(await lag(url), 1)
  })
})

describe('reading commands', () => {
  test('list and show topics and groups', async () => {
    const url = fresh()
    await produce(url, clicks, '--key', 'advertiser')
    await consume(url, '--max', '1')
    const read = async (...args: string[]) => {
      const ended = await holdfast([...args, '--url', url])
      assert.equal(ended.code, 0, ended.stderr)
      return ended.stdout
    }
    // The handled one is needed by no group any more: the next opening leaves it behind.
    assert.match(await read('topics', 'list'), /^clicks +8 +299 .* billing$/m)
    assert.match(await read('topics', 'show', 'clicks'), /^messages +299$/m)
    assert.match(await read('groups', 'list'), /^clicks +billing +key +299 +0 +0$/m)
    assert.match(await read('groups', 'show', 'clicks', 'billing'), /^lag +299$/m)
    assert.match(await read('dead-letters', 'clicks', '--group', 'billing'), /^no dead letters$/m)
    const list = JSON.parse(await read('topics', 'list', '--json')) as { topics: { topic: string }[] }
    assert.deepEqual(
      list.topics.map((topic) => topic.topic),
      ['clicks'],
    )
  })

  test('never create a store', async () => {
    for (const args of [
      ['topics', 'list'],
      ['topics', 'show', 'clicks'],
      ['groups', 'list'],
      ['groups', 'show', 'clicks', 'billing'],
      ['dead-letters', 'clicks', '--group', 'billing'],
      ['consume', 'clicks', '--group', 'billing'],
    ]) {
      const url = fresh()
      const { code, stderr } = await holdfast([...args, '--url', url])
      assert.equal(code, 1, args.join(' '))
      assert.match(stderr, /reading commands never create a store/)
      assert.equal(existsSync(url), false)
    }
  })

  test('an unknown topic or group is an error with advice', async () => {
    const url = fresh()
    await produce(url, [1])
    const topic = await holdfast(['topics', 'show', 'orders', '--url', url])
    assert.equal(topic.code, 1)
    assert.match(topic.stderr, /orders/)
    const group = await holdfast(['groups', 'show', 'clicks', 'nobody', '--url', url])
    assert.equal(group.code, 1)
    assert.match(group.stderr, /nobody/)
  })

  test('a store that is open elsewhere says by which process', async () => {
    const url = fresh()
    await produce(url, [1])
    const { child, ended, said } = start([
      ...['consume', 'clicks', '--group', 'billing', '--url', url],
      ...['--exec', 'echo started >&2'],
    ])
    await eventually(() => said().includes('started'))
    const { code, stderr } = await holdfast(['topics', 'list', '--url', url])
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`\\b${child.pid}\\b`))
    child.kill('SIGTERM')
    assert.equal((await ended).code, 0)
  })
})

describe('verify', () => {
  test('reads everything of an intact store', async () => {
    const url = fresh()
    await produce(url, clicks)
    const { code, stdout, stderr } = await holdfast(['verify', url, '--json'])
    assert.equal(code, 0, stderr)
    const report = JSON.parse(stdout) as { ok: boolean; messages: number; problems: unknown[] }
    assert.deepEqual([report.ok, report.messages, report.problems], [true, 300, []])
  })

  test('a directory that is not there is an error', async () => {
    const { code, stderr } = await holdfast(['verify', fresh()])
    assert.equal(code, 1)
    assert.doesNotMatch(stderr, /bug/)
  })
})
