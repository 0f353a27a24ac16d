/**
 * The one header that carries a message's stamp through an engine, beside a body that stays plain. Frozen, and the
 * same on every engine (test/golden/wire.json):
 *
 *   hf: 1;<epoch>;<number>;<partition>;<topic>;<id counter>;<sent ms>
 *
 * Numbers are decimal without leading zeros, the epoch is 22 characters of base64url. In the topic every byte of
 * UTF-8 outside A–Z a–z 0–9 . _ - is written %XX. A header has at most 255 bytes.
 */
import { parseEpoch } from './id.ts'

export const stampHeader = 'hf'
const version = '1'
const maxBytes = 255

/** Which message of which producer it is, where it was sent. It is trusted only where topic and partition match. */
export interface Stamp {
  /** The producer's epoch as text. */
  readonly epoch: string
  /** Counts the producer's messages of this topic and partition from 1, without gaps. */
  readonly number: number
  readonly partition: number
  readonly topic: string
  /** Counts all messages of the producer from 1; with the epoch it is the id of a message without a caller's own. */
  readonly counter: number
  readonly sentAtMs: number
}

export function formatStamp(stamp: Stamp): string {
  const { epoch, number, partition, counter, sentAtMs } = stamp
  const text = `${version};${epoch};${number};${partition};${escapeTopic(stamp.topic)};${counter};${sentAtMs}`
  if (text.length > maxBytes)
    throw new RangeError(`a stamp of ${text.length} bytes, ${maxBytes} fit: ${text}`)
  return text
}

/** A stamp that was read; `damage` says why one that is Holdfast's cannot be trusted; null: not Holdfast's. */
export type ParsedStamp = { readonly stamp: Stamp } | { readonly damage: string } | null

export function parseStamp(header: string | undefined): ParsedStamp {
  const head = header === undefined ? null : /^([0-9]{1,3});/.exec(header)
  if (header === undefined || head === null) return null
  if (head[1] !== version) return damaged(`version ${head[1]}, known is ${version}`)
  if (header.length > maxBytes) return damaged(`${header.length} bytes, at most ${maxBytes}`)
  const fields = header.split(';')
  if (fields.length !== 7) return damaged(`${fields.length} fields instead of 7`)
  const [, epoch, ...rest] = fields
  if (parseEpoch(epoch) === null) return damaged('the epoch')
  const number = parseNumber(rest[0], 1)
  const partition = parseNumber(rest[1], 0)
  const topic = unescapeTopic(rest[2])
  const counter = parseNumber(rest[3], 1)
  const sentAtMs = parseNumber(rest[4], 0)
  if (number === null) return damaged('the number')
  if (partition === null) return damaged('the partition')
  if (topic === null) return damaged('the topic')
  if (counter === null) return damaged('the id counter')
  if (sentAtMs === null) return damaged('the sent time')
  return { stamp: { epoch, number, partition, topic, counter, sentAtMs } }
}

const damaged = (what: string): ParsedStamp => ({ damage: what })

function parseNumber(text: string, min: number): number | null {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) && value >= min ? value : null
}

function escapeTopic(topic: string): string {
  if (/^[A-Za-z0-9._-]*$/.test(topic)) return topic
  let out = ''
  for (const byte of Buffer.from(topic)) {
    const character = String.fromCharCode(byte)
    out += /[A-Za-z0-9._-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

/** Only what `escapeTopic` writes: a topic has one form. */
function unescapeTopic(text: string): string | null {
  if (!/^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+$/.test(text)) return null
  if (!text.includes('%')) return text
  try {
    const topic = decodeURIComponent(text)
    return escapeTopic(topic) === text ? topic : null
  } catch {
    return null
  }
}
