import { HoldfastError, type Outcome } from '../core/errors.ts'
import type { Receipt } from '../core/message.ts'

/** Why a caller got an answer before the message had its outcome. */
export type StopReason = 'timed_out' | 'aborted' | 'closed'

const reasons: Record<StopReason, string> = {
  timed_out: 'sendTimeoutMs passed',
  aborted: 'the signal was aborted',
  closed: 'the producer was closed',
}

/** The engine never had the message and never will. */
export function notSent(reason: StopReason): HoldfastError {
  return new HoldfastError(reason, `${reasons[reason]} before the message was written`, { outcome: 'failed' })
}

/** The engine has the message and has not answered yet. */
export function stillPending(reason: StopReason): HoldfastError {
  return new HoldfastError('send_pending', `${reasons[reason]} before the outcome of the message was known`)
}

export function provedAbsent(error: HoldfastError): HoldfastError {
  return new HoldfastError(error.code, 'the message was not stored', {
    cause: error,
    outcome: 'failed',
    advice: 'It is proved that nothing was stored; the message may be sent again.',
  })
}

export function engineThrew(cause: unknown): HoldfastError {
  return new HoldfastError('internal', 'the engine failed while it took the message', {
    cause,
    outcome: 'unknown',
  })
}

/** The same error, about one message: engines report one for many. */
export function aboutSend(
  error: HoldfastError,
  messageId: string,
  topic: string,
  outcome: Outcome,
  settled?: () => Promise<Receipt>,
): HoldfastError {
  return new HoldfastError(error.code, `${error.message} (message '${messageId}' to topic '${topic}')`, {
    cause: error,
    messageId,
    topic,
    outcome,
    advice: error.advice,
    ...(settled === undefined ? {} : { settled }),
  })
}
