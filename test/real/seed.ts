import { randomInt } from 'node:crypto'

/** `HOLDFAST_SEED`, or a fresh one. The machine's timing is not in it: a run is like another, never equal. */
export const runSeed = (): number => Number(process.env.HOLDFAST_SEED ?? randomInt(1, 2 ** 31))

/** Mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return Math.round((sorted[sorted.length >>> 1] ?? 0) * 10) / 10
}
