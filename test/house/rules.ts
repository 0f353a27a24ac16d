/** The house rules as functions of what they look at: each gives its violations as `path: what is wrong`. */
import { posix } from 'node:path'
import type { Source, TextFile } from './sources.ts'

export type Part = 'core' | 'disk' | 'log' | 'engines' | 'producer' | 'consumer' | 'inbox' | 'root' | 'cli'

/** Arrows point down only. 'root' are the files directly in src: the public face. */
export const mayImport: Readonly<Record<Part, readonly Part[]>> = {
  core: [],
  disk: ['core'],
  log: ['disk', 'core'],
  engines: ['log', 'disk', 'core'],
  producer: ['core'],
  consumer: ['core'],
  inbox: ['core'],
  root: ['producer', 'consumer', 'engines', 'disk', 'core'],
  // The command line is a user of the public face; reading a store without opening it (`verify`) is the log's own.
  cli: ['root', 'inbox', 'log', 'disk', 'core'],
}

function partOf(path: string): Part | null {
  const [top, part, rest] = path.split('/')
  if (top !== 'src' || part === undefined) return null
  if (rest === undefined) return 'root'
  return Object.hasOwn(mayImport, part) ? (part as Part) : null
}

export function importDirection(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const { path, imports } of inSrc(sources)) {
    const from = partOf(path)
    if (from === null) {
      violations.push(`${path}: its folder is not on the map of parts`)
      continue
    }
    for (const specifier of imports.filter((text) => text.startsWith('.'))) {
      const target = posix.join(posix.dirname(path), specifier)
      const to = partOf(target)
      if (to === null) violations.push(`${path}: imports ${target}, which is not in src`)
      else if (to !== from && !mayImport[from].includes(to))
        violations.push(`${path}: ${from} imports ${to} (${specifier})`)
      if (!specifier.endsWith('.ts')) violations.push(`${path}: imports ${specifier} without its extension`)
    }
  }
  return violations
}

/** Engines know nothing of each other. */
export function enginesApart(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const { path, imports } of inSrc(sources)) {
    const engine = engineOf(path)
    if (engine === null) continue
    for (const specifier of imports.filter((text) => text.startsWith('.'))) {
      const other = engineOf(posix.join(posix.dirname(path), specifier))
      if (other !== null && other !== engine)
        violations.push(`${path}: engine ${engine} imports engine ${other}`)
    }
  }
  return violations
}

const engineOf = (path: string): string | null => /^src\/engines\/([^/]+)\//.exec(path)?.[1] ?? null

/** Where each package from a registry may be imported in src. */
export const packageHomes: Readonly<Record<string, string>> = {
  commander: 'src/cli/',
}

export function packagesAtHome(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const { path, imports } of inSrc(sources)) {
    for (const specifier of imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      const home = Object.hasOwn(packageHomes, name) ? packageHomes[name] : undefined
      if (home === undefined) violations.push(`${path}: imports the package ${name}, which has no home`)
      else if (!path.startsWith(home)) violations.push(`${path}: imports ${name}, which belongs to ${home}`)
    }
  }
  return violations
}

export function namedExportsOnly(sources: readonly Source[]): string[] {
  return inSrc(sources).flatMap(({ path, looseExports }) => looseExports.map((what) => `${path}: ${what}`))
}

export const maxFileLines = 700
export const maxFunctionLines = 100

export function lengths(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const { path, text, functions } of sources) {
    const lines = text.split('\n').length - 1
    if (lines > maxFileLines) violations.push(`${path}: ${lines} lines, at most ${maxFileLines}`)
    for (const { name, line, lines } of functions) {
      if (lines > maxFunctionLines)
        violations.push(`${path}:${line}: ${name} has ${lines} lines, at most ${maxFunctionLines}`)
    }
  }
  return violations
}

export interface Allowance {
  /** A file, or a folder that ends with '/'. */
  readonly path: string
  readonly words: readonly string[]
  readonly reason: string
}

const timeAndChance: readonly string[] = [
  'setTimeout',
  'setInterval',
  'Date.now',
  'new Date()',
  'performance.now',
  'process.hrtime',
  'Math.random',
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
]

/** Time and chance come in through ports, so that a seed reproduces a run. Unused allowances are violations, too. */
export function portsForTimeAndChance(
  sources: readonly Source[],
  allowances: readonly Allowance[],
): string[] {
  const violations: string[] = []
  const used = new Set<string>()
  for (const { path, words } of inSrc(sources)) {
    for (const word of timeAndChance.filter((one) => words.has(one))) {
      const allowance = allowances.find((one) => covers(one.path, path) && one.words.includes(word))
      if (allowance === undefined)
        violations.push(`${path}: uses ${word}; time and chance come in through core's ports`)
      else used.add(`${allowance.path} ${word}`)
    }
  }
  for (const { path, words } of allowances) {
    for (const word of words)
      if (!used.has(`${path} ${word}`)) violations.push(`${path}: does not use ${word} any more`)
  }
  return violations
}

const covers = (allowed: string, path: string): boolean =>
  allowed.endsWith('/') ? path.startsWith(allowed) : path === allowed

/** Any open-and-close of the lock file inside its owner's process drops the lock: only SQLite may touch it, in one place. */
export function lockFileUntouched(sources: readonly Source[], allowances: readonly Allowance[]): string[] {
  const allowed = (path: string): boolean => allowances.some((one) => one.path === path)
  return inSrc(sources).flatMap(({ path, text, imports }) => {
    const violations: string[] = []
    if (text.includes('lock.db') && !allowed(path)) violations.push(`${path}: names lock.db`)
    if (imports.includes('node:sqlite') && path.startsWith('src/disk/') && !allowed(path)) {
      violations.push(`${path}: imports node:sqlite`)
    }
    return violations
  })
}

export function noLeftovers(sources: readonly Source[]): string[] {
  return inSrc(sources).flatMap(({ path, text }) =>
    [...text.matchAll(/\b(?:TODO|FIXME|XXX)\b/g)].map((match) => `${path}: ${match[0]}`),
  )
}

/** A page has one title. */
export function oneTitle(files: readonly TextFile[]): string[] {
  return files
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap(({ path, text }) => {
      const prose = text.replace(/^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1[^\S\n]*$/gm, '')
      const titles = prose.match(/^# /gm)?.length ?? 0
      return titles === 1 ? [] : [`${path}: ${titles} titles`]
    })
}

/** Where a home or a work tree lies is nobody's business. `root` is this machine's work tree. */
export function noMachinePaths(files: readonly TextFile[], root: string): string[] {
  const homes = ['home', 'Users', 'root', 'work', 'mnt', 'farm'].join('|')
  const pattern = new RegExp(`(?<![\\w./*-])/(?:${homes})/[\\w.-]+`, 'g')
  return files.flatMap(({ path, text }) => {
    const found = [...text.matchAll(pattern)].map((match) => match[0])
    if (text.includes(`${root}/`)) found.push(root)
    return found.map((what) => `${path}: names ${what}`)
  })
}

/** The registry an install came from is this machine's business. */
export function noRegistryInLock(lock: string): string[] {
  return [...lock.matchAll(/"resolved":\s*"([^"]*)"/g)].map(
    (match) => `package-lock.json: resolved ${match[1]}`,
  )
}

const inSrc = (sources: readonly Source[]): readonly Source[] =>
  sources.filter(({ path }) => path.startsWith('src/'))
