/**
 * The record of a message: 64 fixed bytes, then its variable parts.
 *
 * ```
 *   0  u32 length      4  u8 type   5  u8 flags   6  u16 codec
 *   8  u32 topic      12  u32 partition
 *  16  u64 offset: position in the partition
 *  24  u64 number: the producer's count in this topic and partition (the stamp)
 *  32  u64 counter: the producer's count of all its messages (its own id)
 *  40  u64 wall time of sending, ms
 *  48  u32 producer   52  u16 id length   54  u16 key length, 65535: no key
 *  56  u32 headers length                 60  u32 body length
 *  64  id, and behind it the first 16 bytes of SHA-256 over key and body, where the id is the caller's
 *      key
 *      headers: for each u16 length of the name, u16 length of the value, name, value
 *      body
 * ```
 */
import type { Headers } from '../core/message.ts'
import { knownFlags, RecordType, skippableType } from './format.ts'

// Node's own unchecked encoders: half the cost of `write` and `toString` on the short strings of a message.
// They never write past the end of the buffer, which `messageBound` guarantees not to be reached.
declare global {
  interface Buffer {
    utf8Write(text: string, at: number): number
    utf8Slice(from: number, to: number): string
  }
}

export const messageHeaderBytes = 64
export const noKey = 0xffff
export const contentHashBytes = 16

/** Memory that records are encoded into: the same bytes seen in two widths. */
export interface Slab {
  readonly bytes: Buffer
  readonly words: Uint32Array
}

export function slabOf(memory: Uint8Array): Slab {
  return {
    bytes: Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength),
    words: new Uint32Array(memory.buffer, memory.byteOffset, memory.byteLength >>> 2),
  }
}

/** What the sender gave. */
export interface MessageContent {
  readonly counter: number
  readonly sentAtMs: number
  readonly codec: number
  readonly id: string | null
  readonly key: string | null
  readonly headers: Headers | null
  readonly body: string | Uint8Array
}

/** What the engine adds. */
export interface MessageStamp {
  readonly topic: number
  readonly partition: number
  readonly offset: number
  readonly number: number
  readonly producer: number
  readonly flags: number
  /** Given exactly where the message has a caller's id. */
  readonly contentHash: Uint8Array | null
}

/** Never less than what `encodeMessage` needs, without counting UTF-8: the encoder must not run over its room. */
export function messageBound(message: Pick<MessageContent, 'id' | 'key' | 'headers' | 'body'>): number {
  const { id, key, headers, body } = message
  return (
    messageHeaderBytes +
    (id === null ? 0 : id.length * 3 + contentHashBytes) +
    (key === null ? 0 : key.length * 3) +
    (headers === null ? 0 : headersBound(headers)) +
    (typeof body === 'string' ? body.length * 3 : body.length) +
    8
  )
}

function headersBound(headers: Headers): number {
  let bound = 0
  for (const name in headers) bound += 4 + (name.length + headers[name]!.length) * 3
  return bound
}

function encodeHeaders(bytes: Buffer, at: number, headers: Headers): number {
  let end = at
  for (const name in headers) {
    const value = headers[name]!
    const nameLength = bytes.utf8Write(name, end + 4)
    const valueLength = value === '' ? 0 : bytes.utf8Write(value, end + 4 + nameLength)
    bytes[end] = nameLength
    bytes[end + 1] = nameLength >>> 8
    bytes[end + 2] = valueLength
    bytes[end + 3] = valueLength >>> 8
    end += 4 + nameLength + valueLength
  }
  return end - at
}

/** Writes the record at `at` (a multiple of 8) with its padding; returns its length without padding. */
export function encodeMessage(slab: Slab, at: number, message: MessageContent, stamp: MessageStamp): number {
  const { bytes, words } = slab
  let end = at + messageHeaderBytes
  let idLength = 0
  if (message.id !== null && stamp.contentHash !== null) {
    idLength = bytes.utf8Write(message.id, end)
    bytes.set(stamp.contentHash, end + idLength)
    end += idLength + contentHashBytes
  }
  let keyLength = noKey
  if (message.key !== null) {
    keyLength = message.key === '' ? 0 : bytes.utf8Write(message.key, end)
    end += keyLength
  }
  const headersLength = message.headers === null ? 0 : encodeHeaders(bytes, end, message.headers)
  end += headersLength
  let bodyLength: number
  if (typeof message.body === 'string') bodyLength = bytes.utf8Write(message.body, end)
  else {
    bytes.set(message.body, end)
    bodyLength = message.body.length
  }
  end += bodyLength
  const length = end - at
  const w = at >>> 2
  words[w] = length
  words[w + 1] = (RecordType.message | (stamp.flags << 8) | (message.codec << 16)) >>> 0
  words[w + 2] = stamp.topic
  words[w + 3] = stamp.partition
  words[w + 4] = stamp.offset >>> 0
  words[w + 5] = stamp.offset / 2 ** 32
  words[w + 6] = stamp.number >>> 0
  words[w + 7] = stamp.number / 2 ** 32
  words[w + 8] = message.counter >>> 0
  words[w + 9] = message.counter / 2 ** 32
  words[w + 10] = message.sentAtMs >>> 0
  words[w + 11] = message.sentAtMs / 2 ** 32
  words[w + 12] = stamp.producer
  words[w + 13] = idLength | (keyLength << 16)
  words[w + 14] = headersLength
  words[w + 15] = bodyLength
  while (end & 7) bytes[end++] = 0
  return length
}

