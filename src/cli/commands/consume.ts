import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { GroupInfo } from '../../core/engine.ts'
import type { Message } from '../../core/message.ts'
import type { CloseReport, Context as HandlerContext, Holdfast, Retry } from '../../index.ts'
import { type Attach, type Context, type StoreOptions, urlOption, wholeNumber } from '../command.ts'
import { CommandRunner } from '../command-runner.ts'
import { withHoldfast } from '../connection.ts'
import { UsageError } from '../errors.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { count, duration, plural } from '../format.ts'
import { descriptorSink, LineWriter, OutputClosed } from '../line-writer.ts'
import { messageToJson } from '../message-json.ts'
import { Quota } from '../quota.ts'

interface ConsumeOptions extends StoreOptions {
  readonly group: string
  readonly exec?: string
  readonly untilEmpty?: boolean
  readonly max?: number
  readonly concurrency: number
}

const stdout = 1
const stderr = 2
const emptyPollMs = 50

export function addConsume(program: Command, attach: Attach): void {
  attach<ConsumeOptions>(
    program
      .command('consume')
      .argument('<topic>', 'the topic to consume')
      .description('handle the messages of a topic: run a command for each, or print them')
      .requiredOption('--group <group>', 'the consumer group; created when it is new')
      .option('--exec <command>', 'run it for each message, with the message on stdin and in HOLDFAST_*')
      .option('--until-empty', 'end when the group has handled everything')
      .option('--max <n>', 'end after so many messages', wholeNumber(1, Number.MAX_SAFE_INTEGER))
      .option('--concurrency <n>', 'so many at a time, one per key', wholeNumber(1, 10_000), 1)
      .addOption(urlOption())
      .addHelpText(
        'after',
        `
With --exec a message is acknowledged when the command ends with exit code 0; otherwise it is tried again with
backoff, and is a dead letter after six attempts. Recommended, because then handled means handled.
Without it messages are printed as NDJSON and acknowledged when standard output took them: a pipe taking a
message is not somebody handling it.`,
      ),
    consume,
  )
}

async function consume(
  context: Context,
  options: ConsumeOptions,
  [topic = '']: readonly string[],
): Promise<ExitCode> {
  if (options.json === true && options.exec === undefined) {
    throw new UsageError('--json needs --exec: without it standard output holds the messages')
  }
  // No other process can fill a store that this one has open, so a missing one would stay empty for ever.
  return withHoldfast(options.url, { createIfMissing: false }, (holdfast) =>
    new ConsumeRun(context, options, topic, holdfast).run(),
  )
}

type RetryClass = typeof Retry

/** Why a run ended. */
type End = 'signal' | 'max' | 'empty' | 'output closed' | 'failed'

class ConsumeRun {
  readonly #context: Context
  readonly #options: ConsumeOptions
  readonly #topic: string
  readonly #holdfast: Holdfast
  readonly #quota: Quota
  readonly #handle: (message: Message, attempt: number, signal: AbortSignal) => Promise<void>
  readonly #runner: CommandRunner | null
  readonly #startedAt = performance.now()
  readonly #ended = Promise.withResolvers<End>()
  #over = false
  #failure: Error | null = null

  constructor(context: Context, options: ConsumeOptions, topic: string, holdfast: Holdfast) {
    this.#context = context
    this.#options = options
    this.#topic = topic
    this.#holdfast = holdfast
    this.#quota = new Quota(options.max ?? Number.POSITIVE_INFINITY)
    this.#runner = options.exec === undefined ? null : this.#createRunner(options.exec)
    const writer = new LineWriter(descriptorSink(stdout))
    const runner = this.#runner
    this.#handle =
      runner === null
        ? (message) => writer.write(messageToJson(message))
        : (message, attempt, signal) => runner.run(message, attempt, signal)
  }

