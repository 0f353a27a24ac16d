import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type Allowance,
  enginesApart,
  importDirection,
  lengths,
  lockFileUntouched,
  namedExportsOnly,
  noLeftovers,
  noMachinePaths,
  noRegistryInLock,
  oneTitle,
  packagesAtHome,
  portsForTimeAndChance,
} from './rules.ts'
import { listFiles, readSources, readTexts } from './sources.ts'

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const paths = listFiles(root)
const texts = readTexts(root, paths)
const sources = readSources(root, paths)

const timeAllowances: readonly Allowance[] = [
  {
    path: 'src/core/clock.ts',
    words: ['setTimeout', 'setInterval', 'Date.now', 'performance.now'],
    reason: 'the port itself',
  },
  { path: 'src/core/random.ts', words: ['randomFillSync'], reason: 'the port itself' },
  {
    path: 'src/disk/writer-thread.ts',
    words: ['performance.now'],
    reason: 'a thread of its own that measures how long its writes take',
  },
  {
    path: 'src/consumer/consumer.ts',
    words: ['setInterval'],
    reason: 'never fires: keeps the process alive while a consumer is open',
  },
  {
    path: 'src/cli/',
    words: ['setTimeout', 'setInterval', 'performance.now', 'randomInt'],
    reason: 'runs for people, by their clock; what a seed reproduces lies below',
  },
]

const lockAllowances: readonly Allowance[] = [
  { path: 'src/disk/directory-lock.ts', words: [], reason: 'opens it, with SQLite' },
  { path: 'src/disk/node.ts', words: [], reason: 'says where it is' },
  { path: 'src/disk/simulated.ts', words: [], reason: 'has a simulated one' },
]

function holds(name: string, violations: () => string[]): void {
  test(name, () => assert.deepEqual(violations(), []))
}

test('the rules look at something', () => {
  const inFolder = (folder: string): number => sources.filter(({ path }) => path.startsWith(folder)).length
  for (const folder of [
    'src/core/',
    'src/disk/',
    'src/log/',
    'src/engines/',
    'src/producer/',
    'src/consumer/',
    'src/inbox/',
    'test/',
  ]) {
    assert.ok(inFolder(folder) >= 3, folder)
  }
})

holds('imports point down only', () => importDirection(sources))
holds('engines do not import each other', () => enginesApart(sources))
holds('packages are imported in their own folder only', () => packagesAtHome(sources))
holds('src has named exports only', () => namedExportsOnly(sources))
holds('files and functions are short', () => lengths(sources))
holds('time and chance come in through ports', () => portsForTimeAndChance(sources, timeAllowances))
holds('nothing but SQLite touches the lock file', () => lockFileUntouched(sources, lockAllowances))
holds('nothing is left to do in src', () => noLeftovers(sources))
holds('every page has one title', () => oneTitle(texts))
holds('no file names a path of a machine', () => noMachinePaths(texts, root))
holds('the lock file names no registry', () =>
  noRegistryInLock(texts.find(({ path }) => path === 'package-lock.json')?.text ?? '"resolved": "missing"'),
)
