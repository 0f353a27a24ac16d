import { defineOptions, integer, nested, text } from '../core/options.ts'
import type { Bound } from './send-queue.ts'

export interface ProducerOptions {
  /** A name for people, in logs and in the store; not an identity: several producers may share it. Default: host and process id. */
  readonly id?: string | undefined
  /** How long a send may wait for its outcome, everything included, 1 ms–24 h. Default 60,000 ms. */
  readonly sendTimeoutMs?: number | undefined
  /** What may be with the engine without outcome; further sends wait in their order. Default 10,000 messages and 16 MiB. */
  readonly window?: Partial<Bound> | undefined
  /**
   * What may be without outcome in all; further sends are refused with `too_many_pending`. Default 100,000 messages and
   * 64 MiB.
   */
  readonly maxPending?: Partial<Bound> | undefined
}

const dayMs = 86_400_000

function bound(messages: number, bytes: number) {
  return {
    messages: integer({ about: 'messages', min: 1, max: 10_000_000, default: messages }),
    bytes: integer({ about: 'bytes', min: 1, max: 2 ** 40, unit: 'bytes', default: bytes }),
  }
}

/** The one list of what `producer` takes, with defaults and bounds. */
export const producerOptions = defineOptions({
  id: text({ about: 'a name for people; default: host and process id', maxCharacters: 100, optional: true }),
  sendTimeoutMs: integer({
    about: 'how long a send may wait for its outcome',
    min: 1,
    max: dayMs,
    unit: 'ms',
    default: 60_000,
  }),
  window: nested(bound(10_000, 16 * 2 ** 20), { about: 'what may be with the engine without outcome' }),
  maxPending: nested(bound(100_000, 64 * 2 ** 20), { about: 'what may be without outcome in all' }),
})
