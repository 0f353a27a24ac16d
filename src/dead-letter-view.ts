import { decodeBody } from './core/codec.ts'
import type { DeadLetterRecord } from './core/engine.ts'

/** A dead letter as `deadLetters` lists it: the original message and how it died. */
export interface DeadLetterView extends Omit<DeadLetterRecord, 'body' | 'codec'> {
  /** Decoded; where that is what failed, as it is stored. */
  readonly body: unknown
}

export function viewDeadLetter({ body, codec, ...rest }: DeadLetterRecord): DeadLetterView {
  try {
    return { ...rest, body: decodeBody(codec, body) }
  } catch {
    return { ...rest, body }
  }
}
