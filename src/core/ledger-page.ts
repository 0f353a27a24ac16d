/** Numbers a page of a ledger covers. */
export const pageSize = 4096
const words = pageSize / 32
/** A page with more members than this, in more than one run, is a bitmap: no larger than their list, and faster. */
const maxListed = 16

/**
 * A set of numbers below 4096 that takes little room while little is in it: one run, then a short list of runs, then a bitmap, as
 * the containers of Roaring bitmaps (Chambi, Lemire, Kaser, Godin: Better bitmap performance with Roaring bitmaps, 2016). A
 * page that fills in order is one run all the time. One that became full is replaced by the one `full` page.
 */
export class Page {
  static readonly full = new Page(0, pageSize)

  count: number
  /** Where the only run begins, while there are neither `runs` nor `bits`. */
  private first: number
  /** Beginning and end of each run, ascending and apart; two at least. */
  private runs: number[] | null = null
  private bits: Uint32Array<ArrayBuffer> | null = null

  /** With [from, to) in it. */
  constructor(from = 0, to = 0) {
    this.first = from
    this.count = to - from
  }

  static fromBits(bits: Uint32Array<ArrayBuffer>): Page {
    const page = new Page()
    page.bits = bits
    for (const word of bits) page.count += ones(word)
    return page
  }

  /** False when it was set. */
  add(n: number): boolean {
    const { bits } = this
    if (bits === null) {
      if (this.runs !== null || n !== this.first + this.count) return this.addRange(n, n + 1) === 1
      this.count++
      return true
    }
    const word = n >>> 5
    const bit = 1 << (n & 31)
    const before = bits[word]
    if ((before & bit) !== 0) return false
    bits[word] = before | bit
    this.count++
    return true
  }

  /** Sets [from, to); returns how many of them were not. */
  addRange(from: number, to: number): number {
    const before = this.count
    if (from >= to || before === pageSize) return 0
    if (this.bits !== null) this.count += setBits(this.bits, from, to)
    else if (this.runs === null && from === this.first + before) this.count += to - from
    else this.addRun(from, to)
    return this.count - before
  }

  has(n: number): boolean {
    const { bits, first } = this
    if (bits !== null) return (bits[n >>> 5] & (1 << (n & 31))) !== 0
    if (this.runs === null) return n >= first && n < first + this.count
    return this.next(n, 0) === n
  }

  /** How many below `n` are set; `n` may be the page's size. */
  countBelow(n: number): number {
    if (n === pageSize || this.count === 0) return this.count
    const { bits } = this
    let count = 0
    if (bits === null) {
      const runs = this.runList()
      for (let i = 0; i < runs.length && runs[i] < n; i += 2) count += Math.min(runs[i + 1], n) - runs[i]
      return count
    }
    const last = n >>> 5
    for (let word = 0; word < last; word++) count += ones(bits[word])
    return count + ones(bits[last] & ~(-1 << (n & 31)))
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

  /** As a bitmap of 32-bit words; not to be changed. */
  toBits(): Uint32Array<ArrayBuffer> {
    if (this.bits !== null) return this.bits
    const bits = new Uint32Array(words)
    const runs = this.runList()
    for (let i = 0; i < runs.length; i += 2) setBits(bits, runs[i], runs[i + 1])
    return bits
  }

  /** Puts a run into the list; with those it meets it becomes one. */
  private addRun(from: number, to: number): void {
    const runs = this.runList()
    let at = 0
    while (at < runs.length && runs[at + 1] < from) at += 2
    let start = from
    let end = to
    let added = 0
    let behind = at
    for (; behind < runs.length && runs[behind] <= to; behind += 2) {
      start = Math.min(start, runs[behind])
      end = Math.max(end, runs[behind + 1])
      added -= runs[behind + 1] - runs[behind]
    }
    added += end - start
    if (added === 0) return
    const isOne = behind - at === runs.length
    if (isOne) {
      this.first = start
      this.runs = null
    } else if (this.count + added > maxListed) {
      this.bits = this.toBits()
      this.runs = null
      setBits(this.bits, from, to)
    } else this.runs = runs.toSpliced(at, behind - at, start, end)
    this.count += added
  }

  private runList(): readonly number[] {
    if (this.runs !== null) return this.runs
    return this.count === 0 ? [] : [this.first, this.first + this.count]
  }

  /** The first at `from` or above that is set (`flip` 0) or not set (`flip` -1). */
  private next(from: number, flip: number): number {
    if (from >= pageSize) return pageSize
    const { bits } = this
    if (bits === null) return nextInRuns(this.runList(), from, flip)
    let word = from >>> 5
    let left = (bits[word] ^ flip) & (-1 << (from & 31))
    while (left === 0) {
      if (++word === words) return pageSize
      left = bits[word] ^ flip
    }
    return word * 32 + 31 - Math.clz32(left & -left)
  }
}

function nextInRuns(runs: readonly number[], from: number, flip: number): number {
  const isSet = flip === 0
  for (let i = 0; i < runs.length; i += 2) {
    if (from < runs[i]) return isSet ? runs[i] : from
    if (from < runs[i + 1]) return isSet ? from : runs[i + 1]
  }
  return isSet ? pageSize : from
}

/** Sets [from, to); returns how many of them were not. */
function setBits(bits: Uint32Array, from: number, to: number): number {
  const first = from >>> 5
  const last = (to - 1) >>> 5
  let added = 0
  for (let word = first; word <= last; word++) {
    let mask = -1
    if (word === first) mask &= -1 << (from & 31)
    if (word === last) mask &= -1 >>> (31 - ((to - 1) & 31))
    const old = bits[word]
    bits[word] = old | mask
    added += ones(mask & ~old)
  }
  return added
}

/** Set bits of a word: pairs, nibbles, bytes, summed up side by side. */
function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
