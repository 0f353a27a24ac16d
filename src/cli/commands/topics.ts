import type { Command } from 'commander'
import type { TopicInfo } from '../../core/engine.ts'
import { type Attach, type StoreOptions, urlOption } from '../command.ts'
import { withHoldfast } from '../connection.ts'
import { exitCode } from '../exit-code.ts'
import { bytes, count, time } from '../format.ts'
import { table } from '../table.ts'

export function addTopics(program: Command, attach: Attach): void {
  const topics = program.command('topics').description('list and show topics').helpCommand(false)

  attach<StoreOptions>(
    topics.command('list').description('all topics of a store').addOption(urlOption()),
    async ({ output }, options) => {
      const list = await withHoldfast(options.url, { createIfMissing: false }, (holdfast) =>
        holdfast.topics.list(),
      )
      output.result({ topics: list }, () => topicTable(list))
      return exitCode.done
    },
  )

  attach<StoreOptions>(
    topics.command('show').argument('<topic>', 'its name').description('one topic').addOption(urlOption()),
    async ({ output }, options, [topic = '']) => {
      const info = await withHoldfast(options.url, { createIfMissing: false }, (holdfast) =>
        holdfast.topics.get(topic),
      )
      output.result(info, () => topicPage(info))
      return exitCode.done
    },
  )
}

export function topicTable(topics: readonly TopicInfo[]): string {
  if (topics.length === 0) return 'no topics'
  return table(
    [
      { title: 'TOPIC' },
      { title: 'PARTITIONS', align: 'right' },
      { title: 'MESSAGES', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'GROUPS' },
    ],
    topics.map((topic) => [
      topic.topic,
      count(topic.partitions),
      count(topic.messages),
      bytes(topic.bytes),
      topic.groups.length === 0 ? '-' : topic.groups.join(', '),
    ]),
  )
}

export function topicPage(topic: TopicInfo): string {
  return table(
    [{ title: 'topic' }, { title: topic.topic }],
    [
      ['partitions', count(topic.partitions)],
      ['messages', count(topic.messages)],
      ['size', bytes(topic.bytes)],
      ['size limit', topic.maxBytes === null ? 'none' : bytes(topic.maxBytes)],
      ['kept', topic.retentionMs === 0 ? 'until handled' : `${count(topic.retentionMs)} ms at least`],
      ['created', time(topic.createdAtMs)],
      ['groups', topic.groups.length === 0 ? 'none: it keeps everything' : topic.groups.join(', ')],
    ],
  )
}
