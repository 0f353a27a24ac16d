import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { listFiles } from '../house/sources.ts'

// What a stranger gets: the tarball, installed in an empty folder.

const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
const clone = join(directory, 'clone')
const user = join(directory, 'user')
const quickStart = readFileSync(join(root, 'examples/quick-start.ts'), 'utf8')

after(() => rmSync(directory, { recursive: true, force: true }))

interface PackedFile {
  readonly path: string
  readonly size: number
}
let packed: readonly PackedFile[] = []

const run = promisify(execFile)
const bins = join(root, 'node_modules/.bin')
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${bins}:${process.env.PATH}`,
  NO_COLOR: '1',
}

function npm(cwd: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], {
    cwd,
    env,
  })
}

/** Packs a copy, so that building it does not disturb what others do with the work tree. */
before(async () => {
  for (const path of listFiles(root)) {
    mkdirSync(dirname(join(clone, path)), { recursive: true })
    cpSync(join(root, path), join(clone, path))
  }
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  const { stdout } = await npm(clone, 'pack', '--json', '--foreground-scripts=false')
  const [{ filename, files }] = parsePack(stdout)
  packed = files
  mkdirSync(user)
  writeFileSync(join(user, 'package.json'), '{ "private": true, "type": "module" }')
  await npm(user, 'install', join(clone, filename))
})

function parsePack(stdout: string): { filename: string; files: PackedFile[] }[] {
  const report: unknown = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))
  return Object.values(report as Record<string, { filename: string; files: PackedFile[] }>)
}

/** Runs a file in the user's folder; with `stopAt` it gets SIGINT when it printed that. */
function program(
  file: string,
  stopAt = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [file], { cwd: user, env, timeout: 20_000 })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const waits = stopAt !== '' && !stdout.includes(stopAt)
    stdout += chunk
    if (waits && stdout.includes(stopAt)) child.kill('SIGINT')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

test('it holds what a user needs, and nothing else', () => {
  const paths = packed.map(({ path }) => path)
  for (const needed of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    // No import names it, a URL does.
    'dist/disk/writer-thread.js',
    'dist/cli/demo/worker.js',
    'dist/cli/demo/unsafe-worker.js',
  ]) {
    assert.ok(paths.includes(needed), needed)
  }
  const others = paths.filter((path) => !/^dist\/.+\.(?:js|d\.ts)$/.test(path) && path.includes('/'))
  assert.deepEqual(others, [])
  const sources = listFiles(root).filter((path) => /^src\/.+\.ts$/.test(path))
  assert.equal(paths.filter((path) => path.endsWith('.js')).length, sources.length)
})

test('what it exports is there', async () => {
  const { exports } = JSON.parse(readFileSync(join(user, 'node_modules/holdfast/package.json'), 'utf8'))
  assert.deepEqual(Object.keys(exports), ['.', './sqlite', './package.json'])
  writeFileSync(
    join(user, 'exports.js'),
    `import { createRequire } from 'node:module'
     import * as holdfast from 'holdfast'
     const required = createRequire(import.meta.url)('holdfast')
     console.log(JSON.stringify([Object.keys(holdfast).sort(), required.connect === holdfast.connect]))
     console.log(import.meta.resolve('holdfast/package.json').endsWith('/package.json'))
     await import('holdfast/dist/log/log.js').catch((error) => console.log(error.code))`,
  )
  const { stdout, stderr } = await program('exports.js')
  const names = ['DeadLetter', 'HoldfastError', 'Retry', 'connect', 'isHoldfastError', 'topic']
  const lines = [JSON.stringify([names, true]), 'true', 'ERR_PACKAGE_PATH_NOT_EXPORTED']
  assert.equal(stdout, `${lines.join('\n')}\n`, stderr)
})

test('the inbox works on the database it is given, in both module systems, and loads no driver itself', async () => {
  writeFileSync(
    join(user, 'inbox.js'),
    `import { createRequire } from 'node:module'
     import * as inbox from 'holdfast/sqlite'
     const required = createRequire(import.meta.url)('holdfast/sqlite')
     console.log(Object.keys(inbox).join(), required.sqliteInbox === inbox.sqliteInbox)
     const hasSqlite = () => process.moduleLoadList.some((name) => name.includes('sqlite'))
     console.log(hasSqlite())
     const { DatabaseSync } = await import('node:sqlite')
     console.log(hasSqlite())
     const db = new DatabaseSync(':memory:')
     const billing = inbox.sqliteInbox({ group: 'billing' })
     billing.create(db)
     db.exec('begin')
     const message = { topic: 'clicks', id: 'a' }
     console.log(billing.handled(message, db), billing.handled(message, db))`,
  )
  const { stdout, stderr } = await program('inbox.js')
  assert.equal(stdout, 'sqliteInbox true\nfalse\ntrue\ntrue false\n', stderr)
})

test('the command line runs', async () => {
  const { stdout } = await run('npx', ['--no-install', 'holdfast', '--help'], { cwd: user, env })
  assert.match(stdout, /^Usage: holdfast /)
  for (const command of ['demo', 'produce', 'consume', 'topics', 'groups', 'dead-letters', 'verify']) {
    assert.match(stdout, new RegExp(`^ {2}${command}\\b`, 'm'))
  }
})

test('its types hold for programs in both module systems', async () => {
  const unused = quickStart.replaceAll('console.log', 'void ')
  const inbox = `import { DatabaseSync } from 'node:sqlite'
    import { sqliteInbox, type SqliteInbox } from 'holdfast/sqlite'
    export const inbox: SqliteInbox = sqliteInbox({ group: 'billing' })
    export const isNew: boolean = inbox.handled({ topic: 'clicks', id: 'a' }, new DatabaseSync('books.sqlite'))`
  writeFileSync(join(user, 'program.mts'), `${unused}\n${inbox}`)
  writeFileSync(
    join(user, 'program.cts'),
    `import holdfast = require('holdfast')
     import sqlite = require('holdfast/sqlite')
     export const inbox: sqlite.SqliteInbox = sqlite.sqliteInbox({ group: 'billing' })
     const store: Promise<holdfast.Holdfast> = holdfast.connect('./data')
     void store.then((open) => open.close())`,
  )
  const compilerOptions = {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  }
  writeFileSync(
    join(user, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['program.mts', 'program.cts'] }),
  )
  const { stdout } = await run('tsc', ['-p', '.'], { cwd: user, env }).catch((error) => error)
  assert.equal(stdout, '')
})

test('the program of the README runs without any dependency', async () => {
  const commander = join(user, 'node_modules/commander')
  renameSync(commander, `${commander}.away`)
  after(() => renameSync(`${commander}.away`, commander))
  writeFileSync(join(user, 'program.ts'), quickStart)
  const required = quickStart
    .replace(/^import (.*) from 'holdfast'$/m, "const $1 = require('holdfast')")
    .replace(/^const holdfast = /m, 'async function main() {\nconst holdfast = ')
  writeFileSync(join(user, 'program.cts'), `${required}}\nmain()\n`)
  for (const file of ['program.ts', 'program.cts']) {
    const { code, stdout, stderr } = await program(file, 'cents')
    assert.equal(stdout, 'charge advertiser-42: 100 cents\n', stderr)
    assert.equal(code, 0, stderr)
  }
})
