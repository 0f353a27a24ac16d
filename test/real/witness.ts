/**
 * Sees what all the processes on one directory reported, in order, and says what must not be: it is the memory that no kill
 * reaches.
 */
import { planOfTag, rankOf } from './messages.ts'
import type { Report } from './protocol.ts'

const maxViolations = 20

interface Seen {
  readonly tag: string
  readonly key: string | null
  confirmed: boolean
  /** The outcome of its rejection; null: it was not rejected. */
  rejected: string | null
  id: string | null
  /** 'partition:offset'. */
  place: string | null
  /** The life in which a handler last began; 0: none did. */
  beganIn: number
  running: boolean
  /** A handler ended well, or the message was to die. */
  settled: 'handled' | 'dying' | null
  settledInLife: number
  /** It was proved that this outlives the end of the process. */
  settledForGood: boolean
  /** So long before that end. */
  settledAgeMs: number
  /** It was to die while the power failed: its dead letter may be there. */
  mayBeDead: boolean
}

/** A handler ran again although it had ended well before the kill. */
export interface Repetition {
  readonly tag: string
  /** Between its end and the kill. */
  readonly ageMs: number
}

const placeOf = (partition: number, offset: number): string => `${partition}:${offset}`

export class Witness {
  readonly violations: string[] = []
  readonly repetitions: Repetition[] = []
  readonly openMs: number[] = []
  releasedSegments = 0
  reports = 0
  readonly #seen = new Map<string, Seen>()
  readonly #byPlace = new Map<string, Seen>()
  /** By key: the last message of which a handler began for the first time. */
  readonly #begun = new Map<string, Seen>()
  readonly #runningKeys = new Map<string, string>()
  /** By partition: end of what was confirmed. */
  readonly #ends: number[] = []
  /** Places of messages that the failing power may have taken. */
  readonly #doubtful = new Set<string>()
  #life = 0
  #powerFails = false
  #unconfirmed = new Set<Seen>()
  #running = new Set<Seen>()
  #settlements: { seen: Seen; at: number }[] = []
  readonly #asked = new Map<number, number>()
  #settledUs = 0
  #durable = 0
  /** Tags of the dead letters of the last listing. */
  #dead = new Set<string>()

  get unconfirmed(): number {
    return this.#unconfirmed.size
  }

  get running(): number {
    return this.#running.size
  }

  get counts() {
    const all = [...this.#seen.values()]
    return {
      sent: all.length,
      confirmed: all.filter((seen) => seen.confirmed).length,
      handled: all.filter((seen) => seen.settled === 'handled').length,
      dead: this.#dead.size,
      repeated: this.repetitions.length,
      releasedSegments: this.releasedSegments,
    }
  }

  begin(life: number): void {
    this.#life = life
    this.#dead = new Set()
    this.#powerFails = false
    this.#settledUs = 0
    this.#durable = 0
  }

  /**
   * The power is about to be cut. The kernel may still say that a sync succeeded that did not: a file system that is being shut
   * down forgets the extents of pages under way. So nothing that is reported from now on is proof.
   */
  powerFails(): void {
    this.#powerFails = true
  }

  /** The process is gone. What was under way in it is nobody's any more. */
  end(atUs: number): void {
    this.#settlements.forEach(({ seen, at }, i) => {
      seen.settledAgeMs = (atUs - at) / 1000
      seen.settledForGood = at < this.#settledUs || i < this.#durable
    })
    for (const seen of this.#running) seen.running = false
    this.#settlements = []
    this.#asked.clear()
    this.#unconfirmed = new Set()
    this.#running = new Set()
    this.#runningKeys.clear()
  }

