/** A process that does one thing with the real disk; started by tests with what it shall do and a directory. */
import { existsSync } from 'node:fs'
import { nodeDisk } from '../../src/disk/node.ts'
import { append, pattern } from './disk-contract.ts'

const [task, directory = '.'] = process.argv.slice(2)

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code ?? 'none')
}

const tasks: Readonly<Record<string, () => Promise<void>>> = {
  /** Leaves a writer, used and idle, behind. */
  async idle() {
    const writer = nodeDisk.writer()
    const file = await writer.create(`${directory}/file`)
    await append(writer, file, 0, writer.allocate(4096))
    await writer.release(file)
    say('idle')
  },

  /** Returns while appends are under way. */
  async pending() {
    const writer = nodeDisk.writer()
    const file = await writer.create(`${directory}/file`)
    for (let i = 0; i < 20; i++) {
      writer.append(file, i * 100, pattern(100, i), { sync: true, zeros: 0 }, (error) => {
        say(`${i} ${codeOf(error)}`)
        if (i === 19) void writer.close().then(() => say('closed'))
      })
    }
  },

  /** Takes the lock and lives on. */
  async hold() {
    await nodeDisk.lock(directory)
    setInterval(() => undefined, 1000)
    // Whoever drops all references keeps the lock all the same.
    globalThis.gc?.()
    say('locked')
  },

  async lock() {
    await nodeDisk.lock(directory).then(
      () => say('locked'),
      (error) => say(codeOf(error)),
    )
  },

  /** Files may not grow beyond 32 KiB here: the fourth of these neighbours fits in part. */
  async short() {
    const writer = nodeDisk.writer()
    const memory = writer.allocate(10 * 10_000)
    const file = await writer.create(`${directory}/file`)
    const told: Promise<string>[] = []
    for (let i = 0; i < 6; i++) {
      const bytes = memory.subarray(i * 10_000, (i + 1) * 10_000)
      told.push(append(writer, file, i * 10_000, bytes).then(() => 'ok', codeOf))
    }
    say((await Promise.all(told)).join(' '))
    await writer.close()
  },

  /** Appends to two files while the first sync takes its time. */
  async traced() {
    const writer = nodeDisk.writer()
    const memory = writer.allocate(100_000)
    const [a, b] = [await writer.create(`${directory}/a`), await writer.create(`${directory}/b`)]
    const told: Promise<string>[] = []
    const write = (file: typeof a, position: number, length: number, sync: boolean, zeros = 0): void => {
      const bytes = memory.subarray(position, position + length)
      told.push(append(writer, file, position, bytes, { sync, zeros }).then(() => 'ok', codeOf))
    }
    write(a, 0, 10, true)
    // The thread has taken it, and the slow sync keeps it busy while the others come.
    while (!existsSync(`${process.env.DISK_TRACE}`)) await new Promise((resolve) => setTimeout(resolve, 5))
    for (let i = 1; i <= 5; i++) write(a, i * 10, 10, i > 2)
    told.push(append(writer, a, 60, new Uint8Array(10), { sync: false, zeros: 6 }).then(() => 'ok', codeOf))
    write(b, 0, 60_000, true)
    write(a, 70, 10, false)
    const synced = writer.syncDirectory(directory).then(() => 'synced', codeOf)
    say((await Promise.all(told)).join(' '))
    say(await synced)
    await writer.close()
  },

  /** Starts a writer where threads are forbidden. */
  async forbidden() {
    try {
      nodeDisk.writer()
    } catch (error) {
      say(`${codeOf(error)} ${(error as Error).message}`)
    }
  },

  async warnings() {
    const before = process.emitWarning
    process.on('warning', (warning) => say(`warning ${warning.message}`))
    await Promise.all([
      nodeDisk.lock(directory).then((lock) => lock.release()),
      nodeDisk.lock(`${directory}/other`).then((lock) => lock.release()),
    ])
    process.emitWarning('another', 'ExperimentalWarning')
    await new Promise((resolve) => setImmediate(resolve))
    say(process.emitWarning === before && existsSync(`${directory}/lock/lock.db`) ? 'restored' : 'changed')
  },
}

await tasks[task ?? '']?.()
