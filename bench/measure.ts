/**
 * Pairs, alternated in one run: what a busy machine does to one side it does to the other, but not as much. So a pair is taken
 * again where other processes took more than a tenth of the processors meanwhile, up to four times as many pairs in all.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

const maxForeignShare = 0.1

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
  for (let left = rounds * 4; results.length < rounds; left--) {
    const foreign = foreignShare()
    const rawRate = await raw()
    const cpu = cpuMicros()
    const ourRate = await ours()
    const micros = cpu() / messages
    if (left > rounds - results.length && foreign() > maxForeignShare) continue
    results.push({ ours: ourRate, raw: rawRate, cpu: micros })
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

/** Messages a second of `work`. */
export async function rateOf(messages: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (messages * 1000) / (performance.now() - startedAt)
}

/** A row about the time of one message, where the rate is what was measured. */
export function timeOfOne(measured: Measured): { ours: string; raw: string; ratio: string; notes: string } {
  const micros = (perSecond: number): string => `${Math.round(1e6 / perSecond)} µs`
  return {
    ours: micros(measured.ours),
    raw: micros(measured.raw),
    ratio: (1 / measured.ratio).toFixed(2),
    notes: `${(1 / measured.highest).toFixed(2)}–${(1 / measured.lowest).toFixed(2)}`,
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

/** Which share of all processors other processes took since the call; 0 where nothing says so. */
function foreignShare(): () => number {
  const busyBefore = busyMicros()
  const own = cpuMicros()
  const startedAt = performance.now()
  return () => {
    const elapsedMicros = (performance.now() - startedAt) * 1000
    return Math.max(0, busyMicros() - busyBefore - own()) / (elapsedMicros * cpus().length)
  }
}

/** User, nice, system and soft interrupts of the whole machine (proc(5)); a tick has 10 ms. */
function busyMicros(): number {
  try {
    const [user, nice, system, , , , soft] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .replace(/^cpu +/, '')
      .split(' ')
      .map(Number)
    return (user + nice + system + soft) * 10_000
  } catch {
    return 0
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