  async run(): Promise<ExitCode> {
    const { shutdown } = this.#context
    const deadBefore = await this.#dead()
    const { Retry } = await import('../../index.ts')
    const consumer = await this.#holdfast.consume(
      { topic: this.#topic, group: this.#options.group, concurrency: this.#options.concurrency },
      (message, handler) => this.#one(message, handler, Retry),
    )
    const forget = shutdown.beforeForce(() => this.#runner?.kill())
    void shutdown.wait().then(() => this.#end('signal'))
    void consumer.closed.then(({ error }) => this.#failed(error))
    if (this.#options.untilEmpty === true) this.#watch().catch((error: Error) => this.#failed(error))
    try {
      const end = await this.#ended.promise
      consumer.pause()
      // Whoever closed the output takes nothing any more: waiting would change nothing.
      const report = await consumer.close(end === 'output closed' ? { timeoutMs: 0 } : {})
      if (this.#failure !== null) throw this.#failure
      return await this.#finish(end, report, deadBefore)
    } finally {
      forget()
    }
  }

  async #one(message: Message, handler: HandlerContext, Retry: RetryClass): Promise<void> {
    const { output } = this.#context
    if (!this.#quota.start()) throw new Retry({ countsAsAttempt: false, afterMs: emptyPollMs })
    // Before the work: this consumer must not start another message for a quota that is used up.
    if (this.#quota.taken) handler.consumer.pause()
    try {
      await this.#handle(message, handler.attempt, handler.signal)
      this.#quota.succeeded()
    } catch (error) {
      this.#quota.failed()
      if (error instanceof OutputClosed) {
        this.#end('output closed')
        handler.consumer.pause()
        throw new Retry({ countsAsAttempt: false, cause: error })
      }
      if (!this.#over) handler.consumer.resume()
      throw error
    }
    if (this.#quota.reached) this.#end('max')
    if (this.#runner !== null) output.progress.show(() => `${count(this.#quota.done)} handled`)
  }

  #end(end: End): void {
    this.#over = true
    this.#ended.resolve(end)
  }

  #failed(error: Error | null): void {
    this.#failure ??= error
    this.#end('failed')
  }

  /** Asks until nothing is left, or the run ended for another reason. */
  async #watch(): Promise<void> {
    while (!this.#over) {
      const group = await this.#holdfast.groups.get(this.#topic, this.#options.group)
      if (group.lag === 0) this.#end('empty')
      else await sleep(emptyPollMs)
    }
  }

  async #dead(): Promise<number> {
    const groups: GroupInfo[] = await this.#holdfast.groups.list()
    const mine = groups.find((one) => one.topic === this.#topic && one.group === this.#options.group)
    return mine?.dead ?? 0
  }

  async #finish(end: End, report: CloseReport, deadBefore: number): Promise<ExitCode> {
    const { output } = this.#context
    const dead = (await this.#dead()) - deadBefore
    const handled = this.#quota.done
    const elapsedMs = Math.round(performance.now() - this.#startedAt)
    const text = `${plural(handled, 'message')} handled (${duration(elapsedMs)})`
    const result = { topic: this.#topic, group: this.#options.group, handled, dead, ended: end, elapsedMs }
    if (output.json) output.result({ ...result, unfinished: report.unfinished }, () => text)
    else output.note(text)
    if (dead > 0) {
      const command = `holdfast dead-letters ${this.#topic} --group ${this.#options.group}`
      output.warn(`${plural(dead, 'message')} given up as dead letters; see: ${command}`)
    }
    if (report.unfinished > 0 && end !== 'output closed' && end !== 'max') {
      output.warn(`${plural(report.unfinished, 'message')} not finished; they will be delivered again`)
      return exitCode.pending
    }
    return exitCode.done
  }

  #createRunner(command: string): CommandRunner {
    return new CommandRunner({
      command,
      group: this.#options.group,
      // With --json stdout belongs to the result.
      stdout: this.#options.json === true ? stderr : stdout,
      onError: (chunk) => {
        this.#context.output.progress.clear()
        process.stderr.write(chunk)
      },
    })
  }
}
