import type { Clock } from '../core/clock.ts'
import { systemError } from './errors.ts'
import type { WritableFile } from './port.ts'

/** What a rule can hit. An append counts as a write, if it writes anything, and then as a sync, if it asks for one. */
export type Operation =
  | 'list'
  | 'open'
  | 'createDirectory'
  | 'lock'
  | 'read'
  | 'size'
  | 'create'
  | 'openForWriting'
  | 'write'
  | 'sync'
  | 'release'
  | 'rename'
  | 'remove'
  | 'syncDirectory'

export type Fault =
  /** The operation fails with this error and does nothing. */
  | 'eio'
  | 'enospc'
  /** For 'write': half of it is written, then 'EIO'. With 'any', nothing else is harmed. */
  | 'short'
  /** It takes `slowMs` longer; what is called later on the same writer waits behind it. */
  | 'slow'
  /** For 'write' and 'read': one bit is wrong, and nobody is told. With 'any', nothing else is harmed. */
  | 'bitflip'
  /** `onCrash` instead of the operation, or between the operation and its answer. */
  | 'crash-before'
  | 'crash-after'

export interface Rule {
  readonly operation: Operation | 'any'
  /** The n-th operation that matches, counted from 1. */
  readonly at: number
  readonly fault: Fault
  /** That one and every later one. */
  readonly sticky?: boolean
  /** Only files and directories whose path contains it. */
  readonly path?: string
}

export interface FaultOptions {
  readonly rules?: readonly Rule[]
  /** For 'slow'. */
  readonly clock?: Clock
  /** 1000 by default. */
  readonly slowMs?: number
  /** Called where a crash is due, typically to cut the power of the wrapped disk. Nothing is answered any more. */
  readonly onCrash?: () => void
  /** Called when a sync fails, to have the kernel forget what it could not write. */
  readonly onFailedSync?: (file: WritableFile) => void
}

/** Faults of the data, and where there is data. */
const damaging: { readonly [fault in Fault]?: readonly string[] } = {
  short: ['write', 'any'],
  bitflip: ['write', 'read', 'any'],
}

/** The rules at work, shared by everything that was opened on one disk. */
export class Faults {
  readonly options: FaultOptions
  readonly history: { readonly operation: Operation; readonly path: string }[] = []
  /** Matches so far, for each rule. */
  readonly #matches: number[]
  isCrashed = false

  constructor(options: FaultOptions) {
    this.options = options
    const rules = options.rules ?? []
    this.#matches = rules.map(() => 0)
    for (const { operation, fault } of rules) {
      const fitting = damaging[fault]
      if (fitting !== undefined && !fitting.includes(operation)) {
        throw new TypeError(`'${fault}' makes no sense for '${operation}'`)
      }
    }
  }

  /** Counts one operation and returns what is to happen to it. */
  next(operation: Operation, path: string): Fault | null {
    this.history.push({ operation, path })
    let found: Fault | null = null
    for (const [i, rule] of (this.options.rules ?? []).entries()) {
      if (rule.operation !== 'any' && rule.operation !== operation) continue
      if (rule.path !== undefined && !path.includes(rule.path)) continue
      const count = (this.#matches[i] ?? 0) + 1
      this.#matches[i] = count
      if (count === rule.at || (rule.sticky === true && count > rule.at)) found ??= rule.fault
    }
    return found
  }

  crash(): void {
    if (this.isCrashed) return
    this.isCrashed = true
    this.options.onCrash?.()
  }

  /** One operation outside a writer, with its fault. Never settles after a crash. */
  async around<T>(operation: Operation, path: string, run: () => Promise<T>): Promise<T> {
    if (this.isCrashed) return never()
    const fault = this.next(operation, path)
    if (fault === 'crash-before') this.crash()
    if (this.isCrashed) return never()
    if (fault === 'eio' || fault === 'enospc') throw errorOf(fault, operation, path)
    if (fault === 'slow') await this.pause()
    const result = await run()
    if (fault === 'crash-after') this.crash()
    if (this.isCrashed) return never()
    return fault === 'bitflip' && result instanceof Uint8Array ? (flipped(result) as T) : result
  }

  pause(): Promise<void> {
    const { clock, slowMs = 1000 } = this.options
    if (clock === undefined) throw new TypeError("'slow' needs a clock")
    return new Promise((resolve) => {
      clock.after(slowMs, resolve)
    })
  }
}

export function errorOf(
  fault: 'eio' | 'enospc' | 'short',
  operation: string,
  path: string,
): NodeJS.ErrnoException {
  return systemError(fault === 'enospc' ? 'ENOSPC' : 'EIO', operation, path)
}

/** A copy with one wrong bit in the middle. */
export function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  const middle = copy.length >> 1
  if (copy.length > 0) copy[middle] = (copy[middle] as number) ^ 0x10
  return copy
}

export function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}
