import type { Delivery } from '../../src/core/engine.ts'
import { GroupModel } from './group-model.ts'
import type { ModelMessage } from './message.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** What must be true of one topic: which message lies at which place. */
export class TopicModel {
  readonly world: World
  readonly name: string
  readonly partitions: number
  readonly groups: GroupModel[] = []
  /** Messages handed to `send`. */
  sent = 0
  /** By partition and offset, where known. */
  readonly places: (ModelMessage | undefined)[][]
  readonly #partitionOfKey = new Map<string, number>()

  constructor(world: World, name: string, partitions: number) {
    this.world = world
    this.name = name
    this.partitions = partitions
    this.places = Array.from({ length: partitions }, () => [])
  }

  addGroup(name: string): GroupModel {
    const group = new GroupModel(this, name)
    this.groups.push(group)
    return group
  }

  /** Somebody saw the message there; from now on it is there and nowhere else. */
  place(message: ModelMessage, partition: number, offset: number): void {
    if (message.offset === offset && message.partition === partition) return
    const there = `${this.name} ${partition}@${offset}`
    if (message.offset >= 0) {
      throw new Violation('stored-once', `${message.describe()} is also stored at ${there}`)
    }
    const places = this.places[partition]
    if (places === undefined) throw new Violation('not-mangled', `${there}: there is no such partition`)
    const other = places[offset]
    if (other !== undefined) {
      throw new Violation(
        'offsets-dense',
        `${there} was given to ${message.describe()} and to ${other.describe()}`,
      )
    }
    if (message.key !== null) {
      const known = this.#partitionOfKey.get(message.key)
      if (known !== undefined && known !== partition) {
        throw new Violation(
          'key-order',
          `key '${message.key}' is in partition ${known} and, with ${there}, in another`,
        )
      }
      this.#partitionOfKey.set(message.key, partition)
    }
    if (message.state === 'unknown') this.world.marks.hit('message of unknown outcome found')
    places[offset] = message
    message.partition = partition
    message.offset = offset
  }

  /** What a consumer got, or a reader of dead letters, must be what was sent. */
  compare(
    message: ModelMessage,
    found: Pick<Delivery, 'key' | 'headers' | 'body' | 'codec' | 'sentAtMs'>,
  ): void {
    const wrong =
      found.key !== message.key
        ? `key '${found.key}'`
        : !sameBody(found.body, message.body)
          ? `body of ${found.body.length} instead of ${message.body.length}`
          : found.codec !== message.codec
            ? `codec ${found.codec}`
            : found.sentAtMs !== message.sentAtMs
              ? `time ${found.sentAtMs} instead of ${message.sentAtMs}`
              : !sameHeaders(found.headers, message.headers ?? {})
                ? `headers ${JSON.stringify(found.headers)}`
                : null
    if (wrong !== null) throw new Violation('not-mangled', `${message.describe()} came back with ${wrong}`)
  }

  /** At the end of all, when every group had everything: no hole is left. */
  checkDense(): void {
    this.places.forEach((places, partition) => {
      for (let offset = 0; offset < places.length; offset++) {
        if (places[offset] === undefined) {
          throw new Violation(
            'offsets-dense',
            `${this.name} ${partition}@${offset} is empty, later offsets are not`,
          )
        }
      }
    })
  }
}

function sameBody(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}

function sameHeaders(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  let count = 0
  for (const name in b) {
    if (a[name] !== b[name]) return false
    count++
  }
  return Object.keys(a).length === count
}
