/**
 * Where frames are made: a ring of memory that the disk's writer takes without a copy. A frame is always
 * contiguous: where the rest of the ring is too short for one, it is left out. A record that no frame of usual
 * size can hold gets memory of its own.
 */
import { frameHeaderBytes, frameTargetBytes } from './format.ts'
import { type Slab, slabOf } from './record.ts'

/** A frame under construction or on its way to the disk. */
export interface OpenFrame {
  readonly slab: Slab
  /** Where it begins in the slab. */
  readonly start: number
  /** Header and records so far, bytes. */
  length: number
  count: number
  /** Ring bytes that become free with it, those left out before it included; 0 for memory of its own. */
  ringBytes: number
}

/** A record up to this size goes into the ring. */
const ringRecordBytes = frameTargetBytes

export class FrameBuffer {
  readonly slab: Slab
  readonly #capacity: number
  #head = 0
  #used = 0

  /** `memory` holds at least four frames; its length is a multiple of 8. */
  constructor(memory: Uint8Array) {
    this.slab = slabOf(memory)
    this.#capacity = memory.byteLength
  }

  get usedBytes(): number {
    return this.#used
  }

  get capacityBytes(): number {
    return this.#capacity
  }

  /** Whether a record of at most `bytes` fits a frame of the ring; otherwise it needs memory of its own. */
  static fitsRing(bytes: number): boolean {
    return bytes <= ringRecordBytes
  }

  /** A new frame in the ring, with room for the usual size and one record more; null when the ring is full. */
  open(): OpenFrame | null {
    const need = frameHeaderBytes + frameTargetBytes + ringRecordBytes + 8
    let skipped = 0
    let start = this.#head
    if (start + need > this.#capacity) {
      skipped = this.#capacity - start
      start = 0
    }
    if (this.#used + skipped + need > this.#capacity) return null
    this.#used += skipped
    this.#head = start
    return { slab: this.slab, start, length: frameHeaderBytes, count: 0, ringBytes: skipped }
  }

  /** The frame is complete: the next one begins behind it. */
  close(frame: OpenFrame): void {
    if (frame.slab !== this.slab) return
    this.#head = frame.start + frame.length
    this.#used += frame.length
    frame.ringBytes += frame.length
  }

  /** The disk is done with the oldest `ringBytes` of closed frames. */
  free(ringBytes: number): void {
    this.#used -= ringBytes
  }

  /** A frame outside the ring for one big batch. */
  static separate(bytes: number): OpenFrame {
    const slab = slabOf(new Uint8Array((frameHeaderBytes + bytes + 15) & ~7))
    return { slab, start: 0, length: frameHeaderBytes, count: 0, ringBytes: 0 }
  }
}
