/** Pairs, alternated in one run: what a busy machine does to one side it does to the other. */

export interface Measured {
  /** Medians, and the range of the ratio over the rounds. */
  readonly ours: number
  readonly raw: number
  readonly ratio: number
  readonly lowest: number
  readonly highest: number
  /** Processor time of this process for each message of ours, microseconds. */
  readonly cpuMicros: number
}

export async function pairs(
  rounds: number,
  messages: number,
  ours: () => Promise<number>,
  raw: () => Promise<number>,
): Promise<Measured> {
  const results: { ours: number; raw: number; cpu: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const rawRate = await raw()
    const cpu = cpuMicros()
    const ourRate = await ours()
    results.push({ ours: ourRate, raw: rawRate, cpu: cpu() / messages })
  }
  const ratios = results.map((result) => result.ours / result.raw)
  return {
    ours: median(results.map((result) => result.ours)),
    raw: median(results.map((result) => result.raw)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    cpuMicros: median(results.map((result) => result.cpu)),
  }
}

/** Processor time of this process since the call, all threads, microseconds. */
export function cpuMicros(): () => number {
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
