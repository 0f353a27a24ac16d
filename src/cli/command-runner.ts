import { type ChildProcess, spawn } from 'node:child_process'
import type { Message } from '../core/message.ts'
import { messageToJson } from './message-json.ts'

/** How long a command may take to end after it was asked to. */
const graceMs = 5000
const keptErrorBytes = 2048

/** The command for a message did not end with exit code 0. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

export interface CommandRunnerOptions {
  /** Run by the shell. */
  readonly command: string
  readonly group: string
  /** File descriptor that the command's stdout goes to. */
  readonly stdout: number
  /** Gets what the command writes to stderr. */
  readonly onError: (chunk: Buffer) => void
  readonly graceMs?: number
}

/** Runs one shell command per message: the message on stdin, its fields in the environment. */
export class CommandRunner {
  readonly #options: CommandRunnerOptions
  readonly #running = new Set<ChildProcess>()

  constructor(options: CommandRunnerOptions) {
    this.#options = options
  }

  /** Resolves on exit code 0. When `signal` is aborted the command is asked to end, then made to. */
  async run(message: Message, attempt: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const child = spawn(this.#options.command, {
      shell: true,
      // A process group of its own: a terminal's Ctrl-C drains instead of killing the work, and all of it can be ended.
      detached: true,
      stdio: ['pipe', this.#options.stdout, 'pipe'],
      env: { ...process.env, ...environment(message, this.#options.group, attempt) },
    })
    this.#running.add(child)
    const stop = () => this.#stop(child)
    signal.addEventListener('abort', stop, { once: true })
    try {
      await this.#finished(child, messageToJson(message))
    } finally {
      signal.removeEventListener('abort', stop)
      this.#running.delete(child)
    }
  }

  /** Ends every running command at once. Synchronous. */
  kill(): void {
    for (const child of this.#running) signalGroup(child, 'SIGKILL')
  }

  #finished(child: ChildProcess, input: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let said = Buffer.alloc(0)
      child.stderr?.on('data', (chunk: Buffer) => {
        this.#options.onError(chunk)
        said = Buffer.concat([said, chunk]).subarray(-keptErrorBytes)
      })
      child.once('error', reject)
      child.once('close', (code, signal) => {
        if (code === 0) return resolve()
        const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`
        const words = said.toString('utf8').trim()
        reject(new CommandFailed(`the command ${how}${words === '' ? '' : `: ${words}`}`))
      })
      // A command that does not read its input is fine: its exit code decides.
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input)
    })
  }

  #stop(child: ChildProcess): void {
    signalGroup(child, 'SIGTERM')
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), this.#options.graceMs ?? graceMs)
    child.once('close', () => clearTimeout(timer))
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended already.
  }
}

function environment(message: Message, group: string, attempt: number): Record<string, string> {
  const all: Record<string, string | undefined> = {
    HOLDFAST_ID: message.id,
    HOLDFAST_TOPIC: message.topic,
    HOLDFAST_GROUP: group,
    HOLDFAST_PARTITION: String(message.partition),
    HOLDFAST_OFFSET: message.offset === undefined ? undefined : String(message.offset),
    HOLDFAST_KEY: message.key ?? undefined,
    HOLDFAST_ATTEMPT: String(attempt),
    HOLDFAST_SENT_AT_MS: String(message.sentAtMs),
    HOLDFAST_MAY_BE_DUPLICATE: message.mayBeDuplicate ? '1' : '0',
  }
  // The environment cannot carry a zero byte; such a key or id is in the JSON on stdin only.
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1]?.includes('\0') === false),
  )
}
