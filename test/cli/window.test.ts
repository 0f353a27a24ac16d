import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Window } from '../../src/cli/window.ts'

test('waits for room in messages and in bytes, and lets a giant go alone', async () => {
  const window = new Window({ messages: 2, bytes: 100 })
  const taken = async (bytes: number) => {
    let done = false
    void window.take(bytes).then(() => {
      done = true
    })
    await new Promise(setImmediate)
    return done
  }
  assert.equal(await taken(60), true)
  assert.equal(await taken(60), false)
  window.give(60)
  await new Promise(setImmediate)
  assert.equal(window.messages, 1)
  window.give(60)
  assert.equal(await taken(1000), true)
  assert.equal(await taken(1), false)
  window.give(1000)
  await new Promise(setImmediate)
  window.give(1)
  await window.idle()
  assert.equal(window.messages, 0)
})
