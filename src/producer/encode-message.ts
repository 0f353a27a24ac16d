import { type EncodedBody, encodeBody } from '../core/codec.ts'
import type { Capabilities } from '../core/engine.ts'
import { HoldfastError } from '../core/errors.ts'
import { checkHeaders, checkId, checkKey } from '../core/fields.ts'
import type { Headers, SendOptions } from '../core/message.ts'
import { typeName } from '../core/names.ts'
import type { EncodedMessage } from './pending-send.ts'

/** What a record takes besides the caller's bytes: its fixed part, padding, the lengths of a few headers. */
const recordBytes = 128
const headerOverheadBytes = 16
/** Shorter texts are taken at three bytes a character instead of being counted. */
const countedFromCharacters = 2048

/**
 * Checks a message against the engine's limits and encodes it. It is a copy: what the caller does to body or headers
 * afterwards changes nothing.
 */
export function encodeMessage(
  topic: string,
  message: SendOptions,
  limits: Capabilities['limits'],
): EncodedMessage {
  const { key = null, id = null, headers = null, signal = null } = message
  let bytes = recordBytes
  if (key !== null) {
    checkKey(key, limits.keyBytes)
    bytes += key.length * 3
  }
  if (id !== null) {
    checkId(id)
    bytes += id.length * 3
  }
  let ownHeaders: Headers | null = null
  if (headers !== null) {
    ownHeaders = { ...headers }
    bytes += checkHeaders(headers, limits.headerBytes)
    for (const _ in ownHeaders) bytes += headerOverheadBytes
  }
  if (signal !== null && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal: an AbortSignal is needed, not ${typeName(signal)}`)
  }
  const encoded = encodeBody(message.body)
  bytes += sizeOf(encoded, limits.bodyBytes)
  return {
    topic,
    key,
    id,
    headers: ownHeaders,
    body: typeof encoded.body === 'string' ? encoded.body : Buffer.from(encoded.body),
    codec: encoded.codec,
    bytes,
    signal,
  }
}

/** Upper bound of the body's bytes; throws when they are too many. */
function sizeOf({ body }: EncodedBody, maxBytes: number): number {
  if (typeof body === 'string' && body.length < countedFromCharacters && body.length * 3 <= maxBytes) {
    return body.length * 3
  }
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  if (bytes > maxBytes) {
    throw new HoldfastError('message_too_large', `the body has ${bytes} bytes, ${maxBytes} are allowed`)
  }
  return bytes
}
