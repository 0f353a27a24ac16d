/** Where Holdfast writes what people should know. pino and the loggers shaped like it fit as they are. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const ignore = (): void => {}

/** The default: warnings and errors go to stderr as one line each, the rest nowhere. */
export const quietLogger: Logger = Object.freeze({
  debug: ignore,
  info: ignore,
  warn: (fields: object, message: string) => write('warning', fields, message),
  error: (fields: object, message: string) => write('error', fields, message),
})

function write(level: string, fields: object, message: string): void {
  process.stderr.write(`holdfast ${level}: ${message}${fieldText(fields)}\n`)
}

/** ` (topic=clicks, attempts=3)`: a line is for eyes, so errors show their message only. */
function fieldText(fields: object): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${valueText(value)}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

function valueText(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (typeof value === 'string' && /^[\w./:@-]+$/.test(value)) return value
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
