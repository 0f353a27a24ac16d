/** What must hold whatever happens. The names are stable: planted bugs are found by them. */
export const invariants = [
  'confirmed-present',
  'stored-once',
  'ack-durable',
  'ack-window-50ms',
  'kill-window-5ms',
  'duplicate-flagged',
  'key-order',
  'not-invented',
  'not-mangled',
  'dead-letter-stored',
  'attempts-kept',
  'offsets-dense',
  'drains-empty',
  'space-falls-back',
  'reopens',
  'damage-refused',
  'one-owner',
  'stays-up',
  'answers',
] as const

export type Invariant = (typeof invariants)[number]

export class Violation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string, options?: ErrorOptions) {
    super(message, options)
    this.invariant = invariant
  }
}
