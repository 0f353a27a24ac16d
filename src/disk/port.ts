/**
 * The file system as the log needs it, and nothing more. `node` is the real one, `simulated` loses
 * power by seed, `faulty` wraps any of them.
 *
 * Errors carry the operating system's `code` ('EIO', 'ENOSPC', 'ENOENT', 'EEXIST', 'EROFS', …).
 * Paths are absolute or relative to the process; they are joined with '/'.
 */
export interface Disk {
  /** Names in a directory, in no order. ENOENT when it does not exist. */
  list(directory: string): Promise<string[]>
  /** Opens an existing file for reading. */
  open(path: string): Promise<ReadableFile>
  /** Creates a directory with its parents and makes each of them durable. Idempotent. */
  createDirectory(path: string): Promise<void>
  /** Everything that changes files goes through one writer. */
  writer(): Writer
  /** Bytes an unprivileged process may still write to the file system that holds `path`. Synchronous: asked per group. */
  freeBytes(path: string): number
  /**
   * What tells one incarnation of a path from another (device and inode), null when the path does not
   * exist. Synchronous: compared before each acknowledgement.
   */
  identity(path: string): string | null
  /**
   * Takes the directory for this process and holds it until released or the process dies, however it dies.
   * Rejects with code 'ELOCKED' when another owner (process, or an earlier call here) holds it.
   */
  lock(directory: string): Promise<DirectoryLock>
  /** The name of the network file system that holds `path` ('nfs', 'cifs', …), null for a local one. */
  networkFileSystem(path: string): string | null
}

export interface DirectoryLock {
  /** The file whose identity must not change while the lock is held. */
  readonly path: string
  release(): Promise<void>
}

export interface ReadableFile {
  readonly path: string
  /** Reads `length` bytes from `position`; fewer only where the file ends. The bytes belong to the caller. */
  read(position: number, length: number): Promise<Uint8Array>
  /** Length of the file in bytes. */
  size(): Promise<number>
  close(): Promise<void>
}

/** A file of a writer. Positions are explicit; there is no cursor. */
export interface WritableFile {
  readonly path: string
}

/**
 * Changes take effect one after the other in the order of the calls. The first that fails breaks the
 * writer: it reports the operating system's error, every later call fails with code 'ECANCELED' and
 * touches nothing (a sync after a failed sync proves nothing: Rebello et al., USENIX ATC 2020).
 */
export interface Writer {
  /** How long a write with its sync takes these days in the disk itself, ms (a moving average, 0 before the first). */
  readonly syncMs: number
  /** Memory that `append` takes without copying it. Freed with the writer. */
  allocate(bytes: number): Uint8Array
  /** Creates a file that must not exist yet. Its name is durable only after `syncDirectory`. */
  create(path: string): Promise<WritableFile>
  /** Opens an existing file for writing in place. */
  open(path: string): Promise<WritableFile>
  /**
   * Writes `bytes` at `position`, followed by `zeros` zero bytes, then, if `sync`, makes everything written to
   * this file so far durable (fdatasync). Empty `bytes` with `sync` is a sync alone. `bytes` must not
   * change until `done`, which is called once, later, in the order of the appends: with null when the
   * write, and the sync if asked, are done; with the error otherwise. A short write is an error.
   */
  append(
    file: WritableFile,
    position: number,
    bytes: Uint8Array,
    how: { readonly sync: boolean; readonly zeros: number },
    done: (error: NodeJS.ErrnoException | null) => void,
  ): void
  /** Closes a file; no append may follow. */
  release(file: WritableFile): Promise<void>
  /** Atomic; replaces `to`. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file. Durable only after `syncDirectory`; until then it may come back. */
  remove(path: string): Promise<void>
  /** Makes names created, renamed and removed in the directory so far durable. */
  syncDirectory(path: string): Promise<void>
  /** Waits for what was called before and ends the writer. Idempotent, never rejects. */
  close(): Promise<void>
}
