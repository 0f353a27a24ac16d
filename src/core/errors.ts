/**
 * One class, stable codes, decisions as data. Codes never change their meaning and are never reused;
 * messages may change. Mistakes of the calling program are `TypeError`s without a code.
 */

/** What became of the messages the error is about. */
export type Outcome =
  /** Not stored; it is safe to send them again. */
  | 'failed'
  /** Nobody knows yet; only a repetition with the same id is safe. */
  | 'unknown'
  /** The error is about no message. */
  | 'none'

interface ErrorKind {
  readonly outcome: Outcome
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  /** What to do, for people. */
  readonly advice: string
}

/** Every code there is, with its decisions; docs/errors.md explains each (a test compares the two). */
export const errorKinds = {
  // Options and names
  invalid_option: {
    outcome: 'none',
    retryable: false,
    advice: 'Correct the options named in the message; nothing was started.',
  },
  invalid_name: {
    outcome: 'failed',
    retryable: false,
    advice: "Use 1–100 of the characters A–Z, a–z, 0–9, '.', '_' and '-'.",
  },
  invalid_message: {
    outcome: 'failed',
    retryable: false,
    advice: 'Correct the message; nothing was stored.',
  },
  invalid_body: {
    outcome: 'failed',
    retryable: false,
    advice: "The body does not fit the topic's schema or codec; nothing was stored.",
  },
  message_too_large: {
    outcome: 'failed',
    retryable: false,
    advice: 'Store the large part elsewhere and send a reference; nothing was stored.',
  },
  id_conflict: {
    outcome: 'failed',
    retryable: false,
    advice: 'The id was used for another body; give the new message its own id.',
  },
  topic_mismatch: {
    outcome: 'none',
    retryable: false,
    advice: 'Settings of a topic are fixed at its creation; use the stored ones or a new topic.',
  },
  group_mismatch: {
    outcome: 'none',
    retryable: false,
    advice: 'Settings of a group are fixed at its creation; use the stored ones or a new group.',
  },
  unknown_topic: {
    outcome: 'failed',
    retryable: false,
    advice: 'Create the topic first, or correct its name.',
  },
  unknown_group: {
    outcome: 'none',
    retryable: false,
    advice: 'Create the group first, or correct its name.',
  },
  inbox_unusable: {
    outcome: 'none',
    retryable: false,
    advice: 'Make the table with create(db), and let commits be durable; nothing was recorded.',
  },
  unsupported: {
    outcome: 'none',
    retryable: false,
    advice: 'This engine or version cannot do it; docs/guarantees says what each can.',
  },
  // Sending
  aborted: {
    outcome: 'failed',
    retryable: true,
    advice: 'The signal was aborted before anything was written; the message may be sent again.',
  },
  too_many_pending: {
    outcome: 'failed',
    retryable: true,
    advice: 'Wait for pending sends to settle, then send again; nothing was stored.',
  },
  send_pending: {
    outcome: 'unknown',
    retryable: true,
    advice: 'Wait for settled(), or repeat with the same id; never build a new message.',
  },
  topic_full: {
    outcome: 'failed',
    retryable: true,
    advice: 'The topic reached its maxBytes; let its groups handle messages, or raise the limit.',
  },
  disk_full: {
    outcome: 'failed',
    retryable: true,
    advice:
      'Free disk space, or let the groups handle messages; acknowledgements still work, nothing was lost.',
  },
  log_failed: {
    outcome: 'unknown',
    retryable: true,
    advice:
      'A write or sync failed. Wait for settled(), or repeat with the same id after the store is ready again.',
  },
  log_unavailable: {
    outcome: 'failed',
    retryable: true,
    advice:
      'The store is closed for repair after a failed write; nothing was written. Send again when health() is ready.',
  },
  closed: {
    outcome: 'failed',
    retryable: false,
    advice: 'It was closed before this call; nothing was stored.',
  },
  // The directory
  directory_in_use: {
    outcome: 'none',
    retryable: true,
    advice: 'Stop the process that owns the directory, or use another directory.',
  },
  directory_missing: {
    outcome: 'none',
    retryable: false,
    advice: 'Check the path; reading commands never create a store.',
  },
  directory_not_holdfast: {
    outcome: 'none',
    retryable: false,
    advice: 'Give Holdfast a directory of its own; nothing was changed.',
  },
  directory_unreadable: {
    outcome: 'none',
    retryable: false,
    advice: 'Give the user who runs this process read and write permission; nothing was changed.',
  },
  directory_read_only: {
    outcome: 'none',
    retryable: false,
    advice: 'Mount the file system writable, or use another directory; nothing was changed.',
  },
  network_file_system: {
    outcome: 'none',
    retryable: false,
    advice: 'Use a local disk; network file systems break locks and syncs. unsafeNetworkDisk overrides it.',
  },
  fenced: {
    outcome: 'unknown',
    retryable: false,
    advice:
      'Another process took the directory over; this one must not write any more. Find out why there were two.',
  },
  corrupt: {
    outcome: 'none',
    retryable: false,
    advice:
      'Make a copy of the directory, run `holdfast verify`, restore a backup or a replica. Nothing was changed.',
  },
  newer_format: {
    outcome: 'none',
    retryable: false,
    advice: 'The directory was written by a newer Holdfast; use that version or a later one.',
  },
  unsupported_platform: {
    outcome: 'none',
    retryable: false,
    advice: 'Linux is supported; macOS for development.',
  },
  io_failed: {
    outcome: 'none',
    retryable: true,
    advice: 'The operating system refused a disk operation; look at the cause, then try again.',
  },
  timed_out: {
    outcome: 'none',
    retryable: true,
    advice: 'It took longer than its deadline; try again, or raise the deadline.',
  },
  internal: {
    outcome: 'unknown',
    retryable: false,
    advice: 'A mistake in Holdfast or in an engine. Please report it, with its cause.',
  },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export interface ErrorDetails {
  readonly cause?: unknown
  /** The message it is about. */
  readonly messageId?: string
  readonly topic?: string
  /** Overrides the code's outcome where the case is known better. */
  readonly outcome?: Outcome
  readonly advice?: string
  /** For an unknown outcome: settles when it is known. Lazy: nothing rejects unless it is called. */
  readonly settled?: () => Promise<import('./message.ts').Receipt>
}

const brand = Symbol.for('holdfast.error')

export class HoldfastError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'HoldfastError'
  readonly code: Code
  readonly outcome: Outcome
  readonly retryable: boolean
  readonly advice: string
  readonly messageId: string | undefined
  readonly topic: string | undefined
  /** Only where `outcome` is 'unknown' and somebody will find out: what became of the message in the end. */
  readonly settled: (() => Promise<import('./message.ts').Receipt>) | undefined

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    const kind: ErrorKind = errorKinds[code]
    this.code = code
    this.outcome = details.outcome ?? kind.outcome
    this.retryable = kind.retryable
    this.advice = details.advice ?? kind.advice
    this.messageId = details.messageId
    this.topic = details.topic
    this.settled = details.settled
    Object.defineProperty(this, brand, { value: true })
  }
}

/** True for errors of Holdfast, of any copy of the package in the process. */
export function isHoldfastError(value: unknown): value is HoldfastError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
}
