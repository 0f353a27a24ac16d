import { decodeLedger, encodeLedger } from './ledger-codec.ts'
import { Page, pageSize } from './ledger-page.ts'

/**
 * A set of non-negative safe integers that grows dense from below: offsets handled, numbers seen. What lies
 * under `floor` costs nothing. Above it a number costs a bit, or some 90 bytes where it is alone, in pages that exist only where
 * members are; full pages are shared. So memory follows the gaps, not the members.
 */
export class Ledger {
  private low = 0
  private high = 0
  private members = 0
  /** None is wholly below `low`; in the page of `low` every bit below it is set, so that counting finds full pages. */
  private readonly pages = new Map<number, Page>()
  // The page used last: members come in nearly in order.
  private lastIndex = -1
  private lastPage = Page.full

  /** Everything below is in; `floor` itself is not. */
  get floor(): number {
    return this.low
  }

  /** Behind the highest member; 0 when empty. */
  get end(): number {
    return this.high
  }

  get size(): number {
    return this.members
  }

  /** Puts `n` in; false when it was there. */
  add(n: number): boolean {
    check(n)
    if (n < this.low) return false
    if (n === this.low && this.pages.size === 0) {
      this.low = this.high = n + 1
      this.members++
      return true
    }
    const index = Math.floor(n / pageSize)
    const page = index === this.lastIndex ? this.lastPage : this.open(index)
    if (!page.add(n - index * pageSize)) return false
    this.members++
    if (n >= this.high) this.high = n + 1
    if (page.count === pageSize) this.put(index, Page.full)
    if (n === this.low) this.moveFloor(this.nextMissing(n))
    return true
  }

  /** Puts [from, to) in; returns how many of them were new. */
  addRange(from: number, to: number): number {
    checkRange(from, to)
    if (from === to || to <= this.low) return 0
    const before = this.members
    if (from <= this.low) this.fillBelow(to)
    else this.fillAbove(from, to)
    return this.members - before
  }

  has(n: number): boolean {
    check(n)
    if (n < this.low) return true
    if (n >= this.high) return false
    const index = Math.floor(n / pageSize)
    return this.pages.get(index)?.has(n - index * pageSize) ?? false
  }

  /** Whether all of [from, to) is in. */
  containsRange(from: number, to: number): boolean {
    checkRange(from, to)
    return from === to || this.nextMissing(from) >= to
  }

  /** How many members are below `n`. */
  countBelow(n: number): number {
    check(n)
    if (n <= this.low) return n
    if (n >= this.high) return this.members
    return this.low + this.countBetweenFloorAnd(n)
  }

  /** How many members are at `n` or above. */
  countFrom(n: number): number {
    return this.members - this.countBelow(n)
  }

  /** The first number at `from` or above that is not in. */
  nextMissing(from: number): number {
    check(from)
    let at = Math.max(from, this.low)
    while (at < this.high) {
      const index = Math.floor(at / pageSize)
      const page = this.pages.get(index)
      if (page === undefined) return at
      const offset = page.nextMissing(at - index * pageSize)
      at = index * pageSize + offset
      if (offset < pageSize) return at
    }
    return at
  }

  /** The members above `floor` as [from, to), ascending, with a gap before each. */
  *ranges(): Generator<readonly [from: number, to: number], void> {
    let from = 0
    let to = 0
    for (const [index, page] of this.sortedPages()) {
      const start = index * pageSize
      for (const [first, end] of page.ranges(Math.max(0, this.low - start))) {
        if (start + first !== to) {
          if (to > from) yield [from, to]
          from = start + first
        }
        to = start + end
      }
    }
    if (to > from) yield [from, to]
  }

  /** Compact and canonical: equal sets have equal bytes. */
  encode(): Uint8Array {
    return encodeLedger(this.low, this.sortedPages())
  }

  /** Throws a RangeError for bytes that no ledger encodes to. */
  static decode(bytes: Uint8Array): Ledger {
    const { floor, pages } = decodeLedger(bytes)
    const ledger = new Ledger()
    ledger.low = ledger.high = ledger.members = floor
    for (const [index, page] of pages) {
      ledger.pages.set(index, page)
      const start = index * pageSize
      ledger.members += page.count - Math.max(0, floor - start)
      for (const [, end] of page.ranges()) ledger.high = start + end
    }
    return ledger
  }

  /** [low, to) comes in, with what already lies behind it. */
  private fillBelow(to: number): void {
    const top = this.nextMissing(to)
    this.members += top - this.low - this.countBetweenFloorAnd(top)
    const index = Math.floor(top / pageSize)
    this.pages.get(index)?.addRange(0, top - index * pageSize)
    this.moveFloor(top)
  }

  /** [from, to) comes in, `from` above the floor. */
  private fillAbove(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const index = Math.floor(at / pageSize)
      const start = index * pageSize
      const end = Math.min(to, start + pageSize)
      if (end - at === pageSize) {
        this.members += pageSize - (this.pages.get(index)?.count ?? 0)
        this.put(index, Page.full)
      } else {
        const page = this.open(index)
        this.members += page.addRange(at - start, end - start)
        if (page.count === pageSize) this.put(index, Page.full)
      }
      at = end
    }
    this.high = Math.max(this.high, to)
  }

  /** Everything below `top` is in and `top` is not: pages below it are not needed any more. */
  private moveFloor(top: number): void {
    const first = Math.floor(this.low / pageSize)
    const last = Math.floor(top / pageSize)
    if (first !== last) {
      for (const [index] of this.pagesBetween(first, last - 1)) this.pages.delete(index)
      this.lastIndex = -1
    }
    this.low = top
    this.high = Math.max(this.high, top)
  }

  private countBetweenFloorAnd(end: number): number {
    const first = Math.floor(this.low / pageSize)
    const last = Math.floor(end / pageSize)
    let count = 0
    for (const [index, page] of this.pagesBetween(first, last)) {
      const start = index * pageSize
      count += page.countBelow(Math.min(pageSize, end - start)) - Math.max(0, this.low - start)
    }
    return count
  }

  /** The pages first…last that exist, in no order, found over the shorter way. */
  private *pagesBetween(first: number, last: number): Generator<readonly [number, Page], void> {
    if (last - first < this.pages.size) {
      for (let index = first; index <= last; index++) {
        const page = this.pages.get(index)
        if (page !== undefined) yield [index, page]
      }
      return
    }
    for (const entry of this.pages) if (entry[0] >= first && entry[0] <= last) yield entry
  }

  private sortedPages(): [number, Page][] {
    return [...this.pages].sort((a, b) => a[0] - b[0])
  }

  private open(index: number): Page {
    let page = this.pages.get(index)
    if (page === undefined) {
      page = new Page(0, Math.max(0, this.low - index * pageSize))
      this.pages.set(index, page)
    }
    this.lastIndex = index
    this.lastPage = page
    return page
  }

  private put(index: number, page: Page): void {
    this.pages.set(index, page)
    if (index === this.lastIndex) this.lastPage = page
  }
}

/** The largest safe integer stays outside, so that the end of every range is safe, too. */
function check(n: number): void {
  if (!Number.isSafeInteger(n) || n < 0 || n === Number.MAX_SAFE_INTEGER)
    throw new RangeError(`not a member of a ledger: ${n}`)
}

function checkRange(from: number, to: number): void {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from) {
    throw new RangeError(`not a range of a ledger: [${from}, ${to})`)
  }
}
