/** Numbers a page of a ledger covers. */
export const pageSize = 4096
const words = pageSize / 32

/** A bitmap of 4096 numbers that knows how many are set. A page that became full is replaced by the one `full` page. */
export class Page {
  static readonly full = Page.fromBits(new Uint32Array(words).fill(0xffffffff))

  count = 0
  readonly bits: Uint32Array<ArrayBuffer>

  constructor(bits = new Uint32Array(words)) {
    this.bits = bits
  }

  static fromBits(bits: Uint32Array<ArrayBuffer>): Page {
    const page = new Page(bits)
    for (const word of bits) page.count += ones(word)
    return page
  }

  /** False when it was set. */
  add(n: number): boolean {
    const word = n >>> 5
    const bit = 1 << (n & 31)
    const before = this.bits[word]
    if ((before & bit) !== 0) return false
    this.bits[word] = before | bit
    this.count++
    return true
  }

  /** Sets [from, to); returns how many of them were not. */
  addRange(from: number, to: number): number {
    const before = this.count
    if (from >= to || before === pageSize) return 0
    const first = from >>> 5
    const last = (to - 1) >>> 5
    for (let word = first; word <= last; word++) {
      let mask = -1
      if (word === first) mask &= -1 << (from & 31)
      if (word === last) mask &= -1 >>> (31 - ((to - 1) & 31))
      const old = this.bits[word]
      this.bits[word] = old | mask
      this.count += ones(mask & ~old)
    }
    return this.count - before
  }

  has(n: number): boolean {
    return (this.bits[n >>> 5] & (1 << (n & 31))) !== 0
  }

  /** How many below `n` are set; `n` may be the page's size. */
  countBelow(n: number): number {
    if (n === pageSize || this.count === 0) return this.count
    let count = 0
    const last = n >>> 5
    for (let word = 0; word < last; word++) count += ones(this.bits[word])
    return count + ones(this.bits[last] & ~(-1 << (n & 31)))
  }

  /** The first that is not set at `from` or above; the page's size when all are. */
  nextMissing(from: number): number {
    return this.next(from, -1)
  }

  /** What is set at `from` or above as [from, to), ascending and apart. */
  *ranges(from = 0): Generator<readonly [from: number, to: number], void> {
    for (let start = this.next(from, 0); start < pageSize; ) {
      const end = this.next(start, -1)
      yield [start, end]
      start = this.next(end, 0)
    }
  }

  /** The first at `from` or above that is set (`flip` 0) or not set (`flip` -1). */
  private next(from: number, flip: number): number {
    if (from >= pageSize) return pageSize
    let word = from >>> 5
    let left = (this.bits[word] ^ flip) & (-1 << (from & 31))
    while (left === 0) {
      if (++word === words) return pageSize
      left = this.bits[word] ^ flip
    }
    return word * 32 + 31 - Math.clz32(left & -left)
  }
}

/** Set bits of a word: pairs, nibbles, bytes, summed up side by side. */
function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
