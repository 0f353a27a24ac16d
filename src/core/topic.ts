import { HoldfastError } from './errors.ts'
import { checkTopicName, typeName } from './names.ts'

/** The part of the Standard Schema (https://standardschema.dev), version 1, that Holdfast uses: zod, valibot, arktype and others have it. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type SchemaInput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['input']
export type SchemaOutput<Schema extends StandardSchemaV1> = NonNullable<
  Schema['~standard']['types']
>['output']

/**
 * A topic's name with the type of its bodies: what producers give, and what handlers get. Where the schema changes
 * values (defaults, dates from text), the producer's value travels and the change happens where it is read.
 */
export interface Topic<Input, Output = Input> {
  readonly name: string
  /** Null: nothing is checked. */
  readonly schema: StandardSchemaV1<Input, Output> | null
}

/**
 * A topic whose bodies are checked by `schema` before they are sent and before they are handled. Throws
 * `invalid_name`.
 */
export function topic<Schema extends StandardSchemaV1>(
  name: string,
  options: { readonly schema: Schema },
): Topic<SchemaInput<Schema>, SchemaOutput<Schema>> {
  checkTopicName(name)
  const schema = options?.schema
  if (!isStandardSchema(schema)) {
    throw new TypeError(
      `topic '${name}': schema is no Standard Schema (version 1); topic.unchecked needs none`,
    )
  }
  return Object.freeze({ name, schema }) as Topic<SchemaInput<Schema>, SchemaOutput<Schema>>
}

/** A topic whose bodies are believed to be of the type `Body`: nothing checks it. */
topic.unchecked = <Body>(name: string): Topic<Body> => {
  checkTopicName(name)
  return Object.freeze({ name, schema: null })
}

// Schemas may be functions (arktype's are).
function isStandardSchema(schema: unknown): boolean {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return false
  const standard = (schema as Partial<StandardSchemaV1>)['~standard']
  return standard?.version === 1 && typeof standard.validate === 'function'
}

/**
 * What the schema makes of `value`: the value, or a promise of it where the schema is asynchronous. Throws, or rejects with,
 * `invalid_body` and every violation.
 */
export function validateBody<Input, Output>(
  topic: Topic<Input, Output>,
  value: unknown,
): Output | Promise<Output> {
  if (topic.schema === null) return value as Output
  const result = topic.schema['~standard'].validate(value)
  if (result instanceof Promise) return result.then((settled) => outputOf(topic.name, settled))
  return outputOf(topic.name, result)
}

function outputOf<Output>(name: string, result: SchemaResult<Output>): Output {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(describeIssue).join('; ')
  throw new HoldfastError('invalid_body', `the body does not fit the schema of topic '${name}': ${issues}`, {
    topic: name,
  })
}

function describeIssue(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
  return path.length === 0 ? issue.message : `${path.join('.')}: ${issue.message}`
}

/** The name of a topic given by name or as a `Topic`. */
export function topicName(topic: string | Topic<unknown>): string {
  if (typeof topic === 'string') return topic
  if (typeof topic?.name === 'string') return topic.name
  throw new TypeError(`topic: a name or a Topic is needed, not ${typeName(topic)}`)
}
