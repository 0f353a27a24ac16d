/** `npm run bench -- [--only name,…] [--rounds N] [--backlog N] [--json]`: both sides and their ratio, measured in one run. */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cases, type Row } from './cases.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    backlog: { type: 'string', default: '10000000' },
    directory: { type: 'string', default: process.cwd() },
    json: { type: 'boolean', default: false },
  },
})

const wanted = values.only?.split(',') ?? Object.keys(cases)
const unknown = wanted.filter((name) => !(name in cases))
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; there are ${Object.keys(cases).join(', ')}`)
  process.exit(2)
}

// Not in the system's temporary directory: that is often memory, where a sync costs nothing.
const directory = mkdtempSync(join(values.directory, '.bench-'))
const rows: (Row & { readonly case: string })[] = []
try {
  for (const name of wanted) {
    if (!values.json) console.error(`… ${name}`)
    const run = cases[name]
    const options = { directory, rounds: Number(values.rounds), backlog: Number(values.backlog) }
    for (const row of await run(options)) rows.push({ case: name, ...row })
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

const machine = {
  node: process.version,
  cpus: cpus().length,
  cpu: cpus()[0]?.model ?? '',
  rounds: Number(values.rounds),
}
if (values.json) console.log(JSON.stringify({ machine, rows }, null, 2))
else {
  console.log(
    `Node ${machine.node}, ${machine.cpus} × ${machine.cpu}, medians of ${machine.rounds} alternating pairs`,
  )
  console.table(
    rows.map(({ what, goal, ours, raw, ratio, notes }) => ({ what, goal, ours, raw, ratio, notes })),
  )
}
