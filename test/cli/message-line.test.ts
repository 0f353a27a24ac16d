import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BrokenLine, type LineFormat, parseLine } from '../../src/cli/message-line.ts'

const json: LineFormat = { raw: false, keyField: undefined, idField: undefined }
const fields: LineFormat = { raw: false, keyField: 'advertiser', idField: 'click' }

const parse = (line: string, format = json) => parseLine(Buffer.from(line), format)

test('a line of JSON is the body', () => {
  assert.deepEqual(parse('{"cents":100}\r'), { body: { cents: 100 } })
  assert.deepEqual(parse('"text"'), { body: 'text' })
  assert.deepEqual(parse('null'), { body: null })
})

test('an empty line is no message', () => {
  assert.equal(parse(''), null)
  assert.equal(parse('  \r'), null)
})

test('key and id come from fields, which stay in the body', () => {
  const body = { advertiser: 'a-1', click: 42, cents: 100 }
  assert.deepEqual(parse(JSON.stringify(body), fields), { key: 'a-1', id: '42', body })
  assert.deepEqual(parse('{"advertiser":"","click":0}', fields)?.key, '')
})

test('raw bytes stay as they are', () => {
  const bytes = Buffer.from([0xff, 0x00, 0x0d])
  const message = parseLine(bytes, { raw: true, keyField: undefined, idField: undefined })
  assert.deepEqual(message, { body: bytes })
})

test('numbers that JavaScript holds exactly pass', () => {
  assert.deepEqual(parse('{"n":9007199254740991,"x":0.1234567890123456}')?.body, {
    n: 9007199254740991,
    x: 0.1234567890123456,
  })
  assert.deepEqual(parse('{"text":"12345678901234567890"}')?.body, { text: '12345678901234567890' })
})

describe('a broken line says why', () => {
  const cases: [string, string | Uint8Array, LineFormat, RegExp][] = [
    ['no JSON', '{"cents":', json, /^not valid JSON/],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), json, /^not valid UTF-8$/],
    ['a number that would be rounded', '{"id":12345678901234567890}', json, /12345678901234567890.*string/],
    ['a missing field', '{"click":"1"}', fields, /'advertiser' is missing/],
    ['an inherited name is no field', '{}', { ...fields, keyField: 'toString' }, /'toString' is missing/],
    ['a field of another type', '{"advertiser":{},"click":"1"}', fields, /'advertiser' is no string/],
    ['fields of what is no object', '[1]', fields, /not an object/],
  ]
  for (const [name, line, format, message] of cases) {
    test(name, () => {
      assert.throws(
        () => parseLine(Buffer.from(line), format),
        (error) => error instanceof BrokenLine && message.test(error.message),
      )
    })
  }
})
