/**
 * Options as data: what is allowed, what is the default and what it means, written down once. `parse` checks
 * everything at once and names every violation; documentation and help read the same table.
 */
import { HoldfastError } from './errors.ts'
import { didYouMean, quoted, typeName } from './names.ts'

/** What one option allows. `Value` is what parsing gives. */
export interface Rule<Value> {
  /** What it means, for people. */
  readonly about: string
  /** What may be given: 'integer, 1–100 ms'. */
  readonly allowed: string
  /** In place of a missing value; undefined: the option is left undefined, or is required. */
  readonly default: unknown
  readonly required: boolean
  /** The options inside it, where there are some. */
  readonly inner?: Rules
  /** The value as it will be used. Violations are pushed; what is returned then is never used. */
  read(value: unknown, path: string, violations: string[]): Value
}

interface Common<Value> {
  readonly about: string
  /** In place of a missing value. Without it the option is required, unless it is `optional`. */
  readonly default?: Value
  /** Left undefined when missing. */
  readonly optional?: true
}

type Read<Value, Settings> = Settings extends { optional: true } ? Value | undefined : Value

export type Rules = Readonly<Record<string, Rule<unknown>>>

export type Values<Table extends Rules> = {
  readonly [Name in keyof Table]: Table[Name] extends Rule<infer Value> ? Value : never
}

export interface OptionTable<Table extends Rules> {
  readonly rules: Table
  /**
   * The options with their defaults, frozen. `where` begins the message: 'consume'. Throws one `invalid_option`
   * that lists every violation. Undefined values are missing ones.
   */
  parse(input: unknown, where: string): Values<Table>
}

export function defineOptions<const Table extends Rules>(rules: Table): OptionTable<Table> {
  for (const [name, rule] of Object.entries(rules)) checkDefault(name, rule)
  const parse = (input: unknown, where: string): Values<Table> => {
    const violations: string[] = []
    const values = readAll(rules, input ?? {}, '', violations)
    if (violations.length > 0) throw new HoldfastError('invalid_option', `${where}: ${violations.join('; ')}`)
    return values
  }
  return Object.freeze({ rules: Object.freeze(rules), parse })
}

interface Bounds {
  readonly min: number
  readonly max: number
  readonly unit?: string
}

export function integer<const Settings extends Common<number> & Bounds>(
  settings: Settings,
): Rule<Read<number, Settings>> {
  const allowed = `a whole number, ${boundsText(settings)}`
  return rule<number, Settings>(settings, allowed, (value, path, violations) => {
    if (typeof value !== 'number') violations.push(wrongType(path, value, allowed))
    else if (!isWithin(value, settings)) violations.push(`${path} is ${value}, allowed is ${allowed}`)
    return value as number
  })
}

/** A list of whole numbers. */
export function integers<
  const Settings extends Common<readonly number[]> &
    Bounds & { readonly minItems: number; readonly maxItems: number },
>(settings: Settings): Rule<Read<readonly number[], Settings>> {
  const { minItems, maxItems } = settings
  const allowed = `a list of ${minItems}–${maxItems} whole numbers, each ${boundsText(settings)}`
  return rule<readonly number[], Settings>(settings, allowed, (value, path, violations) => {
    if (!Array.isArray(value)) {
      violations.push(wrongType(path, value, allowed))
      return []
    }
    if (value.length < minItems || value.length > maxItems) {
      violations.push(`${path} has ${value.length} items, allowed is ${allowed}`)
    }
    for (let i = 0; i < value.length; i++) {
      if (!isWithin(value[i], settings)) {
        violations.push(
          `${path}[${i}] is ${shown(value[i])}, allowed is a whole number, ${boundsText(settings)}`,
        )
      }
    }
    return Object.freeze([...value])
  })
}

export function boolean<const Settings extends Common<boolean>>(
  settings: Settings,
): Rule<Read<boolean, Settings>> {
  const allowed = 'true or false'
  return rule<boolean, Settings>(settings, allowed, (value, path, violations) => {
    if (typeof value !== 'boolean') violations.push(wrongType(path, value, allowed))
    return value as boolean
  })
}

export function text<const Settings extends Common<string> & { readonly maxCharacters: number }>(
  settings: Settings,
): Rule<Read<string, Settings>> {
  const allowed = `a text of 1–${settings.maxCharacters} characters`
  return rule<string, Settings>(settings, allowed, (value, path, violations) => {
    if (typeof value !== 'string') violations.push(wrongType(path, value, allowed))
    else if (value === '' || value.length > settings.maxCharacters) {
      violations.push(`${path} is ${quoted(value)}, allowed is ${allowed}`)
    }
    return value as string
  })
}

