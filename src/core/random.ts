import { randomFillSync } from 'node:crypto'

/** Randomness as a port, so that a seed reproduces a run. */
export interface Random {
  /** A whole number, uniform in [0, 2^32). */
  uint32(): number
  /** Fresh random bytes. */
  bytes(length: number): Uint8Array
}

/** The operating system's generator, drawn in blocks because one call costs more than its bytes. */
class SystemRandom implements Random {
  readonly #pool = new Uint32Array(256)
  #next = this.#pool.length

  uint32(): number {
    if (this.#next === this.#pool.length) {
      randomFillSync(this.#pool)
      this.#next = 0
    }
    return this.#pool[this.#next++]!
  }

  bytes(length: number): Uint8Array {
    return randomFillSync(new Uint8Array(length))
  }
}

export const systemRandom: Random = new SystemRandom()

/** A small, fast, seeded generator (Marsaglia's xorshift with a Weyl sequence, "xorwow"); not for secrets. */
export class SeededRandom implements Random {
  #x: number
  #y = 362436069
  #z = 521288629
  #w = 88675123
  #v = 5783321
  #d = 6615241

  constructor(seed: number) {
    this.#x = (seed ^ 0x9e3779b9) >>> 0 || 1
    for (let i = 0; i < 16; i++) this.uint32()
  }

  uint32(): number {
    const t = this.#x ^ (this.#x >>> 2)
    this.#x = this.#y
    this.#y = this.#z
    this.#z = this.#w
    this.#w = this.#v
    this.#v = this.#v ^ (this.#v << 4) ^ (t ^ (t << 1))
    this.#d = (this.#d + 362437) | 0
    return (this.#d + this.#v) >>> 0
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i++) out[i] = this.uint32() & 0xff
    return out
  }
}

/** A whole number, uniform in [0, bound). */
export function below(random: Random, bound: number): number {
  return Math.floor((random.uint32() / 2 ** 32) * bound)
}

/** True with probability `share` (0 to 1). */
export function chance(random: Random, share: number): boolean {
  return random.uint32() / 2 ** 32 < share
}
