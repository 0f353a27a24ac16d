import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { channels } from '../../src/core/diagnostics.ts'
import { embeddedCapabilities } from '../../src/engines/embedded/options.ts'
import { listFiles } from '../house/sources.ts'
import { root } from './support.ts'

const pages = listFiles(root).filter((path) => path.endsWith('.md'))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** As the usual hosts make them of headings. */
function anchors(page: string): Set<string> {
  const headings = read(page)
    .replace(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.*)$/gm)
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  return new Set([...headings].map(([, heading]) => slug(heading ?? '')))
}

for (const page of pages) {
  test(`the links of ${page} lead somewhere`, () => {
    const broken: string[] = []
    for (const [, link = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, target))) broken.push(link)
      else if (anchor !== undefined && !anchors(target).has(anchor)) broken.push(link)
    }
    assert.deepEqual(broken, [])
  })
}

test('the capabilities of the guarantees are those of the engine', () => {
  const { limits, ...plain } = embeddedCapabilities
  const named = Object.entries(limits).map(([name, value]) => [`limits.${name}`, value])
  const expected = [...Object.entries(plain), ...named].map(([name, value]) => [name, String(value)])
  const table = read('docs/guarantees.md').matchAll(/^\| `([\w.]+)` \| `([^`]+)` \|/gm)
  assert.deepEqual(
    [...table].map(([, name, value]) => [name, value]),
    expected,
  )
})

test('the channels of the operations page are those there are', () => {
  const named = [...read('docs/operations.md').matchAll(/`(holdfast:[a-z-]+)`/g)].map(([, name]) => name)
  const there = Object.values(channels).map((channel) => (channel as { name?: string }).name)
  assert.deepEqual([...new Set(named)].sort(), there.sort())
})
