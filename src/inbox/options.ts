import { boolean, defineOptions, given, text } from '../core/options.ts'

export interface SqliteInboxOptions {
  /** The group whose handler asks: each group has records of its own. The same name as in `consume`. */
  readonly group: string
  /** Where the records are, 1–60 letters, digits and `_`, in the main database. Default 'holdfast_inbox'. */
  readonly table?: string | undefined
  /**
   * How long a record stays, at least 1 hour, or Infinity. A message that is delivered again later is handled again. Time in
   * which the program did not run does not count. Default 30 days.
   */
  readonly keepMs?: number | undefined
  /** Accepts a database whose commits a power cut can take back. Default false. */
  readonly unsafeCommits?: boolean | undefined
}

const hourMs = 3_600_000
const tablePattern = /^(?!sqlite_)[a-z_]\w{0,59}$/i

/** The one list of what `sqliteInbox` takes, with defaults and bounds. */
export const sqliteInboxOptions = defineOptions({
  group: text({ about: 'the group whose handler asks', maxCharacters: 100 }),
  table: given<string, { about: string; default: string }>(
    "a name of 1–60 letters, digits and '_'",
    (value) => typeof value === 'string' && tablePattern.test(value),
    { about: 'where the records are', default: 'holdfast_inbox' },
  ),
  keepMs: given<number, { about: string; default: number }>(
    `a whole number of ms, at least ${hourMs}, or Infinity`,
    (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && Number(value) >= hourMs),
    { about: 'how long a record stays', default: 30 * 24 * hourMs },
  ),
  unsafeCommits: boolean({ about: 'accept commits that a power cut can take back', default: false }),
})
