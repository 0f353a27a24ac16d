import { styleText } from 'node:util'
import { describeError } from './errors.ts'
import { Progress } from './progress.ts'

/** The part of a stream that output needs: process.stdout, process.stderr, or a test's. */
export interface TextStream {
  write(text: string): boolean
  readonly isTTY?: boolean
  readonly columns?: number
}

export type Style = Parameters<typeof styleText>[0]

export interface OutputOptions {
  readonly stdout: TextStream
  readonly stderr: TextStream
  /** The result is one JSON object instead of text. */
  readonly json: boolean
  /** Errors show their stack. */
  readonly verbose: boolean
  readonly env: NodeJS.ProcessEnv
}

/** Results go to stdout, everything said to people on the way goes to stderr. */
export class Output {
  readonly json: boolean
  readonly progress: Progress
  readonly #stdout: TextStream
  readonly #stderr: TextStream
  readonly #verbose: boolean
  readonly #colour: boolean

  constructor(options: OutputOptions) {
    this.json = options.json
    this.#stdout = options.stdout
    this.#stderr = options.stderr
    this.#verbose = options.verbose
    this.#colour = (options.env.NO_COLOR ?? '') === '' && options.env.TERM !== 'dumb'
    this.progress = new Progress(options.stderr)
  }

  /** True when a person sits before stderr. */
  get interactive(): boolean {
    return this.#stderr.isTTY === true
  }

  note(text: string): void {
    this.progress.clear()
    this.#stderr.write(`${text}\n`)
  }

  warn(text: string): void {
    this.note(`${this.#paint(this.#stderr, 'yellow', 'warning:')} ${text}`)
  }

  error(error: unknown): void {
    const [first, ...rest] = describeError(error, this.#verbose)
    this.note(`${this.#paint(this.#stderr, 'red', 'error:')} ${first}`)
    for (const line of rest) this.note(`  ${line}`)
  }

  /** The result: `value` as one JSON object with --json, else the text. */
  result(value: unknown, text: (paint: Paint) => string): void {
    this.progress.clear()
    const written = this.json
      ? JSON.stringify(value)
      : text((style, part) => this.#paint(this.#stdout, style, part))
    this.#stdout.write(`${written}\n`)
  }

  /** Text for people that is not the result: always on stderr. */
  page(text: (paint: Paint) => string): void {
    this.note(text((style, part) => this.#paint(this.#stderr, style, part)))
  }

  #paint(stream: TextStream, style: Style, text: string): string {
    return this.#colour && stream.isTTY === true ? styleText(style, text, { validateStream: false }) : text
  }
}

/** Colours a part of a text, where the stream it goes to shows colours. */
export type Paint = (style: Style, text: string) => string