/** An assignment to this one name would set the prototype and lose the header. */
function setHeader(headers: Record<string, string>, name: string, value: string): void {
  if (name !== '__proto__') headers[name] = value
  else Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
}

/** A message record read back. Fields are decoded on demand: most readers look at three of them. */
export class MessageRecord {
  readonly #bytes: Buffer
  readonly #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get flags(): number {
    return this.#bytes[this.#at + 5]!
  }
  get codec(): number {
    return this.#bytes.readUInt16LE(this.#at + 6)
  }
  get topic(): number {
    return this.#bytes.readUInt32LE(this.#at + 8)
  }
  get partition(): number {
    return this.#bytes.readUInt32LE(this.#at + 12)
  }
  get offset(): number {
    return this.#u64(16)
  }
  get number(): number {
    return this.#u64(24)
  }
  get counter(): number {
    return this.#u64(32)
  }
  get sentAtMs(): number {
    return this.#u64(40)
  }
  get producer(): number {
    return this.#bytes.readUInt32LE(this.#at + 48)
  }
  get id(): string | null {
    const length = this.#idLength
    return length === 0 ? null : this.#text(messageHeaderBytes, length)
  }
  get contentHash(): Buffer | null {
    const length = this.#idLength
    if (length === 0) return null
    const from = this.#at + messageHeaderBytes + length
    return this.#bytes.subarray(from, from + contentHashBytes)
  }
  get key(): string | null {
    const length = this.#keyLength
    return length === noKey ? null : this.#text(this.#keyStart, length)
  }
  get headers(): Headers | null {
    const length = this.headerBytes
    if (length === 0) return null
    const bytes = this.#bytes
    const headers: Record<string, string> = {}
    const start = this.#at + this.#headersStart
    for (let at = start; at < start + length; ) {
      const value = at + 4 + bytes.readUInt16LE(at)
      const end = value + bytes.readUInt16LE(at + 2)
      setHeader(headers, bytes.utf8Slice(at + 4, value), bytes.utf8Slice(value, end))
      at = end
    }
    return headers
  }
  get headerBytes(): number {
    return this.#bytes.readUInt32LE(this.#at + 56)
  }
  get bodyText(): string {
    return this.#text(this.#bodyStart, this.bodyBytes)
  }
  /** A copy: the bytes read belong to a buffer that is reused. */
  get body(): Uint8Array {
    const from = this.#at + this.#bodyStart
    return new Uint8Array(this.#bytes.subarray(from, from + this.bodyBytes))
  }
  get bodyBytes(): number {
    return this.#bytes.readUInt32LE(this.#at + 60)
  }
  /** Whether the lengths of the parts add up to the record's. */
  get coherent(): boolean {
    const length = this.#bytes.readUInt32LE(this.#at)
    return length >= messageHeaderBytes && this.#bodyStart + this.bodyBytes === length
  }

  /** Whether the headers' own lengths add up to theirs together. */
  get headersCoherent(): boolean {
    const end = this.#at + this.#bodyStart
    let at = this.#at + this.#headersStart
    while (at + 4 <= end) at += 4 + this.#bytes.readUInt16LE(at) + this.#bytes.readUInt16LE(at + 2)
    return at === end
  }

  get #idLength(): number {
    return this.#bytes.readUInt16LE(this.#at + 52)
  }
  get #keyLength(): number {
    return this.#bytes.readUInt16LE(this.#at + 54)
  }
  get #keyStart(): number {
    const id = this.#idLength
    return messageHeaderBytes + (id === 0 ? 0 : id + contentHashBytes)
  }
  get #headersStart(): number {
    const key = this.#keyLength
    return this.#keyStart + (key === noKey ? 0 : key)
  }
  get #bodyStart(): number {
    return this.#headersStart + this.headerBytes
  }

  #text(from: number, length: number): string {
    const start = this.#at + from
    return length === 0 ? '' : this.#bytes.utf8Slice(start, start + length)
  }

  #u64(from: number): number {
    return this.#bytes.readUInt32LE(this.#at + from) + this.#bytes.readUInt32LE(this.#at + from + 4) * 2 ** 32
  }
}

/** What keeps this version from reading a record safely; null when nothing does. */
export function recordProblem(
  frame: Buffer,
  at: number,
  length: number,
  knownTypes: ReadonlySet<number>,
): string | null {
  const type = frame[at + 4]!
  const flags = frame[at + 5]!
  if ((flags & ~knownFlags) !== 0) return `unknown flags ${flags}`
  if (!knownTypes.has(type) && (type & skippableType) === 0) return `unknown record type ${type}`
  if (
    type === RecordType.message &&
    !(length >= messageHeaderBytes && new MessageRecord(frame, at).coherent)
  ) {
    return 'a message whose parts do not add up'
  }
  return null
}

/** Topic, partition and offset of a message record. */
export function placeOf(frame: Buffer, at: number): { topic: number; partition: number; offset: number } {
  return {
    topic: frame.readUInt32LE(at + 8),
    partition: frame.readUInt32LE(at + 12),
    offset: frame.readUInt32LE(at + 16) + frame.readUInt32LE(at + 20) * 2 ** 32,
  }
}
