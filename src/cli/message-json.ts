import type { Message } from '../core/message.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A message as one line of JSON. `encoding` says what `body` is: 'json' the value itself, 'utf8' bytes
 * that are text, 'base64' any other bytes.
 */
export function messageToJson(message: Message): string {
  return JSON.stringify({
    id: message.id,
    topic: message.topic,
    partition: message.partition,
    ...(message.offset === undefined ? {} : { offset: message.offset }),
    key: message.key,
    headers: message.headers,
    sentAtMs: message.sentAtMs,
    mayBeDuplicate: message.mayBeDuplicate,
    afterGap: message.afterGap,
    ...bodyToJson(message.body),
  })
}

export function bodyToJson(body: unknown): { encoding: 'json' | 'utf8' | 'base64'; body: unknown } {
  if (!(body instanceof Uint8Array)) return { encoding: 'json', body: body === undefined ? null : body }
  try {
    return { encoding: 'utf8', body: decoder.decode(body) }
  } catch {
    const { buffer, byteOffset, byteLength } = body
    return { encoding: 'base64', body: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }
  }
}
