import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const child = fileURLToPath(new URL('../support/disk-child.ts', import.meta.url))
const preload = new URL('../support/disk-trace.ts', import.meta.url).href

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-thread-'))
})
after(() => rm(root, { recursive: true }))

/** What the thread did with files, and what the callers were told, with one failure injected. */
async function trace(failure = ''): Promise<{ calls: string[]; told: string[] }> {
  const directory = await mkdtemp(join(root, 'traced-'))
  const file = join(directory, 'trace')
  const env = { ...process.env, NODE_OPTIONS: `--import=${preload}`, DISK_TRACE: file, DISK_FAIL: failure }
  const { stdout } = await run(process.execPath, [child, 'traced', directory], { env, timeout: 20_000 })
  const calls = (await readFile(file, 'utf8')).trim().split('\n')
  return { calls, told: stdout.trim().split('\n') }
}

it('merges neighbours into one write and serves them with one sync, file by file', async () => {
  const { calls, told } = await trace()
  assert.deepEqual(
    calls,
    [
      'write a 0+10',
      'sync a',
      // Five neighbours, three of which asked for a sync; they had piled up behind the slow one.
      'write a 10+50',
      'writev a 60+10+6',
      'sync a',
      // Nothing of the next file is written before what came first is safe.
      'write b 0+60000',
      'write b 50000+10000',
      'sync b',
      'write a 70+10',
      'syncDirectory holdfast',
    ].map((line) => line.replace('holdfast', calls.at(-1)?.split(' ')[1] ?? '')),
  )
  assert.deepEqual(told, ['ok ok ok ok ok ok ok ok ok', 'synced'])
})

it('tells those whose sync failed, and nothing is written afterwards', async () => {
  const { calls, told } = await trace('sync 2')
  assert.equal(calls.at(-1), 'sync a')
  assert.equal(calls.length, 5)
  // The two before the first that asked for the sync are written; that is all they asked for.
  assert.deepEqual(told, ['ok ok ok EIO ECANCELED ECANCELED ECANCELED ECANCELED ECANCELED', 'ECANCELED'])
})

it('syncs for those before a write that failed', async () => {
  const { calls, told } = await trace('writev 1')
  assert.deepEqual(calls.slice(-2), ['writev a 60+10+6', 'sync a'])
  assert.deepEqual(told, ['ok ok ok ok ok ok EIO ECANCELED ECANCELED', 'ECANCELED'])
})

it('fails a short write that cannot be continued', async () => {
  const { calls, told } = await trace('write 4')
  assert.equal(calls.at(-1), 'write b 50000+10000')
  assert.deepEqual(told, ['ok ok ok ok ok ok ok EIO ECANCELED', 'ECANCELED'])
})

it('reports a directory that could not be synced', async () => {
  const { told } = await trace('syncDirectory 1')
  assert.deepEqual(told, ['ok ok ok ok ok ok ok ok ok', 'EIO'])
})
