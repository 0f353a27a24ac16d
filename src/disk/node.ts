import fs from 'node:fs'
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { lockFile } from './directory-lock.ts'
import { networkFileSystemName } from './network-file-systems.ts'
import { NodeWriter } from './node-writer.ts'
import type { DirectoryLock, Disk, ReadableFile, Writer } from './port.ts'

/** The real file system. Reads use Node's thread pool; changes go through a thread per writer. */
export const nodeDisk: Disk = {
  list: (directory) => readdir(directory),

  async open(path) {
    return new NodeReader(path, await open(path, 'r'))
  },

  createDirectory,

  writer: (): Writer => new NodeWriter(),

  freeBytes(path) {
    // Not `bfree`: that counts what is reserved for root.
    const { bavail, bsize } = fs.statfsSync(path)
    return bavail * bsize
  },

  identity(path) {
    try {
      const stats = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
      return stats === undefined ? null : `${stats.dev}:${stats.ino}`
    } catch {
      // What cannot be looked at any more cannot be vouched for: as good as gone.
      return null
    }
  },

  async lock(directory): Promise<DirectoryLock> {
    const folder = join(directory, 'lock')
    await createDirectory(folder)
    return lockFile(join(folder, 'lock.db'))
  },

  networkFileSystem(path) {
    if (process.platform !== 'linux') return null
    return networkFileSystemName(fs.statfsSync(nearestExisting(path)).type)
  },
}

class NodeReader implements ReadableFile {
  readonly path: string
  readonly #handle: FileHandle

  constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    // Not filled with zeros first; yet no Buffer, whose `slice` would not copy.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

async function createDirectory(path: string): Promise<void> {
  const missing: string[] = []
  let existing = path
  while (!fs.existsSync(existing)) {
    missing.push(existing)
    existing = dirname(existing)
  }
  // Whoever made it may have died before its name was durable; what is above it was synced before.
  await syncDirectory(dirname(existing)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM' && error.code !== 'ERR_ACCESS_DENIED') throw error
  })
  for (const directory of missing.reverse()) {
    await mkdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await syncDirectory(dirname(directory))
  }
  if (!fs.statSync(path).isDirectory()) {
    throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), { code: 'ENOTDIR' })
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function nearestExisting(path: string): string {
  let existing = path
  while (!fs.existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing)
  return existing
}