  take(report: Report): void {
    this.reports++
    switch (report[0]) {
      case 'opened':
        this.#opened(report[1], report[2])
        return
      case 'sent':
        this.#sent(report[1])
        return
      case 'confirmed':
        this.#confirmed(report)
        return
      case 'rejected':
        this.#rejected(report[1], report[3])
        return
      case 'began':
        this.#began(report)
        return
      case 'failing':
        this.#ended(this.#known(report[1]))
        return
      case 'handled':
      case 'dying':
        this.#settled(this.#known(report[1]), report[0], report[2])
        return
      case 'mangled':
        this.#violation(`${report[1]}: not as it was sent: ${report[2]}`)
        return
      case 'asked':
        this.#asked.set(report[1], this.#settlements.length)
        return
      case 'durable':
        if (!this.#powerFails) this.#durable = this.#asked.get(report[1]) ?? 0
        return
      case 'settled':
        if (!this.#powerFails) this.#settledUs = report[1]
        return
      case 'released':
        this.releasedSegments++
        return
      case 'dead':
        this.#deadLetter(report)
        return
      case 'error':
        this.#violation(report[1])
        return
      case 'health':
      case 'closed':
      case 'close failed':
    }
  }

  /** After everything was handled and the dead letters were listed. */
  conclude(partitions: readonly (readonly [floor: number, end: number])[]): void {
    for (const seen of this.#seen.values()) {
      if (seen.confirmed && seen.settled === null) this.#violation(`${seen.tag}: confirmed and never handled`)
      const died = this.#dead.has(seen.tag)
      if ((seen.settled === 'dying') !== died && !(died && seen.mayBeDead)) {
        this.#violation(
          `${seen.tag}: ${died ? 'a dead letter nobody asked for' : 'its dead letter is missing'}`,
        )
      }
    }
    partitions.forEach(([floor, end], partition) => {
      if (floor !== end) this.#violation(`partition ${partition} is handled up to ${floor} of ${end}`)
      for (let offset = 0; offset < end; offset++) {
        const place = placeOf(partition, offset)
        if (!this.#byPlace.has(place) && !this.#doubtful.has(place)) this.#violation(`nobody saw ${place}`)
      }
      if (this.#byPlace.has(placeOf(partition, end))) this.#violation(`${placeOf(partition, end)} is gone`)
    })
  }

  #opened(ms: number, partitions: readonly (readonly [number, number])[]): void {
    this.openMs.push(ms)
    partitions.forEach(([, end], partition) => {
      const confirmed = this.#ends[partition] ?? 0
      if (end < confirmed) {
        this.#violation(`partition ${partition} ends at ${end}, but was confirmed up to ${confirmed}`)
      }
    })
  }

  #sent(tag: string): void {
    const { key } = planOfTag(tag)
    const seen: Seen = {
      tag,
      key,
      confirmed: false,
      rejected: null,
      id: null,
      place: null,
      beganIn: 0,
      running: false,
      settled: null,
      settledInLife: 0,
      settledForGood: false,
      settledAgeMs: 0,
      mayBeDead: false,
    }
    this.#seen.set(tag, seen)
    this.#unconfirmed.add(seen)
  }

  #confirmed([, tag, id, partition, offset]: Report & { 0: 'confirmed' }): void {
    const seen = this.#known(tag)
    if (seen.confirmed || seen.rejected !== null) this.#violation(`${tag}: a second outcome`)
    this.#unconfirmed.delete(seen)
    if (this.#powerFails) {
      seen.rejected = 'unknown'
      this.#doubtful.add(placeOf(partition, offset))
      return
    }
    seen.confirmed = true
    this.#locate(seen, id, partition, offset)
    this.#ends[partition] = Math.max(this.#ends[partition] ?? 0, offset + 1)
  }

