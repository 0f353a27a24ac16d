/**
 * What a writer and its thread say to each other.
 *
 * Each call of the writer is a descriptor in a ring of shared memory. Those that need more than numbers
 * are accompanied by a message, taken from the port when the descriptor's turn comes. The thread answers
 * by counting what it has finished; a message only wakes the user's thread, or carries a result.
 */
import type { TransferListItem } from 'node:worker_threads'

/** Descriptors in the ring; what is called beyond waits on the user's side. */
export const ringSlots = 1024
/** Numbers of one descriptor: see `slot`. */
export const slotNumbers = 8

/** Where in a descriptor its numbers are. */
export const slot = {
  kind: 0,
  fd: 1,
  position: 2,
  memory: 3,
  offset: 4,
  length: 5,
  zeros: 6,
  sync: 7,
} as const

export const kind = {
  /** Bytes lie in shared memory `memory` at `offset`. */
  append: 0,
  /** Bytes come as a message. */
  posted: 1,
  /** A `Control` comes as a message; answered by a `ControlResult`. */
  control: 2,
} as const

/** Where in the shared state its numbers are. All count modulo 2³². */
export const state = {
  /** Descriptors the user's thread has filled in. */
  published: 0,
  /** Descriptors the writer's thread has finished. */
  finished: 1,
  /** 1 while a message that wakes the user's thread is under way. */
  isWaking: 2,
  /** Moving average of a write with its sync, microseconds. */
  syncMicros: 3,
} as const

export type Control =
  /** Memory that later descriptors refer to by its number, counted from 0. */
  | { readonly operation: 'memory'; readonly memory: SharedArrayBuffer }
  | { readonly operation: 'create' | 'open' | 'remove' | 'syncDirectory'; readonly path: string }
  | { readonly operation: 'rename'; readonly path: string; readonly to: string }
  | { readonly operation: 'release'; readonly path: string; readonly fd: number }
  | { readonly operation: 'close'; readonly path: string }

export interface PlainError {
  readonly message: string
  readonly code: string
  readonly errno: number | undefined
  readonly syscall: string
  readonly path: string | undefined
}

export type Answer =
  /** Look at `finished`. */
  | { readonly type: 'wake' }
  /** The next control is finished; `fd` of a file created or opened, else -1. */
  | { readonly type: 'result'; readonly fd: number }
  /** Descriptor `index`, the first not counted as finished, failed. The thread does nothing more. */
  | { readonly type: 'failed'; readonly error: PlainError }

/** What the thread starts with. */
export interface ThreadData {
  readonly port: TransferListItem
  readonly ring: SharedArrayBuffer
  readonly state: SharedArrayBuffer
}
