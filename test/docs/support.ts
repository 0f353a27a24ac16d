import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
/** What `import` finds in the package, and where the sources have it. */
export const entries: Readonly<Record<string, string>> = {
  holdfast: 'src/index.ts',
  'holdfast/sqlite': 'src/inbox/sqlite.ts',
}

/** A directory of the test file's own, removed at its end. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-docs-'))
  after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export interface Program {
  readonly text: string
  /** Sent when `signalAfter` was printed. */
  readonly signal?: NodeJS.Signals
  readonly signalAfter?: string
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program as a reader would, in an empty directory, with the sources in place of the package. */
export async function runProgram({ text, signal, signalAfter }: Program): Promise<Ended> {
  const cwd = await temporaryDirectory()
  const file = join(cwd, 'program.ts')
  const sources = text.replaceAll(/ from '(holdfast[^']*)'/g, (all, name: string) => {
    const path = entries[name]
    return path === undefined ? all : ` from '${pathToFileURL(join(root, path)).href}'`
  })
  await writeFile(file, sources)
  const { HOLDFAST_URL: _url, ...env } = process.env
  const args = ['--disable-warning=ExperimentalWarning', file]
  const child = spawn(process.execPath, args, { cwd, env, timeout: 30_000 })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const waits = signalAfter !== undefined && !stdout.includes(signalAfter)
    stdout += chunk
    if (waits && stdout.includes(signalAfter)) child.kill(signal)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}
