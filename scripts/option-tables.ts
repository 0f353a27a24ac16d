/**
 * Fills the tables of docs/options.md from the definitions that the code itself reads: `node scripts/option-tables.ts`. A test
 * fails while the page differs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { connectOptions } from '../src/connect.ts'
import { consumeOptions } from '../src/consumer/options.ts'
import type { Rule, Rules } from '../src/core/options.ts'
import { closeOptions } from '../src/holdfast.ts'
import { sqliteInboxOptions } from '../src/inbox/options.ts'
import { producerOptions } from '../src/producer/options.ts'
import { groupOptions, topicOptions } from '../src/topics.ts'

export const optionsPage = fileURLToPath(new URL('../docs/options.md', import.meta.url))

const tables: Readonly<Record<string, Rules>> = {
  connect: connectOptions.rules,
  producer: producerOptions.rules,
  consume: consumeOptions.rules,
  'topics.create': topicOptions.rules,
  'groups.create': groupOptions.rules,
  close: closeOptions.rules,
  sqliteInbox: sqliteInboxOptions.rules,
}

const place = /<!-- table: ([\w.]+) -->\n[\s\S]*?<!-- end -->/g

/** The page with its tables as they should be. */
export function filled(page: string): string {
  const missing = new Set(Object.keys(tables))
  const text = page.replace(place, (_, name: string) => {
    const rules = tables[name]
    if (rules === undefined) throw new Error(`docs/options.md has a table '${name}' that nothing fills`)
    missing.delete(name)
    return `<!-- table: ${name} -->\n${tableOf(rules)}<!-- end -->`
  })
  if (missing.size > 0) throw new Error(`docs/options.md has no table for ${[...missing].join(', ')}`)
  return text
}

function tableOf(rules: Rules): string {
  const head = '| option | default | allowed | meaning |\n| --- | --- | --- | --- |\n'
  return head + rowsOf(rules, '').join('')
}

function rowsOf(rules: Rules, parent: string): string[] {
  return Object.entries(rules).flatMap(([name, rule]) => {
    const path = `${parent}${name}`
    const row = `| \`${path}\` | ${defaultText(rule)} | ${readable(rule.allowed)} | ${rule.about} |\n`
    return rule.inner === undefined ? [row] : [row, ...rowsOf(rule.inner, `${path}.`)]
  })
}

function defaultText(rule: Rule<unknown>): string {
  if (rule.required) return 'required'
  const value = rule.default
  if (typeof value === 'boolean' || typeof value === 'string') return `\`${value}\``
  if (typeof value === 'number') return number(value)
  return Array.isArray(value) ? value.map(number).join(', ') : ''
}

/** `1048576–1073741824 bytes` as `1 MiB–1 GiB`. */
function readable(allowed: string): string {
  return allowed
    .replace(/(\d+)–(\d+) bytes/g, (_, min: string, max: string) => `${bytes(+min)}–${bytes(+max)}`)
    .replace(/\d{5,}/g, (digits) => number(+digits))
}

function bytes(value: number): string {
  for (const [unit, size] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ] as const) {
    if (value >= size && value % size === 0) return `${value / size} ${unit}`
  }
  return `${value} B`
}

const number = (value: number): string =>
  value >= 2 ** 20 && value % 2 ** 20 === 0 ? bytes(value) : value.toLocaleString('en-US')

if (import.meta.main) writeFileSync(optionsPage, filled(readFileSync(optionsPage, 'utf8')))
