import type { Capabilities, Order } from '../core/engine.ts'
import { HoldfastError } from '../core/errors.ts'
import { checkGroupName, checkTopicName } from '../core/names.ts'
import { defineOptions, given, integer, integers, nested, oneOf, text, type Values } from '../core/options.ts'

export interface ConsumeOptions {
  readonly topic: string
  /** Consumers of one group share the messages; each group gets all of them. Created when it is new. */
  readonly group: string
  /** Handlers that may run at once, 1–10,000. Default 1. */
  readonly concurrency?: number | undefined
  /**
   * Messages taken ahead of the handlers; a number means messages. Default: twice `concurrency` but at least 500 messages, and
   * 16 MiB. Messages that wait for a retry are not among them: see `maxHeld`.
   */
  readonly prefetch?:
    | number
    | { readonly messages?: number | undefined; readonly bytes?: number | undefined }
    | undefined
  /** 'key': messages of a key one after the other. 'none': no order. Fixed when the group is created. Default 'key'. */
  readonly order?: Order | undefined
  /** Attempts in all, the first included, 1–1000; then the message becomes a dead letter. Default 6. */
  readonly maxAttempts?: number | undefined
  /** Waits before the second, third, … attempt, ±20 %; the last repeats. Default 1, 4, 16, 64, 256 seconds. */
  readonly backoffMs?: readonly number[] | undefined
  /** How long a handler may take, 1 ms–24 h; then `context.signal` aborts and the attempt counts as failed. Default 10 minutes. */
  readonly handlerTimeoutMs?: number | undefined
  /**
   * What may wait for retries per partition, successors of the same key included; beyond it deliveries of the partition
   * pause. Default 10,000 messages and 64 MiB.
   */
  readonly maxHeld?:
    | { readonly messages?: number | undefined; readonly bytes?: number | undefined }
    | undefined
  /** `Retry({ countsAsAttempt: false })` counts after all when the first failure was so long ago. Default 24 hours. */
  readonly maxRetryAgeMs?: number | undefined
  /** Closes the consumer when it aborts. */
  readonly signal?: AbortSignal | undefined
}

const dayMs = 86_400_000
const minPrefetch = 500

/** The one list of what `consume` takes, with defaults and bounds. */
export const consumeOptions = defineOptions({
  topic: text({ about: 'the topic whose messages are handled', maxCharacters: 100 }),
  group: text({ about: 'the group that handles them', maxCharacters: 100 }),
  concurrency: integer({ about: 'handlers that may run at once', min: 1, max: 10_000, default: 1 }),
  prefetch: nested(
    {
      messages: integer({
        about: `messages taken ahead; default: twice concurrency, at least ${minPrefetch}`,
        min: 1,
        max: 1_000_000,
        optional: true,
      }),
      bytes: integer({
        about: 'bytes taken ahead',
        min: 1,
        max: 2 ** 40,
        unit: 'bytes',
        default: 16 * 2 ** 20,
      }),
    },
    { about: 'how much is taken ahead of the handlers', shorthand: 'messages' },
  ),
  order: oneOf(['key', 'none'], { about: 'what order handlers see', default: 'key' }),
  maxAttempts: integer({ about: 'attempts in all, the first included', min: 1, max: 1000, default: 6 }),
  backoffMs: integers({
    about: 'waits between attempts; the last repeats',
    min: 1,
    max: dayMs,
    unit: 'ms',
    minItems: 1,
    maxItems: 100,
    default: [1000, 4000, 16_000, 64_000, 256_000],
  }),
  handlerTimeoutMs: integer({
    about: 'how long a handler may take',
    min: 1,
    max: dayMs,
    unit: 'ms',
    default: 600_000,
  }),
  maxHeld: nested(
    {
      messages: integer({ about: 'messages', min: 1, max: 10_000_000, default: 10_000 }),
      bytes: integer({ about: 'bytes', min: 1, max: 2 ** 40, unit: 'bytes', default: 64 * 2 ** 20 }),
    },
    { about: 'what may wait for retries, per partition' },
  ),
  maxRetryAgeMs: integer({
    about: 'after so long every attempt counts',
    min: 0,
    max: 365 * dayMs,
    unit: 'ms',
    default: dayMs,
  }),
  signal: given<AbortSignal, { about: string; optional: true }>(
    'an AbortSignal',
    (value) => value instanceof AbortSignal,
    { about: 'closes the consumer when it aborts', optional: true },
  ),
})

type Parsed = Values<typeof consumeOptions.rules>

export type ConsumerSettings = Omit<Parsed, 'prefetch'> & {
  readonly prefetch: { readonly messages: number; readonly bytes: number }
}

/**
 * The options with their defaults.
 *
 * @throws HoldfastError `invalid_option`, `invalid_name`; `unsupported` where the engine cannot keep the order.
 */
export function consumerSettings(
  options: ConsumeOptions,
  capabilities: Pick<Capabilities, 'order'>,
): ConsumerSettings {
  const parsed = consumeOptions.parse(options, 'consume')
  checkTopicName(parsed.topic)
  checkGroupName(parsed.group)
  if (!capabilities.order.includes(parsed.order)) {
    const supported = capabilities.order.map((order) => `'${order}'`).join(', ')
    throw new HoldfastError(
      'unsupported',
      `consume: order '${parsed.order}' is not supported by this engine, it has ${supported}`,
    )
  }
  const messages = parsed.prefetch.messages ?? Math.max(2 * parsed.concurrency, minPrefetch)
  return Object.freeze({ ...parsed, prefetch: { messages, bytes: parsed.prefetch.bytes } })
}
