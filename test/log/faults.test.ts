import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'

/** Fewer cases than this: a workload became smaller without anybody noticing. */
const leastCases = 4000

describe('every call to the disk, failing in every way', () => {
  it('never costs what was acknowledged, and never makes up anything', async (t) => {
    const worker = new Worker(new URL('./fault-sweep.ts', import.meta.url))
    let cases = 0
    worker.on('message', (message: string | number) => {
      if (typeof message === 'number') cases = message
      else t.diagnostic(message)
    })
    await once(worker, 'exit')
    t.diagnostic(`${cases} cases`)
    assert.ok(cases >= leastCases, `${cases} cases`)
  })
})
