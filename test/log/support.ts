/** A small thing that stands on a log, with a model of what it must find again. */
import assert from 'node:assert/strict'
import type { Clock } from '../../src/core/clock.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import { SeededRandom } from '../../src/core/random.ts'
import type { Disk } from '../../src/disk/port.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import {
  align8,
  buildRecord,
  forEachRecord,
  RecordType,
  readU64,
  segmentHeaderBytes,
  viewOf,
  writeU64,
} from '../../src/log/format.ts'
import type { LogHost, LogSettings } from '../../src/log/host.ts'
import type { Log } from '../../src/log/log.ts'
import { readFrames } from '../../src/log/reader.ts'
import { encodeMessage, MessageRecord, messageBound, slabOf } from '../../src/log/record.ts'
import { openLog, type Recovered } from '../../src/log/recovery.ts'
import { ManualClock } from '../support/manual-clock.ts'

/** Records of the test: a value under a number, where a partition goes on, below which offset nothing is needed. */
export const AppRecord = { value: 40, next: 41, floor: 42 } as const

export const directory = '/store'

export function simulatedDisk(seed = 1, sectorBytes: 512 | 4096 = 512): SimulatedDisk {
  return new SimulatedDisk({ random: new SeededRandom(seed), sectorBytes })
}

/** The same files on a disk of their own. */
export function cloneDisk(disk: SimulatedDisk, seed = 1): SimulatedDisk {
  const clone = simulatedDisk(seed)
  for (const path of disk.paths()) clone.put(path, disk.bytesOf(path))
  return clone
}

export function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  writeU64(viewOf(bytes), 0, value)
  return bytes
}

/** The bytes of a numbered thing; different numbers have different ones. */
export function content(number: number, length = 40): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (number * 31 + i * 7) & 0xff
  bytes.writeUInt32LE(number, 0)
  return bytes
}

export function messageRecord(offset: number, body: Uint8Array, sentAtMs = 1_700_000_000_000): Buffer {
  const fields = {
    topic: 1,
    partition: 0,
    offset,
    number: offset + 1,
    counter: offset + 1,
    sentAtMs,
    producer: 1,
    codec: 0,
    flags: 0,
    id: null,
    contentHash: null,
    key: `k${offset}`,
    headers: null,
    body,
  }
  const slab = slabOf(new Uint8Array(align8(messageBound(fields))))
  return slab.bytes.subarray(0, encodeMessage(slab, 0, fields, fields))
}

export function valueRecord(number: number, bytes: Uint8Array): Uint8Array {
  const payload = Buffer.concat([Buffer.alloc(4), bytes])
  payload.writeUInt32LE(number, 0)
  return buildRecord(AppRecord.value, payload)
}

export class TestHost implements LogHost {
  readonly recordTypes: ReadonlySet<number> = new Set(Object.values(AppRecord))
  readonly values = new Map<number, Buffer>()
  next = 0
  floor = 0
  readonly failures: HoldfastError[] = []
  readonly unknown: number[] = []
  syncedTicket = 0
  resets = 0
  /** Called when a ticket is durable. */
  onSynced: (ticket: number) => void = () => undefined
  onCollect: () => void = () => undefined

  apply(frame: Buffer, at: number, length: number, type: number): void {
    const payload = frame.subarray(at + 16, at + length)
    if (type === RecordType.message) this.next = Math.max(this.next, new MessageRecord(frame, at).offset + 1)
    else if (type === AppRecord.value)
      this.values.set(payload.readUInt32LE(0), Buffer.from(payload.subarray(4)))
    else if (type === AppRecord.next) this.next = Math.max(this.next, readU64(viewOf(payload), 0))
    else if (type === AppRecord.floor) this.floor = readU64(viewOf(payload), 0)
    else this.unknown.push(type)
  }

  reset(): void {
    this.resets++
    this.values.clear()
    this.next = 0
    this.floor = 0
  }

  needs(_topic: number, _partition: number, offset: number): boolean {
    return offset >= this.floor
  }

  *snapshot(): Iterator<Uint8Array, void> {
    for (const [number, bytes] of this.values) yield valueRecord(number, bytes)
    yield buildRecord(AppRecord.next, u64(this.next))
    yield buildRecord(AppRecord.floor, u64(this.floor))
  }

  collect(): boolean {
    this.onCollect()
    return true
  }

  synced(ticket: number): void {
    this.syncedTicket = ticket
    this.onSynced(ticket)
  }

  lostWrites(): void {}
  written(): void {}
  drained(): void {}

  failed(error: HoldfastError): void {
    this.failures.push(error)
  }
}

export interface OpenedLog {
  readonly log: Log
  readonly recovered: Recovered
  readonly host: TestHost
  readonly clock: ManualClock
  readonly settings: LogSettings
}

export async function openTestLog(
  disk: Disk,
  options: Partial<LogSettings> & { readonly host?: TestHost; readonly seed?: number } = {},
): Promise<OpenedLog> {
  const { host = new TestHost(), seed = 7, ...rest } = options
  const clock = (rest.clock as ManualClock | undefined) ?? new ManualClock()
  const settings: LogSettings = {
    directory,
    disk,
    clock: clock as Clock,
    random: new SeededRandom(seed),
    segmentBytes: 4096,
    reserveBytes: 0,
    bufferBytes: 528 * 1024,
    lazyWriteMs: 5,
    lazySyncMs: 50,
    ...rest,
  }
  await disk.createDirectory(directory)
  const { log, recovered } = await openLog(settings, await disk.lock(directory), host)
  return { log, recovered, host, clock, settings }
}

