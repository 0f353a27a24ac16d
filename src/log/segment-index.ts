/**
 * Which messages of which partitions a segment holds, and roughly where: for each partition its first and last
 * offset and the frame of about every 64th message. A sealed segment carries it as its footer; for the open one it
 * lives in memory only, because a scan rebuilds it.
 */
import { align8, type Frame, frameHeaderBytes, RecordType, readU64, viewOf, writeU64 } from './format.ts'

/** A position every so many messages: 10 million messages then cost 1.25 MB of memory. */
const messagesPerEntry = 64

export class PartitionIndex {
  readonly topic: number
  readonly partition: number
  readonly first: number
  last: number
  messages = 0
  bytes = 0
  /** Offsets and frame positions, ascending; the first entry is the first message. */
  readonly offsets: number[] = []
  readonly positions: number[] = []
  #nextEntry = 0
  #lastPosition = -1

  constructor(topic: number, partition: number, first: number) {
    this.topic = topic
    this.partition = partition
    this.first = first
    this.last = first
  }

  /** True when the message got an entry. */
  add(offset: number, position: number, bytes: number): boolean {
    this.last = offset
    this.messages++
    this.bytes += bytes
    if (offset < this.#nextEntry || position === this.#lastPosition) return false
    this.#nextEntry = offset + messagesPerEntry
    this.#lastPosition = position
    this.offsets.push(offset)
    this.positions.push(position)
    return true
  }

  /** The frame from which a reader meets `offset`, if this segment holds it. */
  positionOf(offset: number): number {
    let low = 0
    let high = this.offsets.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.offsets[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return this.positions[low]!
  }
}

const partitionBytes = 44
const entryBytes = 12

/** Topics and partitions are small numbers: together they fit a safe integer. */
export const partitionKey = (topic: number, partition: number): number => topic * 65536 + partition

export class SegmentIndex {
  readonly partitions = new Map<number, PartitionIndex>()
  messages = 0
  bytes = 0
  /** Wall time of the newest message, ms. */
  newestAtMs = 0
  #entries = 0

  /** Takes note of the messages of an intact frame. On the path of every send: no closures, no objects. */
  addFrame(frame: Pick<Frame, 'bytes' | 'position'>): void {
    const { bytes, position } = frame
    const view = viewOf(bytes)
    let at = frameHeaderBytes
    for (let left = view.getUint32(12, true); left > 0; left--) {
      const length = view.getUint32(at, true)
      if (view.getUint8(at + 4) === RecordType.message) this.#addMessage(view, at, length, position)
      at += align8(length)
    }
  }

  #addMessage(view: DataView, at: number, length: number, position: number): void {
    const topic = view.getUint32(at + 8, true)
    const partition = view.getUint32(at + 12, true)
    const offset = readU64(view, at + 16)
    const key = partitionKey(topic, partition)
    let index = this.partitions.get(key)
    if (index === undefined) {
      index = new PartitionIndex(topic, partition, offset)
      this.partitions.set(key, index)
    }
    if (index.add(offset, position, length)) this.#entries++
    this.messages++
    this.bytes += length
    const sentAtMs = readU64(view, at + 40)
    if (sentAtMs > this.newestAtMs) this.newestAtMs = sentAtMs
  }

  of(topic: number, partition: number): PartitionIndex | undefined {
    return this.partitions.get(partitionKey(topic, partition))
  }

  /** Length of the footer's payload, bytes. */
  get encodedBytes(): number {
    return 24 + this.partitions.size * partitionBytes + this.#entries * entryBytes
  }

  /** Payload: segment number u64, newest u64, partitions u32, pad u32, then each partition with its entries. */
  encode(segmentNumber: number): Uint8Array {
    const out = new Uint8Array(this.encodedBytes)
    const view = viewOf(out)
    writeU64(view, 0, segmentNumber)
    writeU64(view, 8, this.newestAtMs)
    view.setUint32(16, this.partitions.size, true)
    let at = 24
    for (const index of this.partitions.values()) {
      view.setUint32(at, index.topic, true)
      view.setUint32(at + 4, index.partition, true)
      writeU64(view, at + 8, index.first)
      writeU64(view, at + 16, index.last)
      view.setUint32(at + 24, index.messages, true)
      writeU64(view, at + 28, index.bytes)
      view.setUint32(at + 36, index.offsets.length, true)
      at += partitionBytes
      for (let i = 0; i < index.offsets.length; i++) {
        writeU64(view, at, index.offsets[i]!)
        view.setUint32(at + 8, index.positions[i]!, true)
        at += entryBytes
      }
    }
    return out
  }

  /** The inverse; null where the payload does not add up or belongs to another segment. */
  static decode(payload: Uint8Array, segmentNumber: number): SegmentIndex | null {
    const view = viewOf(payload)
    if (payload.length < 24 || readU64(view, 0) !== segmentNumber) return null
    const result = new SegmentIndex()
    result.newestAtMs = readU64(view, 8)
    let at = 24
    for (let left = view.getUint32(16, true); left > 0; left--) {
      if (at + partitionBytes > payload.length) return null
      const index = new PartitionIndex(
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        readU64(view, at + 8),
      )
      index.last = readU64(view, at + 16)
      index.messages = view.getUint32(at + 24, true)
      index.bytes = readU64(view, at + 28)
      const entries = view.getUint32(at + 36, true)
      at += partitionBytes
      if (entries === 0 || at + entries * entryBytes > payload.length) return null
      for (let i = 0; i < entries; i++, at += entryBytes) {
        index.offsets.push(readU64(view, at))
        index.positions.push(view.getUint32(at + 8, true))
      }
      result.partitions.set(partitionKey(index.topic, index.partition), index)
      result.messages += index.messages
      result.bytes += index.bytes
      result.#entries += entries
    }
    return at === payload.length ? result : null
  }
}
