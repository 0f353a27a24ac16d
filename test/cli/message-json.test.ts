import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyToJson } from '../../src/cli/message-json.ts'

test('a body says how it is written', () => {
  assert.deepEqual(bodyToJson({ a: 1 }), { encoding: 'json', body: { a: 1 } })
  assert.deepEqual(bodyToJson(Buffer.from('\ufeffgrün')), { encoding: 'utf8', body: '\ufeffgrün' })
  assert.deepEqual(bodyToJson(Uint8Array.of(255)), { encoding: 'base64', body: '/w==' })
})
