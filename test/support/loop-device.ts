/**
 * A small ext4 file system of the test's own, in a file behind a loop device: it can lose power, fill up and fail. Linux and
 * root only.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** EXT4_IOC_SHUTDOWN of linux/ext4.h: from then on everything fails with EIO. */
const shutdownProgram = `
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
fcntl.ioctl(fd, 0x8004587D, struct.pack("I", int(sys.argv[2])))
`

/** What a power cut leaves of the journal. */
export const journal = {
  /** All that was asked of it so far is written first; data is not. */
  flushed: 1,
  /** Nothing more is written. */
  cut: 2,
} as const

/** Why there can be no such file system here; null where there can. */
export function whyNoLoopDevices(): string | null {
  if (process.platform !== 'linux') return 'loop devices are a thing of Linux'
  if (process.getuid?.() !== 0) return 'mounting needs root'
  if (!existsSync('/dev/loop-control')) return 'this machine has no loop devices'
  const missing = ['mkfs.ext4', 'losetup', 'mount', 'umount', pythonPath].find((name) => !isThere(name))
  return missing === undefined ? null : `${missing} is missing`
}

/** Options of a test that needs one: skipped with the reason, except where everything must run. */
export function withLoopDevices(timeoutMs: number): { timeout: number; skip: string | false } {
  const reason = whyNoLoopDevices()
  if (reason !== null && process.env.CI) throw new Error(`this test must run in CI, but ${reason}`)
  return { timeout: timeoutMs, skip: reason ?? false }
}

const pythonPath = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export interface FileSystemOptions {
  readonly mib: number
  /** Further arguments of mkfs.ext4, such as `-O ^has_journal`. */
  readonly make?: readonly string[]
  /** Of mount, such as `commit=60`. */
  readonly mount?: string
  /** Where the image lies; default: the system's temporary directory. */
  readonly folder?: string
}

export class LoopFileSystem {
  readonly mountPoint: string
  readonly #folder: string
  readonly #mountOptions: string
  #device: string | null
  #mounted = false

  constructor({ mib, make = [], mount = 'commit=60', folder = tmpdir() }: FileSystemOptions) {
    this.#folder = mkdtempSync(join(folder, 'holdfast-loop-'))
    this.mountPoint = join(this.#folder, 'mounted')
    this.#mountOptions = mount
    const image = join(this.#folder, 'image')
    mkdirSync(this.mountPoint)
    execFileSync('truncate', ['-s', `${mib}M`, image])
    const quick = ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard']
    execFileSync('mkfs.ext4', [...quick, ...make, image])
    this.#device = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim()
    process.once('exit', this.#abandon)
    this.mount()
  }

  /** `options` in place of the usual ones. */
  mount(options = this.#mountOptions): void {
    if (this.#device === null) throw new Error('the file system was destroyed')
    execFileSync('mount', ['-o', options, this.#device, this.mountPoint])
    this.#mounted = true
  }

  unmount(): void {
    if (!this.#mounted) return
    execFileSync('umount', [this.mountPoint])
    this.#mounted = false
  }

  /**
   * The power fails: what was not durable is gone after the next mount. Until then all calls fail with EIO. `now` is called
   * right before, when nothing else is left to be done.
   */
  async cutPower(
    left: (typeof journal)[keyof typeof journal],
    now: () => void = () => undefined,
  ): Promise<void> {
    const helper = spawn(pythonPath, ['-c', shutdownProgram, this.mountPoint, String(left)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const ended = once(helper, 'close')
    await Promise.race([once(helper.stdout, 'data'), ended])
    now()
    helper.stdin.end('now\n')
    const [code] = await ended
    if (code !== 0) throw new Error(`cutting the power of ${this.mountPoint} failed`)
  }

  destroy(): void {
    this.unmount()
    if (this.#device !== null) execFileSync('losetup', ['-d', this.#device])
    this.#device = null
    process.off('exit', this.#abandon)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The last resort: the process ends although a test did not clean up. */
  readonly #abandon = (): void => {
    try {
      if (this.#mounted) execFileSync('umount', ['-l', this.mountPoint])
      if (this.#device !== null) execFileSync('losetup', ['-d', this.#device])
      rmSync(this.#folder, { recursive: true, force: true })
    } catch (error) {
      process.stderr.write(`${this.#folder} could not be cleaned up: ${String(error)}\n`)
    }
  }
}

/** A file system in memory: an image in it grows only as far as this goes. */
export class MemoryFileSystem {
  readonly mountPoint = mkdtempSync(join(tmpdir(), 'holdfast-memory-'))

  constructor(mib: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'none', this.mountPoint])
    process.once('exit', this.#abandon)
  }

  destroy(): void {
    execFileSync('umount', [this.mountPoint])
    process.off('exit', this.#abandon)
    rmSync(this.mountPoint, { recursive: true })
  }

  readonly #abandon = (): void => {
    execFileSync('umount', ['-l', this.mountPoint])
  }
}