  #rejected(tag: string, outcome: string): void {
    const seen = this.#known(tag)
    if (seen.confirmed || seen.rejected !== null) this.#violation(`${tag}: a second outcome`)
    seen.rejected = outcome
    this.#unconfirmed.delete(seen)
  }

  #began([, tag, id, partition, offset, , mayBeDuplicate]: Report & { 0: 'began' }): void {
    const seen = this.#known(tag)
    if (this.#powerFails && !seen.confirmed) this.#doubtful.add(placeOf(partition, offset))
    else this.#locate(seen, id, partition, offset)
    this.#order(seen)
    const again = seen.beganIn !== 0 && seen.beganIn !== this.#life
    if (again && !mayBeDuplicate) this.#violation(`${tag}: handled again, and mayBeDuplicate is not set`)
    if (seen.settled !== null) this.#repeated(seen)
    seen.beganIn = this.#life
    seen.running = true
    this.#running.add(seen)
  }

  #order(seen: Seen): void {
    const { key, tag } = seen
    if (key === null) return
    const other = this.#runningKeys.get(key)
    if (other !== undefined) this.#violation(`${tag} began while ${other} of the same key was running`)
    this.#runningKeys.set(key, tag)
    if (seen.beganIn !== 0) return
    const before = this.#begun.get(key)
    if (before !== undefined && rankOf(before.tag) >= rankOf(tag)) {
      this.#violation(`${tag} began after ${before.tag} of the same key`)
    }
    // A message waits for its predecessor's end, however many attempts that takes.
    const isKnown = !this.#powerFails && before?.beganIn === this.#life
    if (before !== undefined && before.settled === null && isKnown) {
      this.#violation(`${tag} began before ${before.tag} of the same key was done`)
    }
    this.#begun.set(key, seen)
  }

  #repeated(seen: Seen): void {
    const { tag, settledInLife, settledAgeMs: ageMs } = seen
    if (settledInLife === this.#life) {
      this.#violation(`${tag}: handled twice in one life`)
      return
    }
    if (seen.settledForGood)
      this.#violation(
        `${tag}: handled again although its end in life ${settledInLife}, ${ageMs} ms before the end of that, was safe`,
      )
    this.repetitions.push({ tag, ageMs })
  }

  #ended(seen: Seen): void {
    if (!seen.running) this.#violation(`${seen.tag}: ended without having begun`)
    seen.running = false
    this.#running.delete(seen)
    if (seen.key !== null) this.#runningKeys.delete(seen.key)
  }

  #settled(seen: Seen, how: 'handled' | 'dying', at: number): void {
    this.#ended(seen)
    if (this.#powerFails && !seen.confirmed) {
      seen.mayBeDead ||= how === 'dying'
      return
    }
    seen.settled = how
    seen.settledInLife = this.#life
    seen.settledForGood = false
    this.#settlements.push({ seen, at })
  }

  #deadLetter(report: Report & { 0: 'dead' }): void {
    const [, tag, id, partition, offset, reason] = report
    const seen = this.#known(tag)
    if (this.#dead.has(tag)) this.#violation(`${tag}: two dead letters`)
    this.#dead.add(tag)
    this.#locate(seen, id, partition, offset)
    if (reason !== `planned death of ${tag}`) this.#violation(`${tag}: died of '${reason}'`)
  }

  /** One message, one place, one id; one place, one message. */
  #locate(seen: Seen, id: string, partition: number, offset: number): void {
    const place = placeOf(partition, offset)
    if (seen.rejected === 'failed') this.#violation(`${seen.tag} was refused and is stored at ${place}`)
    const there = this.#byPlace.get(place)
    if (there !== undefined && there !== seen) this.#violation(`${place} held ${there.tag}, now ${seen.tag}`)
    if (seen.place !== null && seen.place !== place) {
      this.#violation(`${seen.tag} is stored twice, at ${seen.place} and ${place}`)
    }
    if (seen.id !== null && seen.id !== id) this.#violation(`${seen.tag} had the id ${seen.id}, now ${id}`)
    seen.place = place
    seen.id = id
    this.#byPlace.set(place, seen)
  }

  #known(tag: string): Seen {
    const seen = this.#seen.get(tag)
    if (seen !== undefined) return seen
    this.#violation(`${tag} was never sent`)
    this.#sent(tag)
    return this.#known(tag)
  }

  #violation(text: string): void {
    if (this.violations.length < maxViolations) this.violations.push(`life ${this.#life}: ${text}`)
  }
}
