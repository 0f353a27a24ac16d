import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./fence-child.ts', import.meta.url))

/** A process that owns a directory, and what it said. */
class OwnerProcess {
  readonly lines: string[] = []
  readonly exited: Promise<unknown>
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  #wake: () => void = () => undefined

  constructor(t: TestContext, directory: string, firstValue: number) {
    const args = [program, directory, String(firstValue)]
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.exited = once(this.#process, 'exit')
    createInterface(this.#process.stdout).on('line', (line) => {
      this.lines.push(line)
      this.#wake()
    })
    void this.exited.then(() => this.#wake())
    t.after(() => this.#process.kill('SIGKILL'))
  }

  /** Waits for a line behind the first `from`, and returns it. */
  async line(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.lines.slice(from).find((line) => pattern.test(line))
      if (found !== undefined) return found
      assert.ok(this.#process.exitCode === null && this.#process.signalCode === null, `it says ${pattern}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  say(text: string): void {
    this.#process.stdin.write(`${text}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  get acknowledged(): number[] {
    return this.lines.flatMap((line) => (line.startsWith('acknowledged ') ? [Number(line.slice(13))] : []))
  }
}

/** The values an owner found when it opened the directory. */
const foundBy = (line: string): Set<number> => new Set(line.slice('open '.length).split(',').map(Number))

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-fence-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Everything `first` acknowledged is what `later` found: nothing was acknowledged after it took the directory over. */
function checkFenced(first: OwnerProcess, opened: string): void {
  const found = foundBy(opened)
  const lost = first.acknowledged.filter((number) => !found.has(number))
  assert.deepEqual(lost, [], 'what the fenced owner acknowledged, its successor has read')
  assert.ok(first.lines.includes('ended fenced'), first.lines.at(-1))
}

describe('two owners of one real directory', () => {
  const ways = {
    'the lock file was opened and closed in its process': async (owner: OwnerProcess) => {
      owner.say('lose lock')
      await owner.line(/^lost/)
    },
    'the lock file was removed': async (_owner: OwnerProcess, directory: string) =>
      unlink(join(directory, 'lock', 'lock.db')),
  }

  for (const [name, loseLock] of Object.entries(ways)) {
    it(`the first acknowledges nothing behind the second: ${name}`, { timeout: 30_000 }, async (t) => {
      const directory = await temporary(t)
      const first = new OwnerProcess(t, directory, 0)
      await first.line(/^acknowledged 20$/)
      await loseLock(first, directory)
      const second = new OwnerProcess(t, directory, 1_000_000)
      const opened = await second.line(/^open/)
      await first.exited
      await second.line(/^acknowledged 1000020$/)
      checkFenced(first, opened)
      second.signal('SIGKILL')
      await second.exited
      const third = new OwnerProcess(t, directory, 2_000_000)
      const found = foundBy(await third.line(/^open/))
      for (const number of [...first.acknowledged, ...second.acknowledged])
        assert.ok(found.has(number), `${number} was acknowledged`)
    })
  }

  it('a first that slept through two others wakes up fenced', { timeout: 30_000 }, async (t) => {
    const directory = await temporary(t)
    const first = new OwnerProcess(t, directory, 0)
    await first.line(/^acknowledged 20$/)
    first.say('lose lock')
    await first.line(/^lost/)
    const { ino } = await stat(join(directory, 'OWNER'))
    first.signal('SIGSTOP')
    let opened = ''
    const inodes: number[] = []
    for (const start of [1_000_000, 2_000_000]) {
      const later = new OwnerProcess(t, directory, start)
      const line = await later.line(/^open/)
      opened ||= line
      inodes.push((await stat(join(directory, 'OWNER'))).ino)
      await later.line(new RegExp(`^acknowledged ${start + 5}$`))
      later.signal('SIGKILL')
      await later.exited
    }
    assert.ok(!inodes.includes(ino), 'the first one keeps its number in use')
    const before = first.lines.length
    first.signal('SIGCONT')
    await first.exited
    checkFenced(first, opened)
    const afterwards = first.lines.slice(before).filter((line) => line.startsWith('acknowledged'))
    assert.deepEqual(afterwards, [])
  })
})
