import { HoldfastError } from './errors.ts'
import { quoted, typeName } from './names.ts'

export interface EmbeddedUrl {
  readonly kind: 'embedded'
  /** As it was given: relative to the process, or absolute. */
  readonly directory: string
}

/** Engines of the design that this version has not. */
const laterEngines: Readonly<Record<string, string>> = {
  amqp: 'RabbitMQ',
  amqps: 'RabbitMQ',
  kafka: 'Kafka',
  rocketmq: 'RocketMQ',
}

/**
 * Where `connect` goes. `file:./data`, `file:data` and `file:/srv/data` name a directory as it stands there, `file:///srv/my%20data` one
 * in the encoding of URLs; `./data` and `/srv/data` alone work, too. Read by our own rules: `new URL('file:./data')` is
 * `/data`. Throws `invalid_option`, or `unsupported` for other engines; credentials are never in the message.
 */
export function parseUrl(text: string): EmbeddedUrl {
  if (typeof text !== 'string') throw new TypeError(`url: a string is needed, not ${typeName(text)}`)
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1].toLowerCase()
  if (scheme === 'file') return embedded(text, filePath(text))
  if (/^(?:\/|\.\.?(?:\/|$))/.test(text)) return embedded(text, text)
  if (scheme === undefined) {
    if (text === '')
      throw invalid(text, "it is empty; 'file:./data' keeps the messages in the directory ./data")
    throw invalid(text, `a directory is written './${redactUrl(text)}' or 'file:${redactUrl(text)}'`)
  }
  const engine = Object.hasOwn(laterEngines, scheme) ? laterEngines[scheme] : null
  const reason =
    engine === null
      ? `no engine has the scheme '${scheme}:'`
      : `the engine for ${engine} is not in this version`
  throw new HoldfastError('unsupported', `url ${quoted(redactUrl(text))}: ${reason}`, {
    advice: "This version has the embedded engine: 'file:./data', or './data'.",
  })
}

function embedded(text: string, directory: string): EmbeddedUrl {
  if (directory === '') throw invalid(text, "it names no directory; 'file:./data' does")
  if (directory.includes('\0')) throw invalid(text, 'a path cannot hold a zero byte')
  if (!directory.isWellFormed()) throw invalid(text, 'a path cannot hold half a surrogate pair')
  return { kind: 'embedded', directory }
}

function filePath(text: string): string {
  const rest = text.slice('file:'.length)
  if (!rest.startsWith('//')) return rest
  const match = /^\/\/([^/?#]*)(\/[^?#]*)?([?#].*)?$/s.exec(rest)
  const [, host = '', path = '', query] = match ?? []
  if (host !== '' && host.toLowerCase() !== 'localhost') {
    throw invalid(text, "a directory of another host cannot be opened; 'file:///srv/data' has three slashes")
  }
  if (query !== undefined) throw invalid(text, "a file URL has no '?' or '#'; write them as %3F and %23")
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw invalid(text, "a '%' in it is not followed by two hexadecimal digits of UTF-8", cause)
  }
}

function invalid(text: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invalid_option', `url ${quoted(redactUrl(text))}: ${reason}`, {
    cause,
    advice: "Use 'file:./data', './data' or an absolute path.",
  })
}

/** The URL without what may be secret: user and password, and parameters that are called so. */
export function redactUrl(text: string): string {
  if (/^(?:file:|[./])/i.test(text)) return text
  // A password may hold any character, also '/' and '@': everything up to the last '@' goes.
  const hidden = text.replace(
    /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?.*@/s,
    (_, scheme: string | undefined) => `${scheme ?? ''}***@`,
  )
  return hidden.replace(/([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;#]*/gi, '$1***')
}
