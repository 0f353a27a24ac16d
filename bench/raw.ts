/** The other side of every comparison: groups written to a growing (or preallocated) file and made durable, nothing else. */
import { closeSync, fdatasync, openSync, unlinkSync, writeSync, writev } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const writeGroup = promisify(
  (fd: number, buffers: readonly Uint8Array[], position: number, done: (error: Error | null) => void) =>
    writev(fd, buffers, position, (error, written) => {
      const whole = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      done(error ?? (written === whole ? null : new Error(`wrote ${written} of ${whole} bytes`)))
    }),
)
const sync = promisify(fdatasync)

export interface RawOptions {
  readonly directory: string
  /** Buffers of one group. */
  readonly group: number
  readonly bytes: number
  readonly groups: number
  readonly preallocated: boolean
}

/** Messages a second. */
export async function rawLoop({
  directory,
  group,
  bytes,
  groups,
  preallocated,
}: RawOptions): Promise<number> {
  const path = join(directory, 'raw.bin')
  const fd = openSync(path, 'w')
  const buffers = Array.from({ length: group }, () => Buffer.alloc(bytes, 0x61))
  try {
    if (preallocated) {
      const total = group * bytes * groups
      for (let at = 0; at < total; at += 1 << 20) writeSync(fd, Buffer.alloc(1 << 20), 0, 1 << 20, at)
      await sync(fd)
    }
    const startedAt = performance.now()
    for (let i = 0; i < groups; i++) {
      await writeGroup(fd, buffers, i * group * bytes)
      await sync(fd)
    }
    return (group * groups * 1000) / (performance.now() - startedAt)
  } finally {
    closeSync(fd)
    unlinkSync(path)
  }
}
