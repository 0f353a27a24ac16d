import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes the store of an earlier boot out of one of this boot: here nothing but its power was cut. */
export function reboot(directory: string): void {
  const path = join(directory, 'OWNER')
  const owner = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, `${JSON.stringify({ ...owner, boot: randomUUID() })}\n`)
}
