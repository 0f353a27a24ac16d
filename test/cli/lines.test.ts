import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Line, readLines } from '../../src/cli/lines.ts'

async function* chunksOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

async function collect(source: AsyncIterable<Uint8Array>, maxBytes = 1024): Promise<Line[]> {
  const lines: Line[] = []
  for await (const some of readLines(source, maxBytes)) lines.push(...some)
  return lines
}

const text = (line: Line) => (line.bytes === null ? null : Buffer.from(line.bytes).toString())

test('numbers lines from 1 and keeps empty ones', async () => {
  const lines = await collect(chunksOf('one\n\nthr', 'ee\n'))
  assert.deepEqual(
    lines.map((line) => [line.number, text(line), line.terminated]),
    [
      [1, 'one', true],
      [2, '', true],
      [3, 'three', true],
    ],
  )
})

test('says when the last line has no line feed', async () => {
  const lines = await collect(chunksOf('one\ntw', 'o'))
  assert.deepEqual(lines.map(text), ['one', 'two'])
  assert.deepEqual(
    lines.map((line) => line.terminated),
    [true, false],
  )
})

test('drops a line beyond the limit, says its length and goes on', async () => {
  const lines = await collect(chunksOf('12345', '67', '89\n12345678\nok\n'), 8)
  assert.deepEqual(lines.map(text), [null, '12345678', 'ok'])
  assert.equal(lines[0]?.length, 9)
})

test('holds no more than the limit of a line that never ends', async () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  async function* endless() {
    for (let i = 0; i < 512; i++) yield chunk
  }
  const before = process.memoryUsage().arrayBuffers
  const [line] = await collect(endless(), 1024)
  assert.equal(line?.bytes, null)
  assert.equal(line?.length, 512 * 1024 * 1024)
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
})

test('pulls a chunk only when asked for more', async () => {
  let pulled = 0
  async function* counted() {
    for (let i = 0; i < 10; i++) {
      pulled++
      yield Buffer.from('line\n')
    }
  }
  const lines = readLines(counted(), 100)
  await lines.next()
  assert.equal(pulled, 1)
  await lines.next()
  assert.equal(pulled, 2)
})

test('gives the same lines however the bytes are cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 20 }).map((line) => line.replaceAll('\n', ' '))),
      fc.array(fc.nat({ max: 30 })),
      async (expected, cuts) => {
        const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(''))
        const chunks: Uint8Array[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut))
          at += cut
        }
        chunks.push(bytes.subarray(at))
        assert.deepEqual((await collect(chunksOf(...chunks))).map(text), expected)
      },
    ),
    { numRuns: 200 },
  )
})
