import type { Logger } from '../../src/core/logger.ts'

/** Keeps what was logged. */
export class LogRecorder implements Logger {
  readonly lines: { level: keyof Logger; fields: object; message: string }[] = []

  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message })
  }

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message })
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message })
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message })
  }
}
