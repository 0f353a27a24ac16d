import { describeError } from '../errors.ts'
import { keepAlive } from '../keep-alive.ts'

/** Runs the body of a worker process and ends the process, with its error in words for the supervisor. */
export async function workerMain(body: () => Promise<void>): Promise<void> {
  // A terminal's Ctrl-C reaches this process too; the supervisor decides what it means.
  process.on('SIGINT', () => undefined)
  try {
    await keepAlive(body)
    // Its other end stays open in the supervisor.
    process.stdin.destroy()
  } catch (error) {
    process.stderr.write(`${describeError(error, false).join('\n')}\n`)
    process.exit(1)
  }
}
