import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { type Attach, type CommonOptions, type Context, wholeNumber } from '../command.ts'
import { type Balance, drawBalance, isBalanced } from '../demo/balance.ts'
import { Clicks } from '../demo/clicks.ts'
import { demoFiles } from '../demo/files.ts'
import { drawSheet } from '../demo/sheet.ts'
import { Story } from '../demo/supervisor.ts'
import { UsageError } from '../errors.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { count } from '../format.ts'

interface DemoOptions extends CommonOptions {
  readonly messages: number
  readonly kills: number
  readonly seed?: number
  readonly unsafe?: boolean
  readonly keep?: boolean
}

/** Fewer would be over before a kill finds enough of them unfinished. */
const minMessagesPerKill = 4000
const plainProgressMs = 1000
const barWidth = 12

export function addDemo(program: Command, attach: Attach): void {
  attach<DemoOptions>(
    program
      .command('demo')
      .description(
        'bill clicks while the process that does it is killed again and again, then draw the balance',
      )
      .option('--messages <n>', 'clicks to send and bill', wholeNumber(1, 20_000_000), 100_000)
      .option('--kills <k>', 'how often the process is killed (SIGKILL)', wholeNumber(0, 1000), 5)
      .option('--seed <s>', 'the same clicks and kill moments again', wholeNumber(0, 2 ** 31 - 1))
      .option('--unsafe', 'the same story with the usual mistakes, and what they cost')
      .option('--keep', 'leave the directory with the store and the books'),
    demo,
  )
}

async function demo(context: Context, options: DemoOptions): Promise<ExitCode> {
  const { messages, kills } = options
  if (messages < kills * minMessagesPerKill) {
    throw new UsageError(
      `${count(kills)} kills need at least ${count(kills * minMessagesPerKill)} messages: ` +
        'give more --messages or fewer --kills',
    )
  }
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
  context.output.note(`directory: ${directory}`)
  let code: ExitCode = exitCode.failed
  try {
    code = await tell(context, options, directory)
  } finally {
    if (code === exitCode.done && options.keep !== true) await rm(directory, { recursive: true, force: true })
    else context.output.note(`kept: ${directory}`)
  }
  return code
}

async function tell(
  { output, shutdown }: Context,
  options: DemoOptions,
  directory: string,
): Promise<ExitCode> {
  const unsafe = options.unsafe === true
  const seed = options.seed ?? randomInt(2 ** 31)
  const startedAt = performance.now()
  const story = new Story({
    kind: unsafe ? 'unsafe-worker' : 'worker',
    directory,
    seed,
    clicks: options.messages,
    kills: options.kills,
    signal: shutdown.signal,
    onProgress: showProgress(output, options),
  })
  const forget = shutdown.beforeForce(() => story.abandon())
  try {
    await story.run()
  } finally {
    forget()
  }
  const result = {
    unsafe,
    seed,
    balance: await balanceOf(story, seed, directory, unsafe),
    kills: story.kills,
    elapsedMs: Math.round(performance.now() - startedAt),
    complete: story.tally.sent === options.messages,
  }
  const balanced = isBalanced(result.balance)
  if (output.json) output.page((paint) => drawSheet(result, paint))
  output.result({ ok: balanced, ...result }, (paint) => drawSheet(result, paint))
  // The mistakes are there to be seen: showing what they cost is what was asked for.
  return balanced || unsafe ? exitCode.done : exitCode.failed
}

async function balanceOf(story: Story, seed: number, directory: string, unsafe: boolean): Promise<Balance> {
  // Loaded late: no other command needs SQLite.
  const { Ledger } = await import('../demo/ledger.ts')
  const clicks = new Clicks(seed)
  const ledger = new Ledger(demoFiles.ledger(directory), { oncePerMessage: !unsafe })
  try {
    return drawBalance({
      sent: story.tally.sent,
      click: (number) => clicks.get(number),
      isConfirmed: (number) => story.tally.isConfirmed(number),
      charges: ledger.charges(),
      suppressed: ledger.suppressed(),
    })
  } finally {
    ledger.close()
  }
}

/** A live line on a terminal; elsewhere a line a second. */
function showProgress(output: Context['output'], options: DemoOptions): (story: Story) => void {
  let plainAt = performance.now()
  return (story) => {
    const text = () =>
      `sent ${count(story.tally.sent)}  confirmed ${count(story.tally.confirmed)}  ` +
      `handled ${count(story.tally.handled)}  kills ${story.landed}/${options.kills}`
    if (output.interactive) {
      output.progress.show(() => `${bar(story.tally.confirmed / options.messages)}  ${text()}`)
    } else if (performance.now() - plainAt >= plainProgressMs) {
      plainAt = performance.now()
      output.note(text())
    }
  }
}

function bar(share: number): string {
  const full = Math.round(share * barWidth)
  return '█'.repeat(full) + '░'.repeat(barWidth - full)
}
