/**
 * The envelope of a dead letter: headers beside the original's own, the same on every engine. Key and body stay as
 * they were.
 */
import { createHash } from 'node:crypto'
import type { Death } from './engine.ts'
import type { Headers } from './message.ts'

export const DeadHeader = {
  id: 'hf-dead-id',
  reason: 'hf-dead-reason',
  stack: 'hf-dead-stack',
  attempts: 'hf-dead-attempts',
  firstFailureMs: 'hf-dead-first-ms',
  lastFailureMs: 'hf-dead-last-ms',
  topic: 'hf-dead-topic',
  group: 'hf-dead-group',
  partition: 'hf-dead-partition',
  offset: 'hf-dead-offset',
  messageId: 'hf-dead-message-id',
} as const

const prefix = 'hf-dead-'
const maxReasonBytes = 1024
const maxStackBytes = 4096

/** How a message died, and where it came from. */
export interface DeadLetterEnvelope extends Death {
  readonly topic: string
  readonly group: string
  /** The original's. */
  readonly messageId: string
  readonly partition: number
  readonly offset: number
}

/** Same message, same group: same id. So a crash between the dead letter and the acknowledgement stores one. */
export function deadLetterId(topic: string, group: string, messageId: string): string {
  // Names hold no zero byte, so no two triples give the same text.
  const digest = createHash('sha256').update(`${topic}\0${group}\0${messageId}`).digest()
  return digest.subarray(0, 16).toString('base64url')
}

/** To be put behind the original's headers. Reason and stack are cut to 1 KiB and 4 KiB of UTF-8. */
export function deadLetterHeaders(envelope: DeadLetterEnvelope): Headers {
  const { topic, group, messageId } = envelope
  return {
    [DeadHeader.id]: deadLetterId(topic, group, messageId),
    [DeadHeader.reason]: escapeText(envelope.reason, maxReasonBytes),
    [DeadHeader.stack]: escapeText(envelope.stack, maxStackBytes),
    [DeadHeader.attempts]: String(envelope.attempts),
    [DeadHeader.firstFailureMs]: String(envelope.firstFailureMs),
    [DeadHeader.lastFailureMs]: String(envelope.lastFailureMs),
    [DeadHeader.topic]: topic,
    [DeadHeader.group]: group,
    [DeadHeader.partition]: String(envelope.partition),
    [DeadHeader.offset]: String(envelope.offset),
    [DeadHeader.messageId]: escapeText(messageId, Number.POSITIVE_INFINITY),
  }
}

/** The envelope and the original's headers; null for what is no dead letter, or a damaged one. */
export function parseDeadLetter(headers: Headers): { envelope: DeadLetterEnvelope; headers: Headers } | null {
  const reason = unescapeText(headers[DeadHeader.reason])
  const stack = unescapeText(headers[DeadHeader.stack])
  const attempts = parseNumber(headers[DeadHeader.attempts])
  const firstFailureMs = parseNumber(headers[DeadHeader.firstFailureMs])
  const lastFailureMs = parseNumber(headers[DeadHeader.lastFailureMs])
  const topic = headers[DeadHeader.topic]
  const group = headers[DeadHeader.group]
  const partition = parseNumber(headers[DeadHeader.partition])
  const offset = parseNumber(headers[DeadHeader.offset])
  const messageId = unescapeText(headers[DeadHeader.messageId])
  if (reason === null || stack === null || messageId === null || topic === undefined || group === undefined)
    return null
  if (attempts === null || firstFailureMs === null || lastFailureMs === null) return null
  if (partition === null || offset === null) return null
  const death = { reason, stack, attempts, firstFailureMs, lastFailureMs }
  return {
    envelope: { topic, group, messageId, partition, offset, ...death },
    headers: withoutEnvelope(headers),
  }
}

function withoutEnvelope(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(prefix)))
}

function parseNumber(text: string | undefined): number | null {
  if (text === undefined || !/^[0-9]{1,16}$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** Control characters and half surrogate pairs as `\uXXXX`, the backslash doubled: what any broker's header carries. */
function escapeText(text: string, maxBytes: number): string {
  let out = ''
  let bytes = 0
  for (const character of text) {
    const piece = needsEscape.test(character) ? escapeOne(character) : character
    bytes += Buffer.byteLength(piece)
    if (bytes > maxBytes) break
    out += piece
  }
  return out
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const needsEscape = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]|^[\ud800-\udfff]$/

function escapeOne(character: string): string {
  if (character === '\\') return '\\\\'
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function unescapeText(text: string | undefined): string | null {
  if (text === undefined || !/^(?:[^\\]|\\\\|\\u[0-9a-f]{4})*$/.test(text)) return null
  return text.replace(/\\(?:\\|u(.{4}))/g, (_, code?: string) =>
    code === undefined ? '\\' : String.fromCharCode(Number.parseInt(code, 16)),
  )
}
