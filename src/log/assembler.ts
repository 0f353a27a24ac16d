/** Writes a new segment from finished records, before anybody may use it. */
import type { WritableFile, Writer } from '../disk/port.ts'
import {
  align8,
  buildFrame,
  buildRecord,
  frameHeaderBytes,
  frameTargetBytes,
  RecordType,
  recordHeaderBytes,
} from './format.ts'
import type { Segment } from './segment.ts'

export class FrameAssembler {
  readonly #writer: Writer
  readonly #file: WritableFile
  readonly #segment: Segment
  #records: Uint8Array[] = []
  #bytes = 0
  #failure: Error | null = null

  /** Writes the segment's header at once. */
  constructor(writer: Writer, file: WritableFile, segment: Segment, header: Uint8Array) {
    this.#writer = writer
    this.#file = file
    this.#segment = segment
    this.#append(header)
  }

  /** The table comes first and says where the footers behind it lie; its length does not depend on them. */
  beginWithTable(
    table: (footerPositions: readonly number[]) => Uint8Array,
    footers: readonly Uint8Array[],
  ): void {
    const frames = footers.map((payload) => frameHeaderBytes + align8(recordHeaderBytes + payload.length))
    const zeros = footers.map(() => 0)
    let position =
      this.#segment.endPosition + frameHeaderBytes + align8(recordHeaderBytes + table(zeros).length)
    const positions = frames.map((bytes) => {
      const at = position
      position += bytes
      return at
    })
    this.add(buildRecord(RecordType.segments, table(positions)))
    this.#close()
    for (const payload of footers) {
      this.add(buildRecord(RecordType.footer, payload))
      this.#close()
    }
  }

  /** Takes a whole record; its bytes must not change until `finish`. */
  add(record: Uint8Array): void {
    this.#records.push(record)
    this.#bytes += align8(record.length)
    if (this.#bytes >= frameTargetBytes) this.#close()
  }

  /** Completes the snapshot; resolves when everything is durable and the last frame says so. */
  async finish(): Promise<void> {
    this.add(buildRecord(RecordType.snapshotEnd, new Uint8Array(0)))
    this.#close()
    await this.#sync()
    // From here on damage in it is damage: what it took over may be nowhere else soon.
    const { epoch, endSequence } = this.#segment
    this.#append(buildFrame([], { epoch, firstSequence: endSequence, syncedUpTo: endSequence }))
    await this.#sync()
  }

  async #sync(): Promise<void> {
    const { endPosition } = this.#segment
    await new Promise<void>((resolve) => {
      this.#writer.append(this.#file, endPosition, new Uint8Array(0), { sync: true, zeros: 0 }, (error) => {
        this.#failure ??= error
        resolve()
      })
    })
    if (this.#failure !== null) throw this.#failure
  }

  #close(): void {
    if (this.#records.length === 0) return
    const segment = this.#segment
    const frame = buildFrame(this.#records, {
      epoch: segment.epoch,
      firstSequence: segment.endSequence,
      syncedUpTo: segment.baseSequence,
    })
    segment.index.addFrame({ bytes: Buffer.from(frame.buffer), position: segment.endPosition })
    segment.endSequence += this.#records.length
    this.#records = []
    this.#bytes = 0
    this.#append(frame)
  }

  #append(bytes: Uint8Array): void {
    const position = this.#segment.endPosition
    this.#segment.endPosition += bytes.length
    this.#segment.allocatedBytes = Math.max(this.#segment.allocatedBytes, this.#segment.endPosition)
    this.#writer.append(this.#file, position, bytes, { sync: false, zeros: 0 }, (error) => {
      this.#failure ??= error
    })
  }
}
