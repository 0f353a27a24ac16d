const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** 1234567 → '1,234,567'. */
export function count(value: number): string {
  return whole.format(value)
}

/** 'message', 3 → '3 messages'. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** 1536 → '1.5 KiB'. */
export function bytes(value: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  let unit = 0
  let amount = value
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return unit === 0 ? `${count(amount)} bytes` : `${amount.toFixed(1)} ${units[unit]}`
}

/** 83 → '83 ms', 12_340 → '12.3 s', 200_000 → '3 min 20 s'. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** UTC, to the second: '2026-01-31 08:15:00Z'. */
export function time(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}

/** One line, without control characters, cut to `width` characters: what others wrote must not steer a terminal. */
export function oneLine(text: string, width: number): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim()
  return flat.length <= width ? flat : `${flat.slice(0, width - 1)}…`
}