/** Lets everything run that only waits for the event loop. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What can be read of the one partition, by offset. */
export async function readMessages(log: Log): Promise<Map<number, Uint8Array>> {
  const messages = new Map<number, Uint8Array>()
  for (const segment of [...log.segments]) {
    let position = segmentHeaderBytes
    for (let frames = await readFrames(log, segment, position); frames.length > 0; ) {
      for (const frame of frames) {
        forEachRecord(frame.bytes, (at, _length, type) => {
          if (type !== RecordType.message) return
          const message = new MessageRecord(frame.bytes, at)
          messages.set(message.offset, message.body)
        })
        position = frame.position + frame.bytes.length
      }
      frames = await readFrames(log, segment, position)
    }
  }
  return messages
}

type Operation =
  | { readonly kind: 'value'; readonly bytes: Buffer }
  | { readonly kind: 'message'; readonly bytes: Buffer }
  | { readonly kind: 'floor'; readonly floor: number }

/** Appends to a log and remembers, over any number of openings, what was asked for and what was acknowledged. */
export class Model {
  readonly operations: Operation[] = []
  /** Operations known to be durable. */
  acknowledged = 0
  #tickets: { ticket: number; operations: number }[] = []
  #log: Log | null = null
  #host: TestHost | null = null

  attach(opened: Pick<OpenedLog, 'log' | 'host'>): void {
    this.#log = opened.log
    this.#host = opened.host
    this.#tickets = []
    opened.host.onSynced = (ticket) => {
      while (this.#tickets.length > 0 && (this.#tickets[0]?.ticket ?? 0) <= ticket)
        this.acknowledged = Math.max(this.acknowledged, this.#tickets.shift()?.operations ?? 0)
    }
  }

  value(length = 40, lazy = false): void {
    const { host } = this.#attached()
    const number = host.values.size
    const bytes = content(number, length)
    host.values.set(number, bytes)
    this.#append({ kind: 'value', bytes }, valueRecord(number, bytes), lazy)
  }

  message(length = 40, lazy = false): void {
    const { host } = this.#attached()
    const bytes = content(host.next, length)
    const record = messageRecord(host.next, bytes)
    host.next++
    this.#append({ kind: 'message', bytes }, record, lazy)
  }

  /** Everything below is handled; lazily written, as acknowledgements are. */
  floor(floor: number, lazy = true): void {
    const { host } = this.#attached()
    host.floor = floor
    this.#append({ kind: 'floor', floor }, buildRecord(AppRecord.floor, u64(floor)), lazy)
  }

  /** Gives up every segment in which nothing is needed; returns how many. */
  releaseFree(): number {
    const { log, host } = this.#attached()
    let released = 0
    for (const segment of [...log.segments]) {
      const index = segment.index.of(1, 0)
      if (!log.isReleasable(segment) || (index !== undefined && index.last >= host.floor)) continue
      if (log.release(segment)) released++
    }
    return released
  }

  /** What an opening found: a prefix of what was appended that holds all that was acknowledged, byte for byte. */
  async check(opened: Pick<OpenedLog, 'log' | 'host'>): Promise<void> {
    const { host, log } = opened
    const wanted = this.#prefixOf(host)
    const seen = { values: [] as Buffer[], messages: [] as Buffer[] }
    for (const operation of this.operations.slice(0, wanted)) {
      if (operation.kind === 'value') seen.values.push(operation.bytes)
      if (operation.kind === 'message') seen.messages.push(operation.bytes)
    }
    for (const [number, bytes] of seen.values.entries()) {
      assert.ok(host.values.get(number)?.equals(bytes), `value ${number} is as it was appended`)
    }
    const messages = await readMessages(log)
    for (const [offset, bytes] of seen.messages.entries()) {
      const found = messages.get(offset)
      if (found === undefined) assert.ok(offset < host.floor, `message ${offset} is missing`)
      else assert.ok(bytes.equals(found), `message ${offset} is as it was appended`)
      messages.delete(offset)
    }
    assert.deepEqual([...messages.keys()], [], 'no message is invented')
    // From here on, what was found is what there is.
    this.operations.length = wanted
    this.acknowledged = wanted
  }

  /** How many operations make the state that was found. */
  #prefixOf(host: TestHost): number {
    let values = 0
    let messages = 0
    let floor = 0
    for (let prefix = 0; prefix <= this.operations.length; prefix++) {
      const found = values === host.values.size && messages === host.next && floor === host.floor
      if (found && prefix >= this.acknowledged) return prefix
      const operation = this.operations[prefix]
      if (operation?.kind === 'value') values++
      else if (operation?.kind === 'message') messages++
      else if (operation !== undefined) floor = operation.floor
    }
    const state = `${host.values.size} values, ${host.next} messages, floor ${host.floor}`
    return assert.fail(
      `${state} is no prefix of ${this.operations.length} operations with the ${this.acknowledged} acknowledged`,
    )
  }

  #append(operation: Operation, record: Uint8Array, lazy: boolean): void {
    const { log } = this.#attached()
    this.operations.push(operation)
    assert.ok(log.append([record], lazy), 'there is room')
    this.#tickets.push({ ticket: log.ticket, operations: this.operations.length })
  }

  #attached(): { log: Log; host: TestHost } {
    if (this.#log === null || this.#host === null) throw new Error('the model has no log yet')
    return { log: this.#log, host: this.#host }
  }
}
