/** What the process says to programs; the same for every command. */
export const exitCode = {
  /** Done, and everything confirmed. */
  done: 0,
  /** Failed; the message says what to do. */
  failed: 1,
  /** Wrong usage; nothing was started. */
  usage: 2,
  /** Ended with messages left pending, named on stderr. */
  pending: 3,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]
