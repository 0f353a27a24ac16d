/** Planted violations: each rule must find its own. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import {
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
import { listFiles, readSources, type Source } from './sources.ts'

const files: Readonly<Record<string, string>> = {
  '.gitignore': 'ignored.ts\n',
  'tsconfig.json':
    '{ "compilerOptions": { "module": "nodenext", "noEmit": true }, "include": ["src", "test"] }',
  'ignored.ts': '',
  'src/core/good.ts': "export const text = 'setTimeout export default * lock'\n// Date.now, Math.random\n",
  'src/core/up.ts': "import '../log/a.ts'\nexport type A = import('../producer/a.ts').A\n",
  'src/log/a.ts': "export const later = () => import('../engines/one/a.ts')\n",
  'src/log/b.ts': "import '../core/good'\n",
  'src/engines/one/a.ts': "export { b } from '../two/b.ts'\n",
  'src/engines/two/b.ts': 'export const b = 1\n',
  'src/engines/two/out.ts': "import '../../../test/a.ts'\n",
  'src/producer/a.ts':
    "import 'commander'\nimport 'left-pad/sub'\nimport '@scope/name/sub'\nexport type A = 1\n",
  'src/odd/a.ts': '',
  'src/log/star.ts': "export * from './b.ts'\n",
  'src/log/default.ts': 'export default 1\n',
  'src/log/default-function.ts': 'export default function f() {}\n',
  'src/log/switch.ts':
    'export const f = (n: number) => {\n  switch (n) {\n    default:\n      return 1\n  }\n}\n',
  'src/log/time.ts': 'setTimeout(() => {}, Date.now() + Math.random())\nnew Date()\nnew Date(5)\n',
  'src/disk/lock.ts': "import 'node:sqlite'\nexport const name = 'lock.db'\n",
  'src/log/left.ts': `// ${'TO'}${'DO'}: later\nexport const FIXMEUP = 1\n`,
  'src/log/long.ts': `export function short() {}\nexport function long() {\n${'\n'.repeat(99)}}\n${'\n'.repeat(600)}`,
  'src/log/fits.ts': `export class Fits {\n  method() {\n${'\n'.repeat(98)}  }\n${'\n'.repeat(400)}}\n`,
  'test/list.ts': `function list() {\n${"  test('x', () => {\n  })\n".repeat(60)}}\n`,
  'test/long.ts': `function list() {\n  test('x', () => {\n${'\n'.repeat(120)}  })\n}\n`,
  'test/a.ts': 'setTimeout(() => {}, 1)\nexport default 1\n',
}

let root = ''
let sources: Source[] = []

before(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-house-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  execFileSync('git', ['init', '--quiet'], { cwd: root })
  sources = readSources(root, listFiles(root))
})

after(() => rmSync(root, { recursive: true, force: true }))

test('files that are not ignored are looked at', () => {
  const expected = Object.keys(files).filter((path) => path !== 'ignored.ts')
  assert.deepEqual(listFiles(root), expected.sort())
})

test('a source the compiler does not check is an error', () => {
  assert.throws(() => readSources(root, ['scripts/forgotten.ts']), /not in tsconfig/)
})

test('imports that point up, sideways, out or nowhere', () => {
  assert.deepEqual(importDirection(sources), [
    'src/core/up.ts: core imports log (../log/a.ts)',
    'src/core/up.ts: core imports producer (../producer/a.ts)',
    'src/engines/two/out.ts: imports test/a.ts, which is not in src',
    'src/log/a.ts: log imports engines (../engines/one/a.ts)',
    'src/log/b.ts: imports ../core/good without its extension',
    'src/odd/a.ts: its folder is not on the map of parts',
  ])
})

test('an engine that imports another', () => {
  assert.deepEqual(enginesApart(sources), ['src/engines/one/a.ts: engine one imports engine two'])
})

test('packages away from home', () => {
  assert.deepEqual(packagesAtHome(sources), [
    'src/producer/a.ts: imports commander, which belongs to src/cli/',
    'src/producer/a.ts: imports the package left-pad, which has no home',
    'src/producer/a.ts: imports the package @scope/name, which has no home',
  ])
})

test('exports without a name', () => {
  assert.deepEqual(namedExportsOnly(sources), [
    'src/log/default-function.ts: export default',
    'src/log/default.ts: export default',
    'src/log/star.ts: export *',
  ])
})

test('files and functions that are too long, and not those that just fit', () => {
  assert.deepEqual(lengths(sources), [
    'src/log/long.ts: 702 lines, at most 700',
    'src/log/long.ts:2: long has 101 lines, at most 100',
    'test/long.ts:2: ArrowFunction has 122 lines, at most 100',
  ])
})

test('time and chance past the ports, and allowances nobody uses', () => {
  const words = ['setTimeout', 'Date.now', 'new Date()', 'Math.random']
  const found = words.map(
    (word) => `src/log/time.ts: uses ${word}; time and chance come in through core's ports`,
  )
  assert.deepEqual(portsForTimeAndChance(sources, []), found)
  assert.deepEqual(portsForTimeAndChance(sources, [{ path: 'src/log/', words, reason: '' }]), [])
  const stale = [{ path: 'src/log/time.ts', words: [...words, 'setInterval'], reason: '' }]
  assert.deepEqual(portsForTimeAndChance(sources, stale), [
    'src/log/time.ts: does not use setInterval any more',
  ])
})

test('hands on the lock file', () => {
  const path = 'src/disk/lock.ts'
  assert.deepEqual(lockFileUntouched(sources, []), [`${path}: names lock.db`, `${path}: imports node:sqlite`])
  assert.deepEqual(lockFileUntouched(sources, [{ path, words: [], reason: '' }]), [])
})

test('things left to do', () => {
  assert.deepEqual(noLeftovers(sources), [`src/log/left.ts: ${'TO'}${'DO'}`])
})

test('pages with no title, or with two', () => {
  const pages = [
    { path: 'one.md', text: '# One\n\n```sh\n# a comment\n```\n\n## Two\n' },
    { path: 'none.md', text: '## Two\n' },
    { path: 'two.md', text: '# One\n\ntext\n\n# Two\n' },
    { path: 'code.ts', text: '# x\n# y\n' },
  ]
  assert.deepEqual(oneTitle(pages), ['none.md: 0 titles', 'two.md: 2 titles'])
})

test('paths of a machine', () => {
  const home = `/${'home'}/anna/x`
  const pages = [
    { path: 'a.md', text: `see ${home}` },
    { path: 'b.md', text: 'at /srv/tree/src/x.ts' },
    { path: 'c.md', text: 'https://example.org/home/page, ./work/data, /srv/data, src/work/x' },
  ]
  assert.deepEqual(noMachinePaths(pages, '/srv/tree'), [
    `a.md: names /${'home'}/anna`,
    'b.md: names /srv/tree',
  ])
})

test('a registry in the lock file', () => {
  assert.deepEqual(noRegistryInLock('{ "resolved": "https://example.org/a.tgz" }'), [
    'package-lock.json: resolved https://example.org/a.tgz',
  ])
  assert.deepEqual(noRegistryInLock('{ "version": "1.0.0" }'), [])
})
