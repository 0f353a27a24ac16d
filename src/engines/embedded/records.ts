/**
 * What the embedded engine writes between the messages. Every record begins with the log's 16 bytes, whose last eight name the
 * topic (or group, or producer) and the partition; payloads are little-endian (docs/log-format.md).
 * Applying a record twice changes nothing, so that a snapshot and the records around it may overlap.
 */
import { buildRecord, readU64, recordHeaderBytes, viewOf, writeU64 } from '../../log/format.ts'

export const EngineRecord = {
  /** A topic was created: header topic; JSON. */
  topic: 32,
  /** A group was created: header topic and group; JSON. */
  group: 33,
  /** A producer opened its epoch: header producer; epoch (16 bytes), label. */
  producer: 34,
  /** A producer's epoch ended: header producer; number of the segment then current. */
  producerClosed: 35,
  /** Messages came to rest for a group: header group and partition; generation, state, runs. */
  settled: 36,
  /** An attempt failed: header group and partition. */
  failure: 37,
  /** A group may hand out messages below this offset: header group and partition. */
  window: 38,
  /** Snapshot of a partition: header topic and partition. */
  partition: 39,
  /** Snapshot of a partition of a group: header group and partition. */
  groupPartition: 40,
} as const

export const engineRecordTypes: ReadonlySet<number> = new Set(Object.values(EngineRecord))

/** How a message came to rest; only `handled` suppresses a duplicate. Frozen numbers. */
export const SettledAs = { handled: 0, dead: 1, discarded: 2 } as const
export type SettledState = (typeof SettledAs)[keyof typeof SettledAs]

export interface TopicRecord {
  readonly name: string
  readonly partitions: number
  readonly retentionMs: number
  readonly maxBytes: number | null
  readonly createdAtMs: number
}

export interface GroupRecord {
  readonly name: string
  readonly order: 'key' | 'none'
  /** Grows when the group is sought back: a new inbox generation. */
  readonly generation: number
  readonly createdAtMs: number
}

/** What is remembered of a message whose attempts failed. */
export interface FailureState {
  readonly failures: number
  readonly fingerprint: number
  /** Wall time before which it is not tried again. */
  readonly dueAtMs: number
  readonly firstFailureMs: number
  /** Longest wait the due time may ask for: a clock that stepped back must not add to it. */
  readonly delayMs: number
}

export const payloadOf = (frame: Buffer, at: number, length: number): Buffer =>
  frame.subarray(at + recordHeaderBytes, at + length)

export function jsonRecord(type: number, value: unknown, topic: number, partition = 0): Uint8Array {
  return buildRecord(type, Buffer.from(JSON.stringify(value)), topic, partition)
}

export const parseJson = <T>(payload: Buffer): T => JSON.parse(payload.toString('utf8')) as T

export function producerRecord(producer: number, epoch: Uint8Array, label: string): Uint8Array {
  return buildRecord(EngineRecord.producer, Buffer.concat([epoch, Buffer.from(label)]), producer)
}

export function u64Record(type: number, value: number, topic: number, partition = 0): Uint8Array {
  const payload = new Uint8Array(8)
  writeU64(viewOf(payload), 0, value)
  return buildRecord(type, payload, topic, partition)
}

export const parseU64 = (payload: Buffer): number => readU64(viewOf(payload), 0)

/** `runs` are pairs: first offset, offset behind the last. */
export function settledRecord(
  group: number,
  partition: number,
  generation: number,
  state: SettledState,
  runs: readonly number[],
): Uint8Array {
  const payload = new Uint8Array(8 + runs.length * 8)
  const view = viewOf(payload)
  view.setUint32(0, generation, true)
  view.setUint32(4, state, true)
  for (let i = 0; i < runs.length; i++) writeU64(view, 8 + i * 8, runs[i]!)
  return buildRecord(EngineRecord.settled, payload, group, partition)
}

export function parseSettled(payload: Buffer): { generation: number; state: SettledState; runs: number[] } {
  const view = viewOf(payload)
  const runs: number[] = []
  for (let at = 8; at + 8 <= payload.length; at += 8) runs.push(readU64(view, at))
  return { generation: view.getUint32(0, true), state: view.getUint32(4, true) as SettledState, runs }
}

