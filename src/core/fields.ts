/** Checks of what a caller gives with a message, before anything is stored. */
import { HoldfastError } from './errors.ts'
import type { Headers } from './message.ts'
import { quoted, typeName } from './names.ts'

const maxIdBytes = 255

/** Throws unless `key` may be a key; '' may. */
export function checkKey(key: string, maxBytes: number): void {
  checkText('key', key)
  checkBytes('key', key, maxBytes)
}

/** Throws unless `id` may be a caller's id. */
export function checkId(id: string): void {
  checkText('id', id)
  if (id === '')
    throw new HoldfastError('invalid_message', `id is '', an id has 1–${maxIdBytes} bytes of UTF-8`)
  checkBytes('id', id, maxIdBytes)
}

/** Throws unless `headers` may be sent; returns an upper bound of their size, names and values in bytes of UTF-8. */
export function checkHeaders(headers: Headers, maxBytes: number): number {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new TypeError(`headers: an object of strings is needed, not ${typeName(headers)}`)
  }
  let characters = 0
  for (const name of Object.keys(headers)) {
    const value: unknown = headers[name]
    const fits = typeof value === 'string' && name !== '' && value.isWellFormed() && name.isWellFormed()
    if (!fits || isReservedHeader(name)) throw headerError(name, value)
    characters += name.length + value.length
  }
  // As for keys: few headers need no count.
  if (characters * 3 <= maxBytes) return characters * 3
  let bytes = 0
  for (const [name, value] of Object.entries(headers))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  if (bytes <= maxBytes) return bytes
  throw new HoldfastError(
    'message_too_large',
    `the headers have ${bytes} bytes of UTF-8, ${maxBytes} are allowed`,
  )
}

/** What is wrong with a header; built only then, because every send checks its headers. */
function headerError(name: string, value: unknown): Error {
  if (name === '') return new HoldfastError('invalid_message', 'a header has an empty name')
  const what = `header ${quoted(name)}`
  if (isReservedHeader(name)) {
    return new HoldfastError('invalid_message', `${what}: names that start with 'hf' are Holdfast's own`)
  }
  if (typeof value !== 'string') return new TypeError(`${what}: a string is needed, not ${typeName(value)}`)
  return brokenText(what)
}

/** Holdfast's own fields travel in headers; what begins like them is not the user's. */
export function isReservedHeader(name: string): boolean {
  return (name.charCodeAt(0) | 0x20) === 0x68 && (name.charCodeAt(1) | 0x20) === 0x66
}

function checkText(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${what}: a string is needed, not ${typeName(value)}`)
  // Half a surrogate pair has no UTF-8: it would come out as another character.
  if (!value.isWellFormed()) throw brokenText(what)
}

function brokenText(what: string): HoldfastError {
  return new HoldfastError(
    'invalid_message',
    `${what} holds half a surrogate pair, which UTF-8 cannot express`,
  )
}

function checkBytes(what: string, text: string, maxBytes: number): void {
  // No character has more than three bytes of UTF-8 per unit of UTF-16: short texts need no count.
  if (text.length * 3 <= maxBytes) return
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxBytes) return
  throw new HoldfastError(
    'invalid_message',
    `${what} ${quoted(text)} has ${bytes} bytes of UTF-8, ${maxBytes} are allowed`,
  )
}
