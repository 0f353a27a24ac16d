/** Disks that do not do what they say. */
import type { Disk, WritableFile, Writer } from '../../src/disk/port.ts'
import { decodeSegmentHeader, segmentHeaderBytes } from '../../src/log/format.ts'
import { SegmentScanner } from '../../src/log/scanner.ts'

type Done = (error: NodeJS.ErrnoException | null) => void
type How = { readonly sync: boolean; readonly zeros: number }

/** Passes everything on; a subclass spoils one thing. */
class HonestWriter implements Writer {
  protected inner: Writer

  constructor(inner: Writer) {
    this.inner = inner
  }

  get syncMs(): number {
    return this.inner.syncMs
  }
  allocate(bytes: number): Uint8Array {
    return this.inner.allocate(bytes)
  }
  create(path: string): Promise<WritableFile> {
    return this.inner.create(path)
  }
  open(path: string): Promise<WritableFile> {
    return this.inner.open(path)
  }
  append(file: WritableFile, position: number, bytes: Uint8Array, how: How, done: Done): void {
    this.inner.append(file, position, bytes, how, done)
  }
  release(file: WritableFile): Promise<void> {
    return this.inner.release(file)
  }
  rename(from: string, to: string): Promise<void> {
    return this.inner.rename(from, to)
  }
  remove(path: string): Promise<void> {
    return this.inner.remove(path)
  }
  syncDirectory(path: string): Promise<void> {
    return this.inner.syncDirectory(path)
  }
  close(): Promise<void> {
    return this.inner.close()
  }
}

function withWriter(disk: Disk, make: (writer: Writer) => Writer): Disk {
  return {
    list: (directory) => disk.list(directory),
    open: (path) => disk.open(path),
    createDirectory: (path) => disk.createDirectory(path),
    writer: () => make(disk.writer()),
    freeBytes: (path) => disk.freeBytes(path),
    identity: (path) => disk.identity(path),
    lock: (directory) => disk.lock(directory),
    networkFileSystem: (path) => disk.networkFileSystem(path),
  }
}

/** Says that it synced, where `isSpoiled`; `isNamed` once the file was renamed. */
export function withoutSync(disk: Disk, isSpoiled: (path: string, isNamed: boolean) => boolean): Disk {
  const named = new Set<string>()
  class Spoiled extends HonestWriter {
    override append(file: WritableFile, position: number, bytes: Uint8Array, how: How, done: Done): void {
      const sync = how.sync && !isSpoiled(file.path, named.has(file.path))
      super.append(file, position, bytes, { ...how, sync }, done)
    }
    override rename(from: string, to: string): Promise<void> {
      named.add(from)
      return super.rename(from, to)
    }
  }
  return withWriter(disk, (writer) => new Spoiled(writer))
}

/** Answers before it has begun. */
export function answeringEarly(disk: Disk): Disk {
  class Spoiled extends HonestWriter {
    override append(file: WritableFile, position: number, bytes: Uint8Array, how: How, done: Done): void {
      const copy = bytes.slice()
      queueMicrotask(() => done(null))
      setImmediate(() => super.append(file, position, copy, how, () => undefined))
    }
  }
  return withWriter(disk, (writer) => new Spoiled(writer))
}

export function withoutDirectorySync(disk: Disk): Disk {
  class Spoiled extends HonestWriter {
    override async syncDirectory(): Promise<void> {}
  }
  return withWriter(disk, (writer) => new Spoiled(writer))
}

/** Says that it renamed, and does it behind the next sync of the directory. */
export function renamingLate(disk: Disk): Disk {
  class Spoiled extends HonestWriter {
    #late: (() => Promise<void>)[] = []
    override async rename(from: string, to: string): Promise<void> {
      if (!to.endsWith('.seg')) return super.rename(from, to)
      this.#late.push(() => super.rename(from, to))
    }
    override async syncDirectory(path: string): Promise<void> {
      await super.syncDirectory(path)
      for (const rename of this.#late.splice(0)) await rename()
    }
  }
  return withWriter(disk, (writer) => new Spoiled(writer))
}

/** Takes a failed sync for a hiccup: asks again, and believes the answer. */
export function retryingSyncs(disk: Disk): Disk {
  class Spoiled extends HonestWriter {
    override append(file: WritableFile, position: number, bytes: Uint8Array, how: How, done: Done): void {
      super.append(file, position, bytes, how, (error) => {
        if (error === null) return done(null)
        this.inner = disk.writer()
        super.append(file, position, new Uint8Array(0), { sync: true, zeros: 0 }, done)
      })
    }
  }
  return withWriter(disk, (writer) => new Spoiled(writer))
}

/** Takes a segment for ended where its first unreadable frame begins, whatever lies behind it. */
export function cuttingTails(disk: Disk): Disk {
  const { open, ...rest } = withWriter(disk, (writer) => writer)
  return {
    ...rest,
    open: async (path) => {
      const file = await open(path)
      if (!path.endsWith('.seg')) return file
      const size = async (): Promise<number> => {
        const end = await file.size()
        const header = decodeSegmentHeader(await file.read(0, segmentHeaderBytes))
        if ('problem' in header) return end
        const from = { epoch: header.epoch, sequence: header.baseSequence, position: segmentHeaderBytes }
        const scanner = new SegmentScanner(file, { ...from, end, chunkBytes: end })
        while ((await scanner.next()).length > 0);
        return scanner.position
      }
      return {
        path,
        size,
        read: (position, length) => file.read(position, length),
        close: () => file.close(),
      }
    },
  }
}
