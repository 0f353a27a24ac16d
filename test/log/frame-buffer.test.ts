import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { align8, frameHeaderBytes, frameTargetBytes } from '../../src/log/format.ts'
import { FrameBuffer, type OpenFrame } from '../../src/log/frame-buffer.ts'

interface Closed {
  readonly frame: OpenFrame
  readonly start: number
  readonly end: number
}

describe('the ring in which frames are made', () => {
  it('never lets frames overlap, and gets all its room back in the order of their making', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('make' as const),
          records: fc.array(fc.integer({ min: 16, max: frameTargetBytes }), { minLength: 1, maxLength: 5 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('free' as const) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 4, max: 9 }), (steps, frames) => {
        const ring = new FrameBuffer(new Uint8Array(frames * (2 * frameTargetBytes + 64)))
        const closed: Closed[] = []
        let refused = 0
        for (const next of steps) {
          if (next.kind === 'free') {
            const oldest = closed.shift()
            if (oldest !== undefined) ring.free(oldest.frame.ringBytes)
          } else {
            const frame = ring.open()
            if (frame === null) {
              refused++
              assert.ok(closed.length > 0, 'an empty ring has room')
              continue
            }
            for (const bytes of next.records) {
              if (frame.length >= frameTargetBytes) break
              frame.length += align8(bytes)
              frame.count++
            }
            ring.close(frame)
            const end = frame.start + frame.length
            assert.ok(frame.start % 8 === 0 && end <= ring.capacityBytes)
            for (const other of closed)
              assert.ok(end <= other.start || frame.start >= other.end, 'it lies beside all others')
            closed.push({ frame, start: frame.start, end })
          }
          const held = closed.reduce((sum, { frame }) => sum + frame.ringBytes, 0)
          assert.equal(ring.usedBytes, held)
        }
        for (const { frame } of closed) ring.free(frame.ringBytes)
        assert.equal(ring.usedBytes, 0)
        assert.ok(refused <= steps.length)
      }),
    )
  })

  it('gives a big batch memory of its own', () => {
    const ring = new FrameBuffer(new Uint8Array(8 * frameTargetBytes))
    assert.equal(FrameBuffer.fitsRing(frameTargetBytes), true)
    assert.equal(FrameBuffer.fitsRing(frameTargetBytes + 1), false)
    const frame = FrameBuffer.separate(100_001)
    assert.ok(frame.slab.bytes.length >= frameHeaderBytes + align8(100_001))
    ring.close(frame)
    assert.equal(ring.usedBytes, 0)
  })
})
