/**
 * The log: one sequence of frames over segment files, appended by everybody and made durable for all of them
 * by one sync (group commit). What a frame holds is its host's business.
 *
 * Rules kept here: a record is acknowledged only after a sync that began behind its write; the first error of
 * any write, sync, rename or directory sync ends this log (nothing is tried again: see disk/port.ts) and its waiters
 * learn *unknown*; before every acknowledgement the owner looks whether it still is the owner.
 */
import type { Timer } from '../core/clock.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Writer } from '../disk/port.ts'
import {
  align8,
  buildRecord,
  frameHeaderBytes,
  frameTargetBytes,
  maxFrameBytes,
  RecordType,
  viewOf,
  writeU64,
} from './format.ts'
import { FrameBuffer, type OpenFrame } from './frame-buffer.ts'
import type { LogHost, LogSettings } from './host.ts'
import { LazyTimer } from './lazy-timer.ts'
import type { Owner } from './owner.ts'
import { OpenFiles } from './reader.ts'
import type { Segment } from './segment.ts'
import { type LogStart, SegmentWriter } from './segment-writer.ts'
import type { Space } from './space.ts'
import { SyncWaiters } from './sync-waiters.ts'

/** Up to so many bytes of a snapshot go in front of each group, so that it never holds up sends. */
const snapshotShareBytes = 64 * 1024
/** Syncs faster than this are worth starting before the tick ends: making the rest of the group takes longer. */
const fastSyncMs = 2
const idleMs = 100

interface InFlight {
  readonly ringBytes: number
  readonly ticket: number
  readonly endSequence: number
  readonly endPosition: number
  readonly segment: Segment
  readonly sync: boolean
}

interface ClosedFrame {
  readonly frame: OpenFrame
  readonly ticket: number
}

export class Log {
  readonly settings: LogSettings
  readonly owner: Owner
  readonly #host: LogHost
  readonly #writer: Writer
  readonly #tail: SegmentWriter
  readonly #buffer: FrameBuffer
  readonly #space: Space
  /** All live segments in order, the current one last. */
  readonly segments: Segment[]
  /** Segments open for reading. */
  readonly files: OpenFiles
  #syncedSequence: number
  /** How much of the current segment is durable, bytes. */
  #durablePosition: number

  /** Counts records appended by the host; `synced` and `written` speak of it. */
  #ticket = 0
  #frame: OpenFrame | null = null
  #closed: ClosedFrame[] = []
  readonly #inFlight: InFlight[] = []
  #syncsInFlight = 0
  #groupBytes = 0
  #starved = false
  #flushScheduled = false
  #settleScheduled = false
  #doneTicket = 0
  #syncedTicket = 0
  #rotating = false
  /** What is still to be appended of the current segment's snapshot. */
  #snapshot: Iterator<Uint8Array, void> | null = null
  /** Whether the end of that snapshot, at this ticket, is not in the segment yet: until then the segment goes on. */
  #headOpen = false
  #headTicket = 0
  /** The last ticket that is in a segment. */
  #placedTicket = 0
  #releasing: { readonly segment: Segment; readonly ticket: number }[] = []
  readonly #lazy: LazyTimer
  #wantsSync = false
  /** Whether a frame says of all before it that they were durable; the first segment of an owner ends with one. */
  #vouched = true
  /** Whether something written to the current segment is not synced, or about to be. */
  #unsynced = false
  #idleTimer: Timer | null = null
  #error: HoldfastError | null = null
  #closing = false
  /** The record of an orderly end is appended: nothing may come behind it. */
  #ended = false
  readonly #waiters = new SyncWaiters()

  constructor(start: LogStart, host: LogHost) {
    this.settings = start.settings
    this.owner = start.owner
    this.#host = host
    this.#writer = start.writer
    this.#tail = new SegmentWriter(start)
    this.#buffer = new FrameBuffer(start.writer.allocate(start.settings.bufferBytes))
    this.#space = start.space
    this.segments = start.segments
    this.files = new OpenFiles(start.settings.disk)
    this.#lazy = new LazyTimer(start.settings, (sync) => this.#writeLazily(sync))
    this.#syncedSequence = this.#tail.sequence
    this.#durablePosition = this.current.endPosition
    this.#armIdle()
  }

  get current(): Segment {
    return this.#tail.current
  }

  get error(): HoldfastError | null {
    return this.#error
  }

  /** Records appended so far; the next `synced` that reaches it makes all of them durable. */
  get ticket(): number {
    return this.#ticket
  }

  /** How far a segment may be read, bytes: only what is durable is served. */
  readableEnd(segment: Segment): number {
    return segment === this.current ? this.#durablePosition : segment.endPosition
  }

