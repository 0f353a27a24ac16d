import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { entries, root, runProgram, temporaryDirectory } from './support.ts'

interface Snippet {
  /** 'docs/operations.md:12' */
  readonly place: string
  readonly text: string
  /** 'ts': the types are checked. 'ts run': it is run, and prints the block of plain text that follows. */
  readonly kind: string
  readonly output: string | null
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

function snippetsOf(page: string): Snippet[] {
  const text = readFileSync(join(root, page), 'utf8')
  const fences = [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)]
  return fences.flatMap(([, kind, body], i) => {
    if (kind !== 'ts' && kind !== 'ts run') return []
    const next = fences[i + 1]
    const line = text.slice(0, fences[i].index).split('\n').length
    return [
      { place: `${page}:${line}`, text: body, kind, output: next?.[1] === 'text' ? (next[2] ?? null) : null },
    ]
  })
}

const snippets = pages.flatMap(snippetsOf)

/** What the pages take for granted around a fragment. */
const prelude = `
import type { Consumer, Holdfast, Message, Producer, Topic } from 'holdfast'
declare global {
  const holdfast: Holdfast
  const producer: Producer
  const consumer: Consumer
  const message: Message
  const clicks: Topic<{ cents: number }>
  const order: { id: string; cents: number }
  function charge(key: string | null, cents: number): Promise<void>
}
`

test('the pages have code', () => {
  assert.ok(snippets.length >= 5)
  assert.ok(snippets.some(({ kind }) => kind === 'ts run'))
})

test('every piece of code in the pages fits the types', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'prelude.d.ts'), prelude)
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  const compilerOptions = {
    noUnusedLocals: false,
    paths: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, [join(root, path)]])),
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config))
  for (const [i, { text }] of snippets.entries()) {
    await writeFile(join(directory, `snippet${i}.ts`), `${text}\nexport {}\n`)
  }
  const found = await promisify(execFile)('tsc', ['-p', directory], {
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  }).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
  const named = found.replace(/\S*snippet(\d+)\.ts/g, (_, i: string) => `${snippets[Number(i)]?.place} `)
  assert.equal(named, '')
})

for (const { place, text, output } of snippets.filter(({ kind }) => kind === 'ts run')) {
  test(`${place} prints what the page shows`, async () => {
    const { code, stdout, stderr } = await runProgram({ text })
    assert.equal(stdout, output, stderr)
    assert.equal(code, 0, stderr)
  })
}
