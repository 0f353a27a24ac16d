import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import { type Attach, type Context, type StoreOptions, urlOption } from '../command.ts'
import { withHoldfast } from '../connection.ts'
import { UsageError } from '../errors.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { count, duration, plural } from '../format.ts'
import { LineSender, type SendReport } from '../line-sender.ts'
import { untilAborted } from '../until-aborted.ts'

interface ProduceOptions extends StoreOptions {
  readonly raw?: boolean
  readonly key?: string
  readonly id?: string
  readonly strict?: boolean
}

const readBytes = 256 * 1024

export function addProduce(program: Command, attach: Attach): void {
  attach<ProduceOptions>(
    program
      .command('produce')
      .argument('<topic>', 'the topic to send to; created when it is new')
      .argument('[file]', "one message a line; '-' or nothing: standard input")
      .description('send one message for each line, and wait until each is confirmed')
      .option('--raw', 'the bytes of a line are the body (default: each line is JSON)')
      .option('--key <field>', 'field that holds the key: same key, same order')
      .option('--id <field>', 'field that holds your id of the message')
      .option('--strict', 'stop at the first broken line (default: name it, keep it out, send the rest)')
      .addOption(urlOption()),
    produce,
  )
}

async function produce(
  context: Context,
  options: ProduceOptions,
  [topic = '', file = '-']: readonly string[],
): Promise<ExitCode> {
  if (options.raw === true && (options.key !== undefined || options.id !== undefined)) {
    throw new UsageError('--raw lines have no fields: leave out --key and --id')
  }
  // Before the store: a mistyped file name must not create one.
  const input = await openInput(context, file)
  const startedAt = performance.now()
  const report = await sendAll(context, options, topic, input).finally(() => {
    // A terminal or pipe that still has input must not keep a finished process alive.
    if (file === '-') process.stdin.destroy()
  })
  const elapsedMs = performance.now() - startedAt
  context.output.result({ topic, ...report, elapsedMs: Math.round(elapsedMs) }, () =>
    summary(report, topic, elapsedMs),
  )
  return verdict(report)
}

function sendAll(
  context: Context,
  options: ProduceOptions,
  topic: string,
  input: AsyncIterable<Uint8Array>,
): Promise<SendReport> {
  const startedAt = performance.now()
  return withHoldfast(options.url, { createIfMissing: true }, async (holdfast) => {
    const producer = await holdfast.producer()
    const sender = new LineSender({
      send: (message) => producer.send({ ...message, topic }),
      format: { raw: options.raw === true, keyField: options.key, idField: options.id },
      strict: options.strict === true,
      onProblem: ({ line, problem }) => context.output.note(`line ${line}: ${problem}`),
      onProgress: ({ confirmed }) =>
        context.output.progress.show(() => `${count(confirmed)} confirmed ${rate(confirmed, startedAt)}`),
    })
    return sender.run(untilAborted(input, context.shutdown.signal), context.shutdown.signal)
  })
}

async function openInput(context: Context, file: string): Promise<AsyncIterable<Uint8Array>> {
  if (file !== '-') return (await open(file)).createReadStream({ highWaterMark: readBytes })
  if (process.stdin.isTTY)
    context.output.note('reading from the terminal, one message a line; Ctrl-D ends it')
  return process.stdin
}

export function verdict(report: SendReport): ExitCode {
  if (report.failed > 0) return exitCode.failed
  return report.pending > 0 || !report.complete ? exitCode.pending : exitCode.done
}

function summary(report: SendReport, topic: string, elapsedMs: number): string {
  const lines = [`${plural(report.confirmed, 'message')} confirmed in '${topic}' (${duration(elapsedMs)})`]
  if (report.duplicates > 0)
    lines.push(`${plural(report.duplicates, 'message')} of them had been sent before`)
  if (report.failed > 0) lines.push(`${plural(report.failed, 'line')} not sent: see above`)
  if (report.pending > 0) {
    lines.push(
      `${plural(report.pending, 'line')} with an unknown outcome: repeat them only with the same --id`,
    )
  }
  if (!report.complete) lines.push(`stopped after line ${count(report.lines)}: what follows was not sent`)
  return lines.join('\n')
}

function rate(messages: number, startedAt: number): string {
  const seconds = (performance.now() - startedAt) / 1000
  return seconds < 0.5 ? '' : `(${count(messages / seconds)}/s)`
}
