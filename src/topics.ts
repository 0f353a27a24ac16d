import type { Engine, GroupInfo, GroupOptions, TopicInfo, TopicOptions } from './core/engine.ts'
import { HoldfastError } from './core/errors.ts'
import { checkGroupName, checkTopicName, didYouMean } from './core/names.ts'
import { defineOptions, integer, oneOf } from './core/options.ts'

const yearMs = 365 * 86_400_000

/** The one list of what `topics.create` takes. */
export const topicOptions = defineOptions({
  partitions: integer({
    about: 'how many keys apart; fixed at creation; default: the engine’s',
    min: 1,
    max: 1024,
    optional: true,
  }),
  retentionMs: integer({
    about: 'keep handled messages at least so long',
    min: 0,
    max: 100 * yearMs,
    unit: 'ms',
    optional: true,
  }),
  maxBytes: integer({
    about: 'refuse sends beyond so many stored bytes; default: no limit',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    unit: 'bytes',
    optional: true,
  }),
})

/** The one list of what `groups.create` takes. */
export const groupOptions = defineOptions({
  order: oneOf(['key', 'none'], { about: 'what order handlers see; fixed at creation', default: 'key' }),
})

/** Topics of a store. */
export class Topics {
  readonly #engine: () => Engine

  /** `engine` throws when the store is closed. */
  constructor(engine: () => Engine) {
    this.#engine = engine
  }

  /**
   * Creates a topic. Nothing happens when it exists with the same settings. Where topics are made by their first use this is
   * only for other settings than the defaults.
   *
   * @throws HoldfastError `topic_mismatch` when it exists with other settings; `invalid_name`; `invalid_option`.
   */
  async create(topic: string, options: TopicOptions = {}): Promise<void> {
    checkTopicName(topic)
    await this.#engine().createTopic(topic, topicOptions.parse(options, 'topics.create'))
  }

  async list(): Promise<TopicInfo[]> {
    return this.#engine().topics()
  }

  /** @throws HoldfastError `unknown_topic` */
  async get(topic: string): Promise<TopicInfo> {
    const topics = await this.list()
    const found = topics.find((info) => info.topic === topic)
    if (found !== undefined) return found
    throw unknownTopic(
      topic,
      topics.map((info) => info.topic),
    )
  }
}

/** Groups of a store's topics. */
export class Groups {
  readonly #engine: () => Engine

  /** `engine` throws when the store is closed. */
  constructor(engine: () => Engine) {
    this.#engine = engine
  }

  /**
   * Creates a group: from now on the topic keeps for it what it has not handled. Nothing happens when it exists with the
   * same settings. `consume` creates its group by itself.
   *
   * @throws HoldfastError `group_mismatch` when it exists with other settings; `unsupported`, `invalid_name`, `invalid_option`.
   */
  async create(topic: string, group: string, options: GroupOptions = {}): Promise<void> {
    checkTopicName(topic)
    checkGroupName(group)
    const settings = groupOptions.parse(options, 'groups.create')
    const engine = this.#engine()
    if (!engine.capabilities.order.includes(settings.order)) {
      throw new HoldfastError('unsupported', `groups.create: this engine has no order '${settings.order}'`)
    }
    await engine.createGroup(topic, group, settings)
  }

  /** Groups of one topic, or of all. */
  async list(topic?: string): Promise<GroupInfo[]> {
    return this.#engine().groups(topic)
  }

  /** @throws HoldfastError `unknown_group` */
  async get(topic: string, group: string): Promise<GroupInfo> {
    const groups = await this.list(topic)
    const found = groups.find((info) => info.topic === topic && info.group === group)
    if (found !== undefined) return found
    const known = groups.map((info) => info.group)
    throw new HoldfastError(
      'unknown_group',
      `topic '${topic}' has no group '${group}'${didYouMean(group, known)}`,
    )
  }
}

function unknownTopic(topic: string, known: readonly string[]): HoldfastError {
  return new HoldfastError('unknown_topic', `there is no topic '${topic}'${didYouMean(topic, known)}`, {
    outcome: 'none',
    topic,
  })
}
