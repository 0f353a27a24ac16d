import { murmur2 } from '../core/partition.ts'

/**
 * The keys whose order has a gap since a message of theirs was dead-lettered in this process. Exact for the first
 * `exactKeys`; later ones are known by hash bucket only, so that memory is bounded: `has` may then be true for a key without a
 * gap, and never false for one that has one.
 */
export class Gaps {
  static readonly exactKeys = 10_000
  /** 2^20 buckets are 128 KiB. */
  static readonly #buckets = 2 ** 20
  readonly #keys = new Set<string>()
  #bits: Uint8Array | null = null

  add(key: string): void {
    if (this.#bits === null && (this.#keys.size < Gaps.exactKeys || this.#keys.has(key))) {
      this.#keys.add(key)
      return
    }
    this.#bits ??= new Uint8Array(Gaps.#buckets / 8)
    const bucket = bucketOf(key)
    this.#bits[bucket >>> 3] |= 1 << (bucket & 7)
  }

  has(key: string): boolean {
    if (this.#keys.size === 0) return false
    if (this.#keys.has(key)) return true
    if (this.#bits === null) return false
    const bucket = bucketOf(key)
    return (this.#bits[bucket >>> 3] & (1 << (bucket & 7))) !== 0
  }
}

function bucketOf(key: string): number {
  return murmur2(key) & 0xfffff
}
