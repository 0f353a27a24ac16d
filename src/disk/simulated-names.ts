import { posix } from 'node:path'
import { chance, type Random } from '../core/random.ts'
import { systemError } from './errors.ts'
import type { SimulatedFile } from './simulated-file.ts'

/** One change of names that a power cut may still undo; it happens whole or not at all. */
interface Change {
  /** Whose sync makes it durable. */
  readonly directory: string
  readonly removed: readonly string[]
  readonly added: string | null
  readonly file: SimulatedFile
}

/** '/a//b/./c/' and '/a/b/c' are the same name. */
export function normalize(path: string): string {
  const plain = posix.normalize(path)
  return plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain
}

/**
 * The names of a simulated disk, as a file system with a journal keeps them: those seen now, those that
 * are durable, and the changes between them in order.
 */
export class SimulatedNames {
  readonly #files = new Map<string, SimulatedFile>()
  readonly #durable = new Map<string, SimulatedFile>()
  /** Directories are durable as soon as they exist: `createDirectory` syncs. */
  readonly #directories = new Set(['.', '/'])
  #journal: Change[] = []

  get(path: string): SimulatedFile | undefined {
    return this.#files.get(path)
  }

  paths(): string[] {
    return [...this.#files.keys()]
  }

  files(): IterableIterator<SimulatedFile> {
    return this.#files.values()
  }

  isDirectory(path: string): boolean {
    return this.#directories.has(path)
  }

  addDirectory(path: string): void {
    for (let at = path; !this.#directories.has(at); at = posix.dirname(at)) {
      if (this.#files.has(at)) throw systemError('ENOTDIR', 'mkdir', path)
      this.#directories.add(at)
    }
  }

  list(directory: string): string[] {
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'scandir', directory)
    const names: string[] = []
    for (const path of this.#files.keys()) {
      if (posix.dirname(path) === directory) names.push(posix.basename(path))
    }
    for (const path of this.#directories) {
      if (path !== directory && posix.dirname(path) === directory) names.push(posix.basename(path))
    }
    return names
  }

  create(path: string, file: SimulatedFile): void {
    const directory = this.#parent(path, 'open')
    if (this.#files.has(path) || this.#directories.has(path)) throw systemError('EEXIST', 'open', path)
    this.#files.set(path, file)
    this.#journal.push({ directory, removed: [], added: path, file })
  }

  /** A file that was always there; nothing undoes it. */
  addDurable(path: string, file: SimulatedFile): void {
    this.addDirectory(posix.dirname(path))
    this.#files.set(path, file)
    this.#durable.set(path, file)
  }

  /** Returns the file it replaced. */
  rename(from: string, to: string): SimulatedFile | null {
    const file = this.#existing(from, 'rename')
    const directory = this.#parent(to, 'rename')
    if (this.#directories.has(to)) throw systemError('EISDIR', 'rename', to)
    if (from === to) return null
    const replaced = this.#files.get(to) ?? null
    this.#files.delete(from)
    this.#files.set(to, file)
    this.#journal.push({ directory, removed: [from], added: to, file })
    return replaced
  }

  remove(path: string): SimulatedFile {
    const file = this.#existing(path, 'unlink')
    this.#files.delete(path)
    const directory = posix.dirname(path)
    this.#journal.push({ directory, removed: [path], added: null, file })
    return file
  }

  /** A removal nobody can undo. */
  removeDurably(path: string): SimulatedFile {
    const file = this.remove(path)
    this.sync(posix.dirname(path))
    return file
  }

  sync(directory: string): void {
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'open', directory)
    if (this.#journal.length === 0) return
    // Backwards: what a durable change builds on is durable with it.
    const needed = new Set<unknown>()
    const kept: Change[] = []
    const committed: Change[] = []
    for (const change of this.#journal.toReversed()) {
      const isNeeded = change.directory === directory || touches(change, needed)
      if (isNeeded) mark(change, needed)
      ;(isNeeded ? committed : kept).push(change)
    }
    for (const change of committed.reverse()) apply(change, this.#durable)
    this.#journal = kept.reverse()
  }

  /** Undoes a random part of what is not durable, and returns the files that have no name any more. */
  losePower(random: Random): Set<SimulatedFile> {
    const gone = new Set(this.#files.values())
    const lost = new Set<unknown>()
    for (const change of this.#journal) {
      // A change on top of a lost one cannot have happened.
      if (touches(change, lost) || chance(random, 0.5)) mark(change, lost)
      else {
        gone.add(change.file)
        apply(change, this.#durable)
      }
    }
    this.#journal = []
    this.#files.clear()
    for (const [path, file] of this.#durable) {
      this.#files.set(path, file)
      gone.delete(file)
    }
    return gone
  }

  #existing(path: string, syscall: string): SimulatedFile {
    const file = this.#files.get(path)
    if (file === undefined) throw systemError('ENOENT', syscall, path)
    return file
  }

  #parent(path: string, syscall: string): string {
    const directory = posix.dirname(path)
    if (!this.#directories.has(directory)) throw systemError('ENOENT', syscall, path)
    return directory
  }
}

function touches(change: Change, marked: ReadonlySet<unknown>): boolean {
  if (marked.size === 0) return false
  return (
    marked.has(change.file) ||
    (change.added !== null && marked.has(change.added)) ||
    change.removed.some((path) => marked.has(path))
  )
}

/** Paths and files share the set; a string is never a file. */
function mark(change: Change, marked: Set<unknown>): void {
  marked.add(change.file)
  if (change.added !== null) marked.add(change.added)
  for (const path of change.removed) marked.add(path)
}

function apply(change: Change, names: Map<string, SimulatedFile>): void {
  for (const path of change.removed) names.delete(path)
  if (change.added !== null) names.set(change.added, change.file)
}
