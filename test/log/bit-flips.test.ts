import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'

describe('every single-bit flip of a directory of three segments', () => {
  it('harms nothing, costs only a tail nobody vouched for, or is refused with its place', async (t) => {
    const worker = new Worker(new URL('./bit-flip-sweep.ts', import.meta.url))
    let flips = 0
    worker.on('message', (message: string | number) => {
      if (typeof message === 'number') flips = message
      else t.diagnostic(message)
    })
    await once(worker, 'exit')
    assert.ok(flips >= 120_000, `${flips} flips`)
  })
})
