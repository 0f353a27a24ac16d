import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { descriptorSink, LineWriter, OutputClosed } from '../../src/cli/line-writer.ts'

test('a line is taken only when the sink has taken it; lines that wait share a write', async () => {
  const writes: string[] = []
  let release = () => {}
  const writer = new LineWriter((bytes) => {
    writes.push(Buffer.from(bytes).toString())
    return new Promise((resolve) => {
      release = resolve
    })
  })
  let taken = 0
  const lines = ['a', 'b', 'c'].map((line) => writer.write(line).then(() => taken++))
  await new Promise(setImmediate)
  const later = writer.write('d').then(() => taken++)
  await new Promise(setImmediate)
  assert.deepEqual(writes, ['a\nb\nc\n'])
  assert.equal(taken, 0)
  release()
  await Promise.all(lines)
  assert.deepEqual([taken, writes[1]], [3, 'd\n'])
  release()
  await later
})

test('a closed pipe refuses the line that was not printed and every later one', async () => {
  let calls = 0
  const writer = new LineWriter(async () => {
    if (++calls > 1) throw Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
  })
  await writer.write('printed')
  await assert.rejects(writer.write('lost'), OutputClosed)
  await assert.rejects(writer.write('later'), OutputClosed)
  assert.equal(calls, 2)
})

test('another failure of the output is passed on as it is', async () => {
  const failure = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
  const writer = new LineWriter(() => Promise.reject(failure))
  await assert.rejects(writer.write('x'), failure)
})

test('the descriptor sink writes everything, also to a reader that is slow', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  const path = join(directory, 'out')
  const file = openSync(path, 'w')
  const writer = new LineWriter(descriptorSink(file))
  const line = 'x'.repeat(100_000)
  await Promise.all(Array.from({ length: 20 }, () => writer.write(line)))
  closeSync(file)
  assert.equal(readFileSync(path, 'utf8'), `${line}\n`.repeat(20))
  await rm(directory, { recursive: true })
})

test('a reader that goes away is seen', async () => {
  const script = `
    const { descriptorSink, LineWriter, OutputClosed } = await import(process.argv[1])
    const writer = new LineWriter(descriptorSink(1))
    let taken = 0
    try { for (;;) { await writer.write('x'.repeat(1000)); taken++ } }
    catch (error) { process.stderr.write(error instanceof OutputClosed ? 'closed' : String(error)) }
  `
  const module = new URL('../../src/cli/line-writer.ts', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module])
  child.stdout.once('data', () => child.stdout.destroy())
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await new Promise((resolve) => child.once('close', resolve))
  assert.equal(said, 'closed')
})