const failureBytes = 40

function writeFailure(view: DataView, at: number, offset: number, failure: FailureState): void {
  writeU64(view, at, offset)
  view.setUint32(at + 8, failure.failures, true)
  view.setUint32(at + 12, failure.fingerprint, true)
  writeU64(view, at + 16, failure.dueAtMs)
  writeU64(view, at + 24, failure.firstFailureMs)
  writeU64(view, at + 32, failure.delayMs)
}

function readFailure(view: DataView, at: number): { offset: number; failure: FailureState } {
  return {
    offset: readU64(view, at),
    failure: {
      failures: view.getUint32(at + 8, true),
      fingerprint: view.getUint32(at + 12, true),
      dueAtMs: readU64(view, at + 16),
      firstFailureMs: readU64(view, at + 24),
      delayMs: readU64(view, at + 32),
    },
  }
}

export function failureRecord(
  group: number,
  partition: number,
  offset: number,
  failure: FailureState,
): Uint8Array {
  const payload = new Uint8Array(failureBytes)
  writeFailure(viewOf(payload), 0, offset, failure)
  return buildRecord(EngineRecord.failure, payload, group, partition)
}

export const parseFailure = (payload: Buffer) => readFailure(viewOf(payload), 0)

/** Snapshot of a partition. */
export interface PartitionSnapshot {
  readonly next: number
  readonly sentMessages: number
}

export function partitionRecord(topic: number, partition: number, snapshot: PartitionSnapshot): Uint8Array {
  const payload = new Uint8Array(16)
  const view = viewOf(payload)
  writeU64(view, 0, snapshot.next)
  writeU64(view, 8, snapshot.sentMessages)
  return buildRecord(EngineRecord.partition, payload, topic, partition)
}

export function parsePartition(payload: Buffer): PartitionSnapshot {
  const view = viewOf(payload)
  return { next: readU64(view, 0), sentMessages: readU64(view, 8) }
}

/** Snapshot of a partition of a group; the ledgers are encoded. */
export interface GroupPartitionSnapshot {
  readonly window: number
  readonly settled: Uint8Array
  readonly dead: Uint8Array
  readonly discarded: Uint8Array
  readonly failures: ReadonlyMap<number, FailureState>
}

export function groupPartitionRecord(
  group: number,
  partition: number,
  snapshot: GroupPartitionSnapshot,
): Uint8Array {
  const { settled, dead, discarded, failures } = snapshot
  const head = 24
  const payload = new Uint8Array(
    head + failures.size * failureBytes + settled.length + dead.length + discarded.length,
  )
  const view = viewOf(payload)
  writeU64(view, 0, snapshot.window)
  view.setUint32(8, failures.size, true)
  view.setUint32(12, settled.length, true)
  view.setUint32(16, dead.length, true)
  view.setUint32(20, discarded.length, true)
  let at = head
  for (const [offset, failure] of failures) {
    writeFailure(view, at, offset, failure)
    at += failureBytes
  }
  for (const ledger of [settled, dead, discarded]) {
    payload.set(ledger, at)
    at += ledger.length
  }
  return buildRecord(EngineRecord.groupPartition, payload, group, partition)
}

export function parseGroupPartition(payload: Buffer): GroupPartitionSnapshot {
  const view = viewOf(payload)
  const failures = new Map<number, FailureState>()
  let at = 24
  for (let left = view.getUint32(8, true); left > 0; left--, at += failureBytes) {
    const { offset, failure } = readFailure(view, at)
    failures.set(offset, failure)
  }
  const take = (bytes: number): Uint8Array => {
    const part = payload.subarray(at, at + bytes)
    at += bytes
    return part
  }
  const settled = take(view.getUint32(12, true))
  const dead = take(view.getUint32(16, true))
  const discarded = take(view.getUint32(20, true))
  return { window: readU64(view, 0), settled, dead, discarded, failures }
}
