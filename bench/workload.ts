/** What the benchmarks send: a JSON body of about 240 bytes with eight fields, a key, two headers. */
import type { Holdfast, Producer } from '../src/index.ts'

export const topic = 'clicks'
const keys = Array.from({ length: 10_000 }, (_, i) => `advertiser-${i}`)

export function click(i: number) {
  return {
    topic,
    key: keys[i % keys.length],
    headers: { tenant: 'acme-corp', trace: '4bf92f3577b34da6a3ce929d0e0e4736' },
    body: {
      click: i,
      advertiser: keys[i % keys.length],
      cents: i % 1000,
      atMs: 1_700_000_000_000 + i,
      campaign: 'summer-sale-2026',
      placement: 'homepage-top-banner',
      page: 'https://shop.example/landing/summer',
      device: 'mobile, portrait, 390 by 844, three times',
    },
  }
}

/** Sends `count` messages, `window` in flight at any time. */
export async function sendWindow(producer: Producer, window: number, count: number, from = 0): Promise<void> {
  let next = 0
  await new Promise<void>((resolve, reject) => {
    let left = count
    const one = (): void => {
      if (next >= count) return
      producer.send(click(from + next++)).then(() => {
        if (--left === 0) resolve()
        else one()
      }, reject)
    }
    for (let i = 0; i < Math.min(window, count); i++) one()
  })
}

export async function drained(holdfast: Holdfast, group: string): Promise<void> {
  while ((await holdfast.groups.get(topic, group)).lag > 0)
    await new Promise((resolve) => setTimeout(resolve, 2))
}
