/** How a line of input becomes a message. */
export interface LineFormat {
  /** The line's bytes are the body. Otherwise the line is JSON. */
  readonly raw: boolean
  /** Field of the JSON object that holds the key. */
  readonly keyField: string | undefined
  /** Field of the JSON object that holds the caller's id. */
  readonly idField: string | undefined
}

export interface LineMessage {
  readonly key?: string
  readonly id?: string
  readonly body: unknown
}

/** Why a line is no message, in words that follow 'line 7: '. */
export class BrokenLine extends Error {
  override readonly name = 'BrokenLine'
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Throws BrokenLine. Null for an empty line of JSON input, which NDJSON allows. */
export function parseLine(bytes: Uint8Array, format: LineFormat): LineMessage | null {
  if (format.raw) return { body: bytes }
  const text = decode(bytes)
  if (text.trim() === '') return null
  const body = parseJson(text)
  const key = format.keyField === undefined ? undefined : field(body, format.keyField)
  const id = format.idField === undefined ? undefined : field(body, format.idField)
  return { ...(key === undefined ? {} : { key }), ...(id === undefined ? {} : { id }), body }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new BrokenLine('not valid UTF-8')
  }
}

function parseJson(text: string): unknown {
  try {
    // Numbers that JavaScript would round are money altered on the way; most lines hold none and skip the slow path.
    return /\d{16}/.test(text) ? (JSON.parse(text, refuseRounded as Reviver) as unknown) : JSON.parse(text)
  } catch (error) {
    if (error instanceof BrokenLine) throw error
    throw new BrokenLine(`not valid JSON (${error instanceof Error ? error.message : String(error)})`)
  }
}

type Reviver = (key: string, value: unknown) => unknown

function refuseRounded(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  if (context.source !== undefined && /^-?\d+$/.test(context.source)) {
    throw new BrokenLine(`the number ${context.source} would be rounded; send it as a string`)
  }
  return value
}

function field(body: unknown, name: string): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new BrokenLine(`not an object, so it has no field '${name}'`)
  }
  const value: unknown = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw new BrokenLine(
    value === undefined || value === null
      ? `the field '${name}' is missing`
      : `the field '${name}' is no string or number`,
  )
}
