/**
 * The messages of the real tests. A tag says everything about one: who sent it as which, and so what its key, headers and
 * body must be and what its handler does. So both sides can check what arrived without telling each other.
 */
import type { Message } from '../../src/core/message.ts'

export const topicName = 'orders'
export const groupName = 'billing'

/** Few enough that each is busy, so that its order says something. */
const keysPerProducer = 24

export interface Plan {
  readonly tag: string
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly tag: string; readonly cents: number; readonly text: string }
  /** The caller's id; null: Holdfast's own. */
  readonly id: string | null
  readonly handling: 'at once' | 'slow' | 'fails once' | 'dies'
}

/** `life` is the process that sent it, `n` counts the messages of its producer from 1. */
export function planOf(life: number, producer: number, n: number): Plan {
  const tag = `${life}.${producer}.${n}`
  const mixed = Math.imul(n * 8 + producer, 0x9e3779b1) >>> 12
  const key = mixed % 10 === 0 ? null : `${producer}-${mixed % keysPerProducer}`
  const length = n % 1999 === 1000 ? 150_000 : mixed % 700
  const text = `${tag} ${'äbc–'.repeat(length / 4)}`
  return {
    tag,
    key,
    headers: { tenant: `tenant-${mixed % 7}`, tag },
    body: { tag, cents: mixed % 10_000, text },
    id: mixed % 16 === 1 ? `order ${tag}` : null,
    handling: handlingOf(life * 131 + n),
  }
}

function handlingOf(n: number): Plan['handling'] {
  // Rare: a dead letter keeps its segment, and segments shall be given back, too.
  if (n % 2999 === 200) return 'dies'
  if (n % 97 === 30) return 'fails once'
  // Often enough that some handler is running at any moment.
  return n % 4 === 2 ? 'slow' : 'at once'
}

export function planOfTag(tag: string): Plan {
  const [life = 0, producer = 0, n = 0] = tag.split('.').map(Number)
  return planOf(life, producer, n)
}

/** Later messages of a key have higher ranks. */
export function rankOf(tag: string): number {
  const [life = 0, , n = 0] = tag.split('.').map(Number)
  return life * 1e9 + n
}

export const tagOf = (body: unknown): string => String((body as { tag?: unknown } | null)?.tag)

/** What differs from what was sent; null: nothing. */
export function differenceFrom(
  plan: Plan,
  { key, headers, body }: Pick<Message, 'key' | 'headers' | 'body'>,
): string | null {
  const { tag, cents, text } = body as Plan['body']
  if (tag !== plan.body.tag || cents !== plan.body.cents || text !== plan.body.text) return 'body'
  if (Object.keys(body as object).length !== 3) return 'fields of the body'
  if (key !== plan.key) return 'key'
  if (Object.keys(headers).length !== 2) return 'headers'
  return headers.tag === plan.headers.tag && headers.tenant === plan.headers.tenant ? null : 'headers'
}
