/** Node's own spec reporter, with the time of each folder of tests in front of its summary. */
import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { spec, type TestEvent } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

const testFolder = fileURLToPath(new URL('../test', import.meta.url))

interface Suite {
  ms: number
  tests: number
}

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  yield* Readable.from(withTimes(source)).pipe(new spec())
}

async function* withTimes(source: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  const suites = new Map<string, Suite>()
  let told = false
  for await (const event of source) {
    if (event.type === 'test:summary' && event.data.file !== undefined) note(suites, event.data)
    // The first of the summary's own lines; what a single test says has a file.
    if (!told && event.type === 'test:diagnostic' && event.data.file === undefined) {
      told = true
      for (const message of lines(suites)) yield { ...event, data: { ...event.data, message } }
    }
    yield event
  }
}

function note(suites: Map<string, Suite>, { file = '', duration_ms: ms, counts }: TestSummary): void {
  const [folder, ...rest] = relative(testFolder, file).split('/')
  const name = rest.length === 0 ? '(files beside)' : `${folder}/`
  const { ms: before, tests } = suites.get(name) ?? { ms: 0, tests: 0 }
  suites.set(name, { ms: before + ms, tests: tests + counts.tests })
}

type TestSummary = Extract<TestEvent, { type: 'test:summary' }>['data']

/** The slowest first. Files run side by side: together they took less. */
function lines(suites: ReadonlyMap<string, Suite>): string[] {
  const slowest = [...suites].sort(([, a], [, b]) => b.ms - a.ms)
  return slowest.map(
    ([name, { ms, tests }]) =>
      `${name.padEnd(16)} ${(ms / 1000).toFixed(1).padStart(7)} s ${String(tests).padStart(6)} tests`,
  )
}
