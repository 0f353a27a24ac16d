import type { Command } from 'commander'
import type { DeadLetterView } from '../../index.ts'
import { type Attach, type StoreOptions, urlOption, wholeNumber } from '../command.ts'
import { withHoldfast } from '../connection.ts'
import { exitCode } from '../exit-code.ts'
import { oneLine, time } from '../format.ts'
import { bodyToJson } from '../message-json.ts'
import { table } from '../table.ts'

interface DeadLettersOptions extends StoreOptions {
  readonly group: string
  readonly limit: number
}

export function addDeadLetters(program: Command, attach: Attach): void {
  attach<DeadLettersOptions>(
    program
      .command('dead-letters')
      .argument('<topic>', 'the topic they were sent to')
      .description('list the messages a group gave up on, oldest first, and why')
      .requiredOption('--group <group>', 'the group that gave up')
      .option('--limit <n>', 'list so many at most', wholeNumber(1, 1_000_000), 1000)
      .addOption(urlOption()),
    async ({ output }, options, [topic = '']) => {
      const letters: DeadLetterView[] = []
      let more = false
      await withHoldfast(options.url, { createIfMissing: false }, async (holdfast) => {
        for await (const letter of holdfast.deadLetters(topic, options.group)) {
          more = letters.length === options.limit
          if (more) break
          letters.push(letter)
        }
      })
      output.result(
        {
          topic,
          group: options.group,
          more,
          deadLetters: letters.map((letter) => ({ ...letter, ...bodyToJson(letter.body) })),
        },
        () => deadLetterTable(letters),
      )
      if (more) output.note(`there are more than ${options.limit}; --limit shows more`)
      return exitCode.done
    },
  )
}

export function deadLetterTable(
  letters: readonly Pick<DeadLetterView, 'id' | 'key' | 'attempts' | 'lastFailureMs' | 'reason'>[],
): string {
  if (letters.length === 0) return 'no dead letters'
  return table(
    [
      { title: 'ID' },
      { title: 'KEY' },
      { title: 'ATTEMPTS', align: 'right' },
      { title: 'LAST FAILURE' },
      { title: 'REASON' },
    ],
    letters.map((letter) => [
      oneLine(letter.id, 48),
      letter.key === null ? '-' : oneLine(letter.key, 24),
      String(letter.attempts),
      time(letter.lastFailureMs),
      oneLine(letter.reason, 100),
    ]),
  )
}
