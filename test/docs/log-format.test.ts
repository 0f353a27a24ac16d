import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { EngineRecord } from '../../src/engines/embedded/records.ts'
import {
  formatVersion,
  frameHeaderBytes,
  frameTargetBytes,
  maxFrameBytes,
  RecordFlag,
  RecordType,
  segmentHeaderBytes,
  skippableType,
} from '../../src/log/format.ts'

const page = await readFile(new URL('../../docs/log-format.md', import.meta.url), 'utf8')

describe('the page on the log format', () => {
  it('lists the record types of log and engine, and no others', () => {
    const rows = [...page.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, type, name]) => [name, Number(type)])
    const known = [...Object.entries(RecordType), ...Object.entries(EngineRecord)]
    assert.deepEqual(rows, known)
  })

  it('gives the sizes and numbers of the code', () => {
    for (const text of [
      `format version **${formatVersion}**`,
      `a header of ${segmentHeaderBytes} bytes`,
      `grown to ${frameTargetBytes / 1024} KiB`,
      `longer than ${maxFrameBytes / 1024 / 1024} MiB`,
      `\`length\` ${frameHeaderBytes})`,
      `unknown type below ${skippableType}`,
      `\`${RecordFlag.copy}\` *copy*`,
      `\`${RecordFlag.batchLast}\` *last of a batch*`,
      `\`${RecordFlag.foreign}\` *foreign*`,
    ])
      assert.ok(page.includes(text), text)
  })
})
