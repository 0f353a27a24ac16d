import type { HoldfastError } from './errors.ts'

export type Headers = Readonly<Record<string, string>>

/** What a producer sends. */
export interface SendOptions<Body = unknown> {
  /** 1–1024 bytes of UTF-8, or '' (which is a key). Same key → same partition → order. Default: none. */
  readonly key?: string
  /** The caller's own id, 1–255 bytes of UTF-8: the same id with the same body is the same message. Default: one is made. */
  readonly id?: string
  /** Strings only; names starting with `hf` are Holdfast's own and refused. Default: none. */
  readonly headers?: Headers
  readonly body: Body
  /** Stops the waiting, never the message: unless nothing was written yet, the outcome is then *unknown*. */
  readonly signal?: AbortSignal
}

/** A message as a handler sees it. */
export interface Message<Body = unknown> {
  /** The caller's id, or the one Holdfast made: `<epoch>-<counter>`. */
  readonly id: string
  readonly topic: string
  readonly partition: number
  /** Position in the partition, where the engine has one. */
  readonly offset?: number
  readonly key: string | null
  readonly body: Body
  readonly headers: Headers
  /** Wall time of the sender in milliseconds since the epoch. */
  readonly sentAtMs: number
  /** True when this message may have been handled before (redelivery, unclean death of a consumer). */
  readonly mayBeDuplicate: boolean
  /** True when an earlier message of the key was parked, dead-lettered or redriven: the order of the key has a gap. */
  readonly afterGap: boolean
}

/** As far as the engine's settings prove it; null where they prove nothing. */
export interface Durability {
  /** How many copies hold the message. */
  readonly copies: number | null
  /** Whether a majority of the replicas holds it. */
  readonly majority: boolean | null
  /** Whether it was forced to disk before the confirmation. */
  readonly synced: boolean | null
  /** What the statement rests on, for people. */
  readonly evidence: readonly string[]
}

/** What a confirmed send returns. Plain data: `JSON.stringify` works. */
export interface Receipt {
  readonly id: string
  readonly engine: string
  readonly topic: string
  readonly partition: number
  /** Position in the partition, where the engine has one; always a safe integer. */
  readonly offset?: number
  /** How often it was handed to the engine, the first time included. */
  readonly attempts: number
  /** True when this call was a repetition of a message accepted before under the same id. */
  readonly duplicate: boolean
  readonly sentAtMs: number
  readonly durability: Durability
}

export type SendResult =
  | { readonly ok: true; readonly receipt: Receipt }
  | { readonly ok: false; readonly error: HoldfastError }
