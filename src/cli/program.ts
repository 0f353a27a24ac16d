import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import type { Attach, CommonOptions } from './command.ts'
import { addConsume } from './commands/consume.ts'
import { addDeadLetters } from './commands/dead-letters.ts'
import { addDemo } from './commands/demo.ts'
import { addGroups } from './commands/groups.ts'
import { addProduce } from './commands/produce.ts'
import { addTopics } from './commands/topics.ts'
import { addVerify } from './commands/verify.ts'
import { UsageError } from './errors.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import { keepAlive } from './keep-alive.ts'
import { Output } from './output.ts'
import { Shutdown } from './shutdown.ts'

const after = `
The URL of a store: file:./data (a directory), or just ./data.
Exit codes: 0 done and everything confirmed, 1 failed, 2 wrong usage, 3 ended with messages left pending.
Environment: HOLDFAST_URL, HOLDFAST_DEBUG=1 (as --verbose), NO_COLOR.`

/** Runs one command line and returns the exit code; never rejects. */
export async function run(argv: readonly string[]): Promise<ExitCode> {
  ignoreClosedPipes()
  let code: ExitCode = exitCode.done
  const attach: Attach = (command, body) => {
    command
      .option('--json', 'print the result as one JSON object')
      .option('--verbose', 'show where an error happened')
      .action(async () => {
        const options = command.opts()
        code = await supervised(options, (context) => body(context, options as never, command.args))
      })
  }
  try {
    await define(attach).parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Commander has printed help, version or the mistake.
    code = error.exitCode === 0 ? exitCode.done : exitCode.usage
  }
  return code
}

function define(attach: Attach): Command {
  const program = new Command('holdfast')
    .description('Messages that must not be lost.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', after)
    .showHelpAfterError('Use --help to see what is possible.')
    .exitOverride()
  addDemo(program, attach)
  addProduce(program, attach)
  addConsume(program, attach)
  addTopics(program, attach)
  addGroups(program, attach)
  addDeadLetters(program, attach)
  addVerify(program, attach)
  return program
}

async function supervised(
  options: CommonOptions,
  body: (context: { output: Output; shutdown: Shutdown }) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { stdout, stderr, env } = process
  const verbose = options.verbose === true || env.HOLDFAST_DEBUG === '1'
  const output = new Output({ stdout, stderr, env, verbose, json: options.json === true })
  const shutdown = new Shutdown(process, (signal) =>
    output.note(`${signal}: finishing what is in hand; once more to stop at once`),
  )
  try {
    return await keepAlive(() => body({ output, shutdown }))
  } catch (error) {
    output.error(error)
    return error instanceof UsageError ? exitCode.usage : exitCode.failed
  } finally {
    output.progress.clear()
    shutdown.dispose()
  }
}

/** `holdfast topics list | head -1` is no mistake; what must not be lost is written by LineWriter, which looks. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
