/**
 * A ledger as bytes. Frozen with the log format:
 *
 *   u8 version (1) · varint floor · entries until the end, ascending by page:
 *   varint pages skipped since the entry before (the first: since the floor's page) · u8 kind ·
 *     0: the page's bitmap, 512 bytes
 *     1: varint n − 1: n full pages
 *     2: varint n − 1, then n runs: varint gap before it, varint length − 1
 *
 * Varints are little-endian base 128. A page takes the shorter of kinds 0 and 2.
 */
import { Page, pageSize } from './ledger-page.ts'

const version = 1
const Kind = { bitmap: 0, full: 1, runs: 2 } as const
const bitmapBytes = pageSize / 8
/** No page begins behind the last safe integer. */
const maxPages = 2 ** 53 / pageSize
/** 2 ** 32 numbers above the floor: far more than a log holds, and a bound on what damaged bytes can cost. */
const maxFullPages = 2 ** 20

export function encodeLedger(floor: number, pages: readonly (readonly [number, Page])[]): Uint8Array {
  const out = new ByteWriter()
  out.byte(version)
  out.varint(floor)
  const floorPage = Math.floor(floor / pageSize)
  let next = floorPage
  for (let i = 0; i < pages.length; i++) {
    const [index, page] = pages[i]
    if (index === floorPage && page.count === floor - index * pageSize) continue
    out.varint(index - next)
    next = index + 1
    if (page.count === pageSize) {
      while (pages[i + 1]?.[0] === next && pages[i + 1][1].count === pageSize) {
        next++
        i++
      }
      out.byte(Kind.full)
      out.varint(next - index - 1)
    } else {
      encodePage(page, out)
    }
  }
  return out.bytes()
}

function encodePage(page: Page, out: ByteWriter): void {
  const runs = new ByteWriter()
  let count = 0
  let end = 0
  for (const [from, to] of page.ranges()) {
    runs.varint(from - end)
    runs.varint(to - from - 1)
    end = to
    count++
    if (runs.length >= bitmapBytes) break
  }
  if (runs.length + varintBytes(count - 1) < bitmapBytes) {
    out.byte(Kind.runs)
    out.varint(count - 1)
    out.append(runs.bytes())
    return
  }
  out.byte(Kind.bitmap)
  const bitmap = new Uint8Array(bitmapBytes)
  const view = new DataView(bitmap.buffer)
  for (const [word, bits] of page.toBits().entries()) view.setUint32(word * 4, bits, true)
  out.append(bitmap)
}

/** Throws a RangeError for anything `encodeLedger` does not write. */
export function decodeLedger(bytes: Uint8Array): { floor: number; pages: [number, Page][] } {
  const input = new ByteReader(bytes)
  if (input.byte() !== version) throw new RangeError('a ledger of an unknown version')
  const floor = input.varint()
  const floorPage = Math.floor(floor / pageSize)
  const pages: [number, Page][] = []
  let next = floorPage
  while (!input.atEnd) {
    const index = next + input.varint()
    const kind = input.byte()
    let count = 1
    if (kind === Kind.full) count = input.varint() + 1
    if (count > maxFullPages || index + count > maxPages) throw new RangeError('a ledger reaches too far')
    const page = kind === Kind.full ? Page.full : decodePage(kind, input)
    if (index === floorPage) checkFloorPage(page, floor - index * pageSize)
    for (let i = 0; i < count; i++) pages.push([index + i, page])
    next = index + count
  }
  return { floor, pages }
}

function decodePage(kind: number, input: ByteReader): Page {
  if (kind === Kind.bitmap) {
    const view = input.view(bitmapBytes)
    const page = Page.fromBits(
      Uint32Array.from({ length: bitmapBytes / 4 }, (_, word) => view.getUint32(word * 4, true)),
    )
    if (page.count === 0 || page.count === pageSize) throw new RangeError('a bitmap of a ledger that is none')
    return page
  }
  if (kind !== Kind.runs) throw new RangeError(`a ledger page of unknown kind ${kind}`)
  const page = new Page()
  let end = 0
  for (let left = input.varint() + 1; left > 0; left--) {
    const from = end + input.varint()
    const to = from + input.varint() + 1
    if (to > pageSize || (from === end && end > 0))
      throw new RangeError('runs of a ledger page that are none')
    page.addRange(from, to)
    end = to
  }
  if (page.count === pageSize) throw new RangeError('a full ledger page written as runs')
  return page
}

/** Below the floor everything is in, the floor is not, and a page without more is not written. */
function checkFloorPage(page: Page, floor: number): void {
  if (page.countBelow(floor) !== floor || page.has(floor) || page.count === floor) {
    throw new RangeError('the first page of a ledger contradicts its floor')
  }
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let left = value; left >= 128; left = Math.floor(left / 128)) bytes++
  return bytes
}

class ByteWriter {
  #buffer = new Uint8Array(64)
  length = 0

  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.length++] = value
  }

  varint(value: number): void {
    let left = value
    for (; left >= 128; left = Math.floor(left / 128)) this.byte((left % 128) | 128)
    this.byte(left)
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.length)
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.length + more))
    larger.set(this.#buffer)
    this.#buffer = larger
  }
}

class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    if (this.atEnd) throw new RangeError('a ledger ends early')
    return this.#bytes[this.#at++]
  }

  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (value >= Number.MAX_SAFE_INTEGER) throw new RangeError('a number of a ledger is too large')
      if (byte >= 128) continue
      if (byte === 0 && scale > 1) throw new RangeError('a number of a ledger is not in its shortest form')
      return value
    }
  }

  view(length: number): DataView {
    if (this.#at + length > this.#bytes.length) throw new RangeError('a ledger ends early')
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, length)
    this.#at += length
    return view
  }
}
