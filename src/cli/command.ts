import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ExitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import type { Shutdown } from './shutdown.ts'

/** What every command gets. */
export interface Context {
  readonly output: Output
  readonly shutdown: Shutdown
}

/** Options every command has. */
export interface CommonOptions {
  readonly json?: boolean
  readonly verbose?: boolean
}

/** Options of commands that open a store. */
export interface StoreOptions extends CommonOptions {
  readonly url: string
}

/** What a command does, apart from how it is called. */
export type Body<Options extends CommonOptions> = (
  context: Context,
  options: Options,
  args: readonly string[],
) => Promise<ExitCode>

/** Gives `command` its body; the program supplies the context and turns errors into exit codes. */
export type Attach = <Options extends CommonOptions>(command: Command, body: Body<Options>) => void

export function urlOption(): Option {
  return new Option('--url <url>', 'where the messages are').env('HOLDFAST_URL').default('file:./data')
}

/** A parser for a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    }
    return value
  }
}
