import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nodeDisk } from '../../src/disk/node.ts'
import { hasCode } from '../support/disk-contract.ts'

const child = fileURLToPath(new URL('../support/disk-child.ts', import.meta.url))
const source = fileURLToPath(new URL('../../src', import.meta.url))
const run = promisify(execFile)

async function hold(directory: string): Promise<ChildProcess> {
  const holder = spawn(process.execPath, ['--expose-gc', child, 'hold', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(holder.stdout as NodeJS.ReadableStream, 'data')
  assert.equal(String(said), 'locked\n')
  return holder
}

describe('the lock of a directory', () => {
  let root: string
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-lock-'))
  })
  after(() => rm(root, { recursive: true }))

  it('refuses a second process, and is free at once when the holder is killed', async () => {
    const directory = join(root, 'killed')
    const holder = await hold(directory)
    await assert.rejects(nodeDisk.lock(directory), hasCode('ELOCKED'))
    const ended = once(holder, 'exit')
    holder.kill('SIGKILL')
    await ended
    await (await nodeDisk.lock(directory)).release()
  })

  it('refuses while the holder is stopped', async () => {
    const directory = join(root, 'stopped')
    const holder = await hold(directory)
    holder.kill('SIGSTOP')
    await assert.rejects(nodeDisk.lock(directory), hasCode('ELOCKED'))
    const ended = once(holder, 'exit')
    holder.kill('SIGKILL')
    await ended
  })

  it('survives refused attempts in its own process, which open and close the file', async () => {
    const directory = join(root, 'same')
    const lock = await nodeDisk.lock(directory)
    for (let i = 0; i < 3; i++) await assert.rejects(nodeDisk.lock(directory), hasCode('ELOCKED'))
    const other = await run(process.execPath, [child, 'lock', directory])
    assert.equal(other.stdout, 'ELOCKED\n')
    await lock.release()
    const again = await run(process.execPath, [child, 'lock', directory])
    assert.equal(again.stdout, 'locked\n')
  })

  it('writes nothing but its file', async () => {
    const directory = join(root, 'files')
    const lock = await nodeDisk.lock(directory)
    assert.equal(lock.path, join(directory, 'lock', 'lock.db'))
    assert.deepEqual(await readdir(directory), ['lock'])
    assert.deepEqual(await readdir(join(directory, 'lock')), ['lock.db'])
    await lock.release()
    assert.deepEqual(await readdir(join(directory, 'lock')), ['lock.db'])
  })

  it('silences the warning of SQLite and no other', async () => {
    const { stdout } = await run(process.execPath, [child, 'warnings', join(root, 'warnings')])
    assert.deepEqual(stdout.trim().split('\n'), ['warning another', 'restored'])
  })

  it('is opened by nothing but SQLite, as closing it any other way would give it up', async () => {
    const files = (await readdir(source, { recursive: true })).filter((name) => name.endsWith('.ts'))
    const naming = []
    for (const name of files) {
      if ((await readFile(join(source, name), 'utf8')).includes('lock.db')) naming.push(name)
    }
    assert.deepEqual(naming.sort(), ['disk/node.ts', 'disk/simulated.ts'])
  })
})
