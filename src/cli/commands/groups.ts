import type { Command } from 'commander'
import type { GroupInfo } from '../../core/engine.ts'
import { type Attach, type StoreOptions, urlOption } from '../command.ts'
import { withHoldfast } from '../connection.ts'
import { exitCode } from '../exit-code.ts'
import { count, time } from '../format.ts'
import { table } from '../table.ts'

export function addGroups(program: Command, attach: Attach): void {
  const groups = program.command('groups').description('list and show consumer groups').helpCommand(false)

  attach<StoreOptions>(
    groups
      .command('list')
      .argument('[topic]', 'only the groups of this topic')
      .description('groups and how far behind they are')
      .addOption(urlOption()),
    async ({ output }, options, [topic]) => {
      const list = await withHoldfast(options.url, { createIfMissing: false }, (holdfast) =>
        holdfast.groups.list(topic),
      )
      output.result({ groups: list }, () => groupTable(list))
      return exitCode.done
    },
  )

  attach<StoreOptions>(
    groups
      .command('show')
      .argument('<topic>', 'its topic')
      .argument('<group>', 'its name')
      .description('one group, partition by partition')
      .addOption(urlOption()),
    async ({ output }, options, [topic = '', group = '']) => {
      const info = await withHoldfast(options.url, { createIfMissing: false }, (holdfast) =>
        holdfast.groups.get(topic, group),
      )
      output.result(info, () => groupPage(info))
      return exitCode.done
    },
  )
}

export function groupTable(groups: readonly GroupInfo[]): string {
  if (groups.length === 0) return 'no groups'
  return table(
    [
      { title: 'TOPIC' },
      { title: 'GROUP' },
      { title: 'ORDER' },
      { title: 'LAG', align: 'right' },
      { title: 'RETRYING', align: 'right' },
      { title: 'DEAD', align: 'right' },
    ],
    groups.map((group) => [
      group.topic,
      group.group,
      group.order,
      count(group.lag),
      count(group.retrying),
      count(group.dead),
    ]),
  )
}

export function groupPage(group: GroupInfo): string {
  const summary = table(
    [{ title: 'topic' }, { title: group.topic }],
    [
      ['group', group.group],
      ['order', group.order],
      ['created', time(group.createdAtMs)],
      ['lag', count(group.lag)],
      ['retrying', count(group.retrying)],
      ['dead', count(group.dead)],
    ],
  )
  const partitions = table(
    [
      { title: 'PARTITION', align: 'right' },
      { title: 'SETTLED BELOW', align: 'right' },
      { title: 'END', align: 'right' },
      { title: 'LAG', align: 'right' },
      { title: 'RETRYING', align: 'right' },
    ],
    group.partitions.map((partition) => [
      count(partition.partition),
      count(partition.floor),
      count(partition.end),
      count(partition.lag),
      count(partition.retrying),
    ]),
  )
  return `${summary}\n\n${partitions}`
}
