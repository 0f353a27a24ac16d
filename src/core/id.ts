/**
 * Ids of messages Holdfast numbers itself: `<epoch>-<counter>`. The epoch is 16 random bytes drawn when
 * a producer opens, never used again; the counter runs 1, 2, 3, … in it.
 */

export const epochBytes = 16

export function epochText(epoch: Uint8Array): string {
  if (epoch.length !== epochBytes)
    throw new RangeError(`an epoch has ${epochBytes} bytes, not ${epoch.length}`)
  return Buffer.from(epoch.buffer, epoch.byteOffset, epoch.length).toString('base64url')
}

/** The last character holds two bits of the epoch; the other four are zero, so that a text is one epoch's only. */
const epochPattern = /^[A-Za-z0-9_-]{21}[AQgw]$/

/** The bytes of an epoch's text; null when it is none. */
export function parseEpoch(text: string): Uint8Array | null {
  return epochPattern.test(text) ? new Uint8Array(Buffer.from(text, 'base64url')) : null
}

export function messageId(epoch: string, counter: number): string {
  return `${epoch}-${counter}`
}

const idPattern = /^([A-Za-z0-9_-]{21}[AQgw])-([1-9][0-9]{0,15})$/

/** The parts of an id Holdfast made; null for a caller's own. */
export function parseMessageId(id: string): { readonly epoch: string; readonly counter: number } | null {
  const match = idPattern.exec(id)
  if (match === null) return null
  const counter = Number(match[2])
  return Number.isSafeInteger(counter) ? { epoch: match[1], counter } : null
}
