/**
 * An owner of a real directory. Says 'open', appends one record after the other and says which are acknowledged; after 'lose lock' on
 * its standard input it drops its lock as a careless library would.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { systemClock } from '../../src/core/clock.ts'
import { systemRandom } from '../../src/core/random.ts'
import { nodeDisk } from '../../src/disk/node.ts'
import { lockDirectory } from '../../src/log/directory.ts'
import { openLog } from '../../src/log/recovery.ts'
import { content, TestHost, valueRecord } from './support.ts'

const [directory = '', firstValue = '0'] = process.argv.slice(2)

// Straight to the pipe: what was said before a signal stops the process must have left it.
const say = (text: string): void => void writeSync(1, `${text}\n`)

const host = new TestHost()
const lock = await lockDirectory(nodeDisk, directory)
const { log } = await openLog(
  {
    directory,
    disk: nodeDisk,
    clock: systemClock,
    random: systemRandom,
    segmentBytes: 64 * 1024,
    reserveBytes: 0,
    bufferBytes: 1024 * 1024,
    lazyWriteMs: 5,
    lazySyncMs: 50,
  },
  lock,
  host,
)
say(`open ${[...host.values.keys()].join(',')}`)

process.stdin.on('data', (data) => {
  if (!String(data).includes('lose lock')) return
  // What any code in this process does that opens and closes the file: POSIX takes the lock away.
  const fd = openSync(lock.path, 'r')
  readSync(fd, new Uint8Array(16))
  closeSync(fd)
  say('lost')
})

try {
  for (let number = Number(firstValue); ; number++) {
    const bytes = content(number)
    host.values.set(number, bytes)
    log.append([valueRecord(number, bytes)], false)
    await log.sync()
    say(`acknowledged ${number}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
} catch (error) {
  say(`ended ${(error as { code?: string }).code}`)
}
await log.close()
process.stdin.destroy()
