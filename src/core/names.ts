import { createHash } from 'node:crypto'
import { HoldfastError } from './errors.ts'

const nameRule = "1–100 of the characters A–Z, a–z, 0–9, '.', '_' and '-'"
const namePattern = /^[A-Za-z0-9._-]{1,100}$/

/** Names of Holdfast's own topics, queues and consumers begin so. */
const derivedPrefix = 'hf_'

/** Throws `invalid_name` unless users may call a topic so. Topics that Holdfast derives are not made by this way. */
export function checkTopicName(name: string): void {
  checkName('topic', name)
  if (name.startsWith(derivedPrefix)) {
    throw new HoldfastError(
      'invalid_name',
      `topic ${quoted(name)}: names that start with '${derivedPrefix}' are Holdfast's own`,
      { advice: 'Choose a name that starts differently.' },
    )
  }
}

export function checkGroupName(name: string): void {
  checkName('group', name)
}

function checkName(what: string, name: string): void {
  if (typeof name !== 'string') throw new TypeError(`${what}: a string is needed, not ${typeName(name)}`)
  if (namePattern.test(name)) return
  throw new HoldfastError('invalid_name', `${what} ${quoted(name)} is not ${nameRule}`)
}

/**
 * The name of something Holdfast makes for a group of a topic: `hf_<kind>_<topic>_<group>`. Where the parts could
 * be told apart in two ways, or the whole is longer than the engine allows, a hash of both follows, so that two groups never
 * share one.
 */
export function derivedName(kind: string, topic: string, group: string, maxCharacters = 249): string {
  const plain = `${derivedPrefix}${kind}_${topic}_${group}`
  const unambiguous = !/[_.]/.test(topic + group) && !hashPattern.test(group)
  if (unambiguous && plain.length <= maxCharacters) return plain
  // No name holds a zero byte, so the hash sees where the topic ends.
  const digest = createHash('sha256').update(`${topic}\0${group}`).digest('hex')
  const hash = digest.slice(0, hashCharacters)
  return `${plain.slice(0, maxCharacters - hashCharacters - 1)}_${hash}`
}

/** 80 bits: with a million groups a chance of one in 10^12 that two share a hash. */
const hashCharacters = 20
/** A group of this form would make a plain name look like a cut one with its hash. */
const hashPattern = /^[0-9a-f]{20}$/

/** The known name that was probably meant: at most two letters away, one where the name is short. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let nearest: string | null = null
  // Two letters of three are another word.
  let best = name.length <= 3 ? 2 : 3
  for (const candidate of known) {
    const distance = editDistance(name, candidate, best)
    if (distance < best) {
      best = distance
      nearest = candidate
    }
  }
  return nearest
}

/** ` (did you mean 'clicks'?)`, or nothing: to be put behind a message. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known)
  return nearest === null ? '' : ` (did you mean '${nearest}'?)`
}

/** Letters inserted, removed, replaced, or swapped with their neighbour; `limit` when it is that or more. */
function editDistance(from: string, to: string, limit: number): number {
  if (from === to || Math.abs(from.length - to.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      let cost = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1))
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2] + 1)
      }
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return Math.min(last[to.length], limit)
}

/** A value as it may stand in a message: short, on one line. */
export function quoted(text: string): string {
  const cut = text.length > 120 ? `${text.slice(0, 120)}…` : text
  return JSON.stringify(cut)
}

/** What a value is, for messages. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