  /** True when `bytes` more of messages may be stored without touching what is kept for acknowledgements. */
  admits(bytes: number): boolean {
    return this.#space.admits(bytes + this.#buffer.usedBytes, this.current)
  }

  /** Whether new messages fit the window (half of the buffer; the other half is for everything else). */
  get hasRoom(): boolean {
    if (this.#buffer.usedBytes * 2 < this.#buffer.capacityBytes) return true
    this.#starved = true
    return false
  }

  /**
   * A frame in which a record or batch of at most `bound` bytes can be encoded, at `frame.start + frame.length`; null when there is
   * no room (`drained` will say when), or the log is ended. Every `open` that is used is followed by `added` in the same turn.
   */
  open(bound: number): OpenFrame | null {
    if (this.#error !== null) throw this.#error
    if (this.#ended) return null
    if (!FrameBuffer.fitsRing(bound)) {
      // Longer frames are taken for damage when they are read.
      if (bound > maxFrameBytes - frameHeaderBytes - 8)
        throw new RangeError(`a batch of ${bound} bytes fits no frame`)
      this.#closeFrame()
      return FrameBuffer.separate(bound)
    }
    this.#frame ??= this.#buffer.open()
    if (this.#frame === null) this.#starved = true
    return this.#frame
  }

  /** The record of `length` bytes (without padding) at the frame's end is complete. `lazy`: nobody waits for it. */
  added(frame: OpenFrame, length: number, lazy: boolean): void {
    frame.length += align8(length)
    frame.count++
    this.#ticket++
    if (lazy) this.#lazy.touch()
    else this.#wantsSync = true
    if (frame !== this.#frame) {
      this.#closed.push({ frame, ticket: this.#ticket })
      this.#schedule()
    } else if (frame.length >= frameTargetBytes) {
      this.#closeFrame()
      if (this.#writer.syncMs < fastSyncMs) this.#place(true)
    }
    if (!lazy && !this.#flushScheduled && this.#syncsInFlight === 0) this.#schedule()
  }

  /** Appends finished records as one atomic batch; the path for what is not hot. False: no room. */
  append(records: readonly Uint8Array[], lazy: boolean): boolean {
    const bound = records.reduce((sum, record) => sum + align8(record.length), 0)
    const frame = this.open(bound)
    if (frame === null) return false
    // All but the last only move the end: `added` may close the frame, and a batch never spans two.
    let at = frame.start + frame.length
    for (const record of records) {
      frame.slab.bytes.set(record, at)
      frame.slab.bytes.fill(0, at + record.length, at + align8(record.length))
      at += align8(record.length)
    }
    const last = records.length - 1
    frame.length = at - frame.start - align8(records[last]!.length)
    frame.count += last
    this.#ticket += last
    this.added(frame, records[last]!.length, lazy)
    return true
  }

  /** Something waits to be collected, and nobody waits for it: it is written and synced in due time. */
  touch(): void {
    this.#lazy.touch()
  }

  /** Runs when everything appended so far is durable; never when the log fails before. */
  afterSync(run: () => void): void {
    this.#waiters.after(this.#ticket, run)
    this.#lazy.touch()
  }

  /** Resolves when everything appended, and everything `collect` adds now, is durable; rejects with `closed` behind the end. */
  sync(): Promise<void> {
    if (!this.#ended) return this.#synced()
    return Promise.reject(new HoldfastError('closed', `${this.settings.directory} is closed`))
  }

  #synced(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error)
      this.#collect()
      this.#pullSnapshot()
      const idle = this.#ticket <= this.#syncedTicket && !this.#rotating && this.#snapshot === null
      // What has just become durable is not acknowledged yet: `settle` looks first who owns the directory.
      if (idle && !this.#settleScheduled) return resolve()
      this.#waiters.add({ ticket: this.#ticket, resolve, reject })
      this.#wantsSync = true
      this.#schedule()
    })
  }

  /** Whether recovery could do without the segment, as far as the log's own records go. */
  isReleasable(segment: Segment): boolean {
    if (segment === this.current || this.#rotating) return false
    return this.#snapshot === null || segment !== this.segments[this.segments.length - 2]
  }

  /** Gives a segment up: nothing in it is needed by what is in the log before this call. False: no room, try later. */
  release(segment: Segment): boolean {
    const payload = new Uint8Array(8)
    writeU64(viewOf(payload), 0, segment.number)
    if (!this.append([buildRecord(RecordType.released, payload)], true)) return false
    this.segments.splice(this.segments.indexOf(segment), 1)
    this.#releasing.push({ segment, ticket: this.#ticket })
    this.afterSync(() => {
      void this.#guard(async () => {
        await this.files.close(segment)
        this.owner.mustStillOwn()
        await this.#space.reclaim(segment)
      })
    })
    return true
  }

  /** Writes everything, ends the log in order, gives the directory back. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#lazy.stop()
    this.#idleTimer?.cancel()
    try {
      if (this.#error === null) {
        await this.#end()
        await this.#vouch()
      }
    } finally {
      await this.#writer.close()
      await this.files.closeAll()
      await this.owner.release()
    }
  }

  /** Everything goes before the record of the end, and nothing behind it. Where that one fills the segment, the next has its own. */
  async #end(): Promise<void> {
    const closed = buildRecord(RecordType.closed, new Uint8Array(0))
    do {
      this.#ended = false
      while (!this.#collect() || this.#rotating || this.#snapshot !== null || !this.append([closed], false))
        await this.#synced()
      this.#ended = true
      await this.#synced()
    } while (this.#rotating || this.#snapshot !== null)
  }

  // --- gathering ---

  #collect(): boolean {
    return this.#ended || this.#host.collect()
  }

  /** What nobody waits for: the groups that somebody waits for go first. */
  #writeLazily(sync: boolean): boolean {
    const mayWrite = sync || this.#syncsInFlight === 0
    if (sync) this.#wantsSync = true
    if (mayWrite) this.#flush()
    return mayWrite
  }

  /** The group is written when the microtasks that are still adding to it have run. */
  #schedule(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    process.nextTick(() => {
      this.#flushScheduled = false
      if (this.#syncsInFlight === 0 || this.#writer.syncMs < fastSyncMs) this.#flush()
    })
  }

  #flush(): void {
    if (this.#error !== null) return
    const isWhole = this.#collect()
    this.#pullSnapshot()
    if (this.#error !== null) return
    const allSynced =
      this.#syncedSequence === this.#tail.sequence && this.#frame === null && this.#closed.length === 0
    if (allSynced && !this.#vouched && !this.#rotating) this.#openVouch()
    this.#closeFrame()
    const sync = this.#wantsSync
    this.#place(sync)
    if (sync && !this.#wantsSync && isWhole) this.#lazy.done()
    // What found no room waits for the next group, and there must be one.
    if (!isWhole) this.#lazy.touch()
  }

  /** An empty frame: all it says is how far the log was durable. */
  #openVouch(): void {
    this.#frame = this.#buffer.open()
  }

  async #vouch(): Promise<void> {
    this.#wantsSync = true
    this.#flush()
    while (this.#inFlight.length > 0 && this.#error === null) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
    }
  }
  readonly #idleWaiters: (() => void)[] = []

  #pullSnapshot(): void {
    if (this.#snapshot === null) return
    // A full segment waits for its snapshot: the rest of it goes at once.
    let share = this.#tail.fits(frameTargetBytes) ? snapshotShareBytes : Number.POSITIVE_INFINITY
    while (share > 0 && this.#snapshot !== null) {
      const next = this.#snapshot.next()
      const record = next.done ? buildRecord(RecordType.snapshotEnd, new Uint8Array(0)) : next.value
      if (!this.append([record], true)) {
        // Taken from the iterator but not written: begin anew, an incomplete snapshot is never used.
        this.#snapshot = this.#host.snapshot(this.current.number)
        return
      }
      share -= record.length
      if (!next.done) continue
      this.#snapshot = null
      this.#headTicket = this.#ticket
    }
    if (this.#snapshot !== null) this.#lazy.touch()
  }

  #closeFrame(): void {
    const frame = this.#frame
    if (frame === null) return
    this.#frame = null
    this.#buffer.close(frame)
    this.#closed.push({ frame, ticket: this.#ticket })
  }

  // --- writing ---

  /** Gives closed frames their place and hands them to the disk. */
  #place(sync: boolean): void {
    if (this.#rotating || this.#error !== null) return
    let bytes = 0
    for (let i = 0; i < this.#closed.length; i++) {
      const { frame, ticket } = this.#closed[i]!
      // A segment whose snapshot is not complete stays open: recovery starts at a complete one.
      // A vouch goes in all the same: rotating for it would make new records to vouch for, again and again.
      const isFull = frame.count > 0 && !this.#tail.fits(frame.length) && !this.#tail.isFresh
      if (isFull && !this.#headOpen) {
        this.#closed = this.#closed.slice(i)
        void this.#guard(() => this.#rotate())
        return
      }
      // One sync for all: with one for each, the first would be under way before the rest is written.
      this.#write(frame, ticket, sync && i === this.#closed.length - 1)
      bytes += frame.length
      if (this.#headOpen && this.#snapshot === null && ticket >= this.#headTicket) {
        this.#headOpen = false
        this.#tail.headComplete()
      }
    }
    this.#closed.length = 0
    if (bytes > 0) this.#groupBytes = bytes
    else if (sync && this.#unsynced) this.#sync()
    if (sync) this.#wantsSync = false
  }

  #write(frame: OpenFrame, ticket: number, sync: boolean): void {
    this.#vouched = frame.count === 0
    this.#unsynced = !sync
    this.#placedTicket = ticket
    const how = { syncedUpTo: this.#syncedSequence, sync, groupBytes: this.#groupBytes }
    this.#tail.write(frame, how, this.#done)
    this.#expect(frame.ringBytes, ticket, sync)
  }

  #sync(): void {
    this.#unsynced = false
    this.#tail.sync(this.#done)
    this.#expect(0, this.#placedTicket, true)
  }

  /** Takes note of an append under way: they finish in order. */
  #expect(ringBytes: number, ticket: number, sync: boolean): void {
    const { current } = this
    this.#inFlight.push({
      ringBytes,
      ticket,
      endSequence: current.endSequence,
      endPosition: current.endPosition,
      segment: current,
      sync,
    })
    if (sync) this.#syncsInFlight++
  }

  // --- completion ---

  readonly #done = (error: NodeJS.ErrnoException | null): void => {
    if (this.#error !== null) return
    if (error !== null) {
      this.#fail(this.#broken(error))
      return
    }
    const finished = this.#inFlight.shift()!
    this.#buffer.free(finished.ringBytes)
    this.#doneTicket = finished.ticket
    if (finished.sync) {
      this.#syncsInFlight--
      this.#syncedTicket = finished.ticket
      this.#syncedSequence = finished.endSequence
      if (finished.segment === this.current) this.#durablePosition = finished.endPosition
    }
    if (!this.#settleScheduled) {
      // One settlement for all appends that the disk reports together.
      this.#settleScheduled = true
      queueMicrotask(this.#settle)
    }
  }

  readonly #settle = (): void => {
    this.#settleScheduled = false
    if (this.#error !== null) return
    // Confirmed before another owner's first read, or not at all (owner.ts).
    if (!this.owner.isStillOwner()) {
      this.#fail(this.owner.fenced())
      return
    }
    this.#host.written(this.#doneTicket)
    this.#host.synced(this.#syncedTicket)
    this.#waiters.reached(this.#syncedTicket)
    if (this.#starved && this.#buffer.usedBytes * 2 < this.#buffer.capacityBytes) {
      this.#starved = false
      this.#host.drained()
    }
    if (this.#inFlight.length === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve()
    // Senders that the confirmations woke send again in microtasks: their messages shall be in this group.
    const more = this.#frame !== null || this.#closed.length > 0
    if (more && this.#wantsSync) queueMicrotask(() => this.#schedule())
    else if (!this.#vouched) this.#lazy.touch()
    this.#armIdle()
  }

  // --- rotation ---

  async #rotate(): Promise<void> {
    this.#rotating = true
    // A release that goes into the next segment is not durable yet: until it is, the segment is live.
    this.#releasing = this.#releasing.filter(({ ticket }) => ticket > this.#placedTicket)
    await this.#tail.rotate(
      this.#syncedSequence,
      this.#releasing.map(({ segment }) => segment),
    )
    this.#unsynced = false
    this.#syncedSequence = this.#tail.sequence
    this.#durablePosition = this.current.endPosition
    this.#rotating = false
    this.#snapshot = this.#host.snapshot(this.current.number)
    this.#headOpen = true
    this.#place(this.#wantsSync || !this.#waiters.isEmpty)
    this.#lazy.touch()
    queueMicrotask(this.#settle)
  }

  #armIdle(): void {
    if (this.#idleTimer !== null || this.#closing || !this.#space.wantsReserve) return
    this.#idleTimer = this.settings.clock.after(idleMs, () => {
      this.#idleTimer = null
      if (this.#closing || this.#error !== null) return
      if (this.#inFlight.length > 0 || this.#rotating) return this.#armIdle()
      void this.#guard(async () => {
        await this.#space.prepareReserve()
        this.#armIdle()
      })
    })
  }

  // --- failure ---

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#fail(error instanceof HoldfastError ? error : this.#broken(error as Error))
    }
  }

  #broken(cause: Error): HoldfastError {
    const why = (cause as NodeJS.ErrnoException).code ?? cause.message
    return new HoldfastError('log_failed', `writing to ${this.settings.directory} failed: ${why}`, { cause })
  }

  #fail(error: HoldfastError): void {
    if (this.#error !== null || this.#closing) {
      this.#error ??= error
      this.#waiters.failed(this.#error)
      for (const resolve of this.#idleWaiters.splice(0)) resolve()
      return
    }
    this.#error = error
    this.#lazy.stop()
    this.#idleTimer?.cancel()
    this.#waiters.failed(error)
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
    this.#host.failed(error)
  }
}