/** One of a few words. */
export function oneOf<const Word extends string, const Settings extends Common<Word>>(
  words: readonly Word[],
  settings: Settings,
): Rule<Read<Word, Settings>> {
  const allowed = words.map((word) => `'${word}'`).join(' or ')
  return rule<Word, Settings>(settings, allowed, (value, path, violations) => {
    if (typeof value !== 'string') violations.push(wrongType(path, value, allowed))
    else if (!(words as readonly string[]).includes(value)) {
      violations.push(`${path} is ${quoted(value)}, allowed is ${allowed}${didYouMean(value, words)}`)
    }
    return value as Word
  })
}

/** An object or function that is passed through as it is, when `fits`. */
export function given<Value, const Settings extends Common<Value> = Common<Value>>(
  allowed: string,
  fits: (value: unknown) => boolean,
  settings: Settings,
): Rule<Read<Value, Settings>> {
  return rule<Value, Settings>(settings, allowed, (value, path, violations) => {
    if (!fits(value)) violations.push(wrongType(path, value, allowed))
    return value as Value
  })
}

/**
 * Options inside an option; missing ones take their defaults one by one. With `shorthand`, a plain value stands for that
 * one: `prefetch: 100` for `prefetch: { messages: 100 }`.
 */
export function nested<const Table extends Rules>(
  table: Table,
  settings: { readonly about: string; readonly shorthand?: keyof Table & string },
): Rule<Values<Table>> {
  for (const [name, inner] of Object.entries(table)) checkDefault(name, inner)
  const { shorthand } = settings
  const names = Object.keys(table).join(', ')
  const short = shorthand === undefined ? '' : `${table[shorthand].allowed}, or `
  const read = (value: unknown, path: string, violations: string[]): Values<Table> => {
    if (shorthand === undefined || isObject(value)) return readAll(table, value, path, violations)
    const before = violations.length
    table[shorthand].read(value, path, violations)
    // The rule of the shorthand named its own violation, under the path the caller wrote.
    return readAll(table, violations.length > before ? {} : { [shorthand]: value }, path, violations)
  }
  return {
    about: settings.about,
    allowed: `${short}an object of ${names}`,
    default: {},
    required: false,
    inner: table,
    read,
  }
}

function rule<Value, Settings extends Common<Value>>(
  settings: Settings,
  allowed: string,
  read: (value: unknown, path: string, violations: string[]) => Value,
): Rule<Read<Value, Settings>> {
  const required = settings.default === undefined && settings.optional !== true
  // The types say when a missing value may stay undefined; at run time `required` does.
  return { about: settings.about, allowed, default: settings.default, required, read } as Rule<
    Read<Value, Settings>
  >
}

function readAll<Table extends Rules>(
  rules: Table,
  input: unknown,
  parent: string,
  violations: string[],
): Values<Table> {
  const values: Record<string, unknown> = {}
  if (!isObject(input)) {
    violations.push(
      wrongType(parent === '' ? 'options' : parent, input, `an object of ${Object.keys(rules).join(', ')}`),
    )
    return values as Values<Table>
  }
  const at = (name: string): string => (parent === '' ? name : `${parent}.${name}`)
  for (const name of Object.keys(input)) {
    if (!Object.hasOwn(rules, name)) {
      violations.push(`${at(name)} is no option${didYouMean(name, Object.keys(rules))}`)
    }
  }
  for (const [name, one] of Object.entries(rules)) {
    const value = input[name] ?? (input[name] === null ? null : one.default)
    if (value !== undefined) values[name] = one.read(value, at(name), violations)
    else if (one.required) violations.push(`${at(name)} is missing, needed is ${one.allowed}`)
    else values[name] = undefined
  }
  return Object.freeze(values) as Values<Table>
}

/** A default that its own rule refuses would come to light only when somebody leaves the option out. */
function checkDefault(name: string, one: Rule<unknown>): void {
  if (one.default === undefined) return
  const violations: string[] = []
  one.read(one.default, name, violations)
  if (violations.length > 0) throw new TypeError(`the default of ${violations.join('; ')}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWithin(value: unknown, { min, max }: Bounds): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}

function boundsText({ min, max, unit }: Bounds): string {
  return `${min}–${max}${unit === undefined ? '' : ` ${unit}`}`
}

function wrongType(path: string, value: unknown, allowed: string): string {
  return `${path} is ${shown(value)}, allowed is ${allowed}`
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const name = typeName(value)
  if (name === 'null' || name === 'undefined') return name
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
}
