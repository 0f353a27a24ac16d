/** Keys, headers and bodies of messages, remade from a few numbers whenever they are compared. */
import { below, chance, type Random, SeededRandom } from '../../src/core/random.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789 {}":,ÄŒ漢𝛑'
const poolCharacters = 200_000

function makeText(): string {
  const random = new SeededRandom(4711)
  const characters = [...alphabet]
  let text = ''
  while (text.length < poolCharacters) text += characters[below(random, characters.length)]
  return Buffer.from(text).toString()
}

const text = makeText()
const bytes = new SeededRandom(4712).bytes(poolCharacters)

/** Mostly small, up to 3 KiB; now and then one that no ordinary frame holds. */
export function drawLength(random: Random, largeShare: number): number {
  if (chance(random, largeShare)) return 66_000 + below(random, 40_000)
  const kind = below(random, 8)
  if (kind === 0) return below(random, 3072)
  return kind < 3 ? below(random, 700) : below(random, 160)
}

/** Begins with its number, so that no two bodies are equal. */
export function makeBody(number: number, length: number, isText: boolean): string | Uint8Array {
  const from = (number * 7919) % (poolCharacters - 110_000)
  if (isText) return `${number}|${text.slice(from, from + length).toWellFormed()}`
  const body = bytes.slice(from, from + length + 4)
  new DataView(body.buffer).setUint32(0, number)
  return body
}

const someHeaders = [
  null,
  null,
  { tenant: 'acme' },
  { tenant: 'acme', trace: '4bf92f3577b34da6' },
  { 'x-é': 'ünï', empty: '' },
]

export function makeHeaders(number: number): Readonly<Record<string, string>> | null {
  return someHeaders[number % someHeaders.length]
}

export const keyOf = (key: number): string => (key === 0 ? '' : `key-${key}${key % 5 === 0 ? '-ключ' : ''}`)
