import { below, chance, type Random } from '../core/random.ts'

/** How often the kernel wrote a dirty sector back by itself before it was written again. */
const writtenBack = 0.25

/**
 * The bytes of one simulated file (an inode): what readers see now, and what each sector written since
 * the last sync falls back to when the power fails. Only changed sectors are kept twice, so a sync or a
 * cut costs what changed, not what there is.
 */
export class SimulatedFile {
  readonly inode: number
  readonly #sectorBytes: number
  readonly #random: Random
  /** Zero behind `#size`, so that a gap reads as zeros. */
  #content = new Uint8Array(0)
  #size = 0
  #syncedSize = 0
  /** Sector → its durable content; null where the file did not reach when it was last synced. */
  readonly #dirty = new Map<number, Uint8Array | null>()
  /** The same for sectors whose sync failed: no later sync saves them, only writing them again. */
  readonly #doomed = new Map<number, Uint8Array | null>()

  constructor(inode: number, sectorBytes: number, random: Random) {
    this.inode = inode
    this.#sectorBytes = sectorBytes
    this.#random = random
  }

  get size(): number {
    return this.#size
  }

  read(position: number, length: number): Uint8Array {
    return this.#content.slice(position, Math.max(position, Math.min(position + length, this.#size)))
  }

  write(position: number, bytes: Uint8Array, zeros: number): void {
    const end = position + bytes.length + zeros
    if (end === position) return
    this.#reserve(end)
    const last = Math.floor((end - 1) / this.#sectorBytes)
    for (let sector = Math.floor(position / this.#sectorBytes); sector <= last; sector++) this.#touch(sector)
    this.#content.set(bytes, position)
    if (zeros > 0) this.#content.fill(0, position + bytes.length, end)
    if (end > this.#size) this.#size = end
  }

  sync(): void {
    this.#dirty.clear()
    this.#syncedSize = this.#size
  }

  /** What Linux does after a failed sync: the pages count as clean, yet the disk never got them. */
  failSync(): void {
    for (const [sector, durable] of this.#dirty) this.#doomed.set(sector, durable)
    this.#dirty.clear()
  }

  /** Turns the content into what the next boot finds. `garbage` is what freed space may still hold. */
  losePower(garbage: readonly Uint8Array[]): void {
    for (const [sector, durable] of this.#doomed) this.#revert(sector, durable, garbage)
    for (const [sector, durable] of this.#dirty) {
      if (chance(this.#random, 0.5)) this.#revert(sector, durable, garbage)
    }
    this.#doomed.clear()
    this.#dirty.clear()
    const size = this.#survivingSize()
    this.#content.fill(0, size, this.#size)
    this.#size = size
    this.#syncedSize = size
  }

  /** The whole content, for damage by hand and for stale bytes. */
  bytes(): Uint8Array {
    return this.#content.subarray(0, this.#size)
  }

  /** Replaces the content, durably. */
  replace(bytes: Uint8Array): void {
    this.#content = bytes.slice()
    this.#size = bytes.length
    this.#doomed.clear()
    this.sync()
  }

  #reserve(end: number): void {
    if (end <= this.#content.length) return
    const grown = new Uint8Array(Math.max(end, 2 * this.#content.length, 4096))
    grown.set(this.#content)
    this.#content = grown
  }

  #touch(sector: number): void {
    const start = sector * this.#sectorBytes
    const known = this.#dirty.get(sector)
    if (known !== undefined) {
      if (chance(this.#random, writtenBack)) {
        this.#dirty.set(sector, this.#content.slice(start, start + this.#sectorBytes))
      }
      return
    }
    const doomed = this.#doomed.get(sector)
    if (doomed !== undefined) {
      this.#doomed.delete(sector)
      this.#dirty.set(sector, doomed)
      return
    }
    this.#dirty.set(
      sector,
      start < this.#syncedSize ? this.#content.slice(start, start + this.#sectorBytes) : null,
    )
  }

  #revert(sector: number, durable: Uint8Array | null, garbage: readonly Uint8Array[]): void {
    const start = sector * this.#sectorBytes
    const target = this.#content.subarray(start, Math.min(start + this.#sectorBytes, this.#size))
    if (durable !== null) {
      target.set(durable.subarray(0, target.length))
      target.fill(0, Math.min(durable.length, target.length))
      return
    }
    target.fill(0)
    if (garbage.length === 0 || chance(this.#random, 0.5)) return
    const stale = garbage[below(this.#random, garbage.length)] as Uint8Array
    // The same place of an older file is the likeliest to look like something valid.
    const sectors = Math.floor(stale.length / this.#sectorBytes)
    const from = chance(this.#random, 0.5) ? start : below(this.#random, sectors + 1) * this.#sectorBytes
    target.set(stale.subarray(from, from + target.length))
  }

  #survivingSize(): number {
    const gained = this.#size - this.#syncedSize
    if (gained === 0) return this.#size
    const kind = below(this.#random, 3)
    if (kind === 0) return this.#syncedSize
    return kind === 1 ? this.#size : this.#syncedSize + below(this.#random, gained + 1)
  }
}
