import { HoldfastError } from './errors.ts'
import { typeName } from './names.ts'

/** How a body is encoded. The numbers are stored with every message: frozen. */
export const Codec = { bytes: 0, json: 1 } as const

export interface EncodedBody {
  readonly codec: number
  /** JSON text, or the caller's bytes untouched. */
  readonly body: string | Uint8Array
}

/** Bytes stay as they are, everything else becomes JSON. */
export function encodeBody(value: unknown): EncodedBody {
  if (value instanceof Uint8Array) return { codec: Codec.bytes, body: value }
  return { codec: Codec.json, body: encodeJson(value) }
}

/**
 * JSON, but nothing is lost without a word: values JSON has no text for are a TypeError with their path (`body.items[2].cents`),
 * as are numbers it would turn into null (NaN, Infinity) and collections it would turn into {} (Map, Set, a promise not awaited).
 * Properties that are undefined are left out, as JSON does.
 */
export function encodeJson(value: unknown, path = 'body'): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new TypeError(`${path} cannot be written as JSON: ${reason}`, { cause })
  }
  if (text === undefined) {
    throw new TypeError(
      `${path} cannot be written as JSON: it is ${value === undefined ? 'undefined' : `a ${typeof value}`}`,
    )
  }
  // The only traces silent losses leave; most texts have neither and pay for two searches.
  if (text.includes('null') || text.includes('{}')) refuseLosses(value, path)
  return text
}

/** Walks the value the way JSON.stringify does, by its own replacer, so that `toJSON` counts as it does there. */
function refuseLosses(value: unknown, root: string): void {
  const paths = new Map<unknown, string>()
  JSON.stringify(value, function (this: unknown, key: string, encoded: unknown) {
    const parent = paths.get(this)
    const path = parent === undefined ? root : childPath(parent, this, key)
    const loss = lossOf((this as Record<string, unknown>)[key], encoded)
    if (loss !== null) throw new TypeError(`${path} is ${loss}; JSON would lose it`)
    if (typeof encoded === 'object' && encoded !== null) paths.set(encoded, path)
    return encoded
  })
}

/** `original` as it lies in its parent, `encoded` after its `toJSON`. */
function lossOf(original: unknown, encoded: unknown): string | null {
  if (original instanceof Date) return Number.isNaN(original.getTime()) ? 'an invalid Date' : null
  const plain = encoded instanceof Number ? encoded.valueOf() : encoded
  if (typeof plain === 'number') return Number.isFinite(plain) ? null : String(plain)
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) return null
  const tag = Object.prototype.toString.call(plain).slice('[object '.length, -1)
  return emptyInJson.has(tag) && Object.keys(plain).length === 0 ? `a ${tag}` : null
}

const emptyInJson = new Set([
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'Promise',
  'ArrayBuffer',
  'DataView',
  'RegExp',
  'Error',
])

function childPath(parent: string, holder: unknown, key: string): string {
  if (Array.isArray(holder)) return `${parent}[${key}]`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${parent}.${key}` : `${parent}[${JSON.stringify(key)}]`
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What was sent. `body` as text is JSON already decoded from UTF-8. Throws `invalid_body`. */
export function decodeBody(codec: number, body: string | Uint8Array): unknown {
  if (codec === Codec.bytes) {
    if (typeof body === 'string') throw new TypeError('a body of bytes is needed, not string')
    return body
  }
  if (codec !== Codec.json) {
    throw new HoldfastError('invalid_body', `the body has codec ${codec}, which this version does not know`, {
      outcome: 'none',
      advice: 'It was sent by a newer Holdfast; use that version or a later one.',
    })
  }
  try {
    return JSON.parse(typeof body === 'string' ? body : utf8.decode(body))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : typeName(cause)
    throw new HoldfastError('invalid_body', `the body is not JSON: ${reason}`, { cause, outcome: 'none' })
  }
}
