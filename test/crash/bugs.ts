/** Mistakes that logs and queues have really made, each in a few lines. */

import { syncBuiltinESMExports } from 'node:module'
import zlib from 'node:zlib'
import { Cursor } from '../../src/engines/embedded/cursor.ts'
import { EngineRecord } from '../../src/engines/embedded/records.ts'
import { State } from '../../src/engines/embedded/state.ts'
import { Store } from '../../src/engines/embedded/store.ts'
import { Log } from '../../src/log/log.ts'
import { Owner, ownerPath } from '../../src/log/owner.ts'
import { SegmentWriter } from '../../src/log/segment-writer.ts'
import { Space } from '../../src/log/space.ts'
import type { Bug } from './bug.ts'
import {
  answeringEarly,
  cuttingTails,
  renamingLate,
  retryingSyncs,
  withoutDirectorySync,
  withoutSync,
} from './bug-disks.ts'

const kibi = 1024
const small = { segmentBytes: 4 * kibi, largeShare: 0, latencyMs: 0 }

export const bugs: readonly Bug[] = [
  { name: 'a sync that is not done', wrap: (disk) => withoutSync(disk, () => true) },
  { name: 'confirmed before it is written', wrap: answeringEarly },
  { name: 'no directory sync', wrap: withoutDirectorySync },
  { name: 'a rename nobody waits for', wrap: renamingLate },
  {
    name: 'a failed sync tried again',
    plan: { faultShare: 1, capacityBytes: 2 ** 40 },
    wrap: retryingSyncs,
  },
  {
    name: 'the tail copied without a sync',
    wrap: (disk) => withoutSync(disk, (path, isNamed) => path.includes('/next-') && !isNamed),
  },
  { name: 'a checksum of the header only', install: checksumOfHeader },
  { name: 'an acknowledgement lost at rotation', plan: small, install: loseAcksAtRotation },
  {
    name: 'a snapshot without one group',
    plan: small,
    install: () => leaveOutOfSnapshot(EngineRecord.groupPartition, 2),
  },
  { name: 'a dead letter behind its acknowledgement', plan: { deadShare: 0.1 }, install: deadLetterLater },
  { name: 'offsets not restored', install: () => forget(EngineRecord.partition) },
  { name: 'failures not restored', install: () => forget(EngineRecord.failure) },
  { name: 'no dispatch window', install: noWindow },
  {
    name: 'a reboot taken for a restart',
    install: ignoreReboots,
  },
  { name: 'a segment freed before that is durable', plan: small, install: freeEarly },
  {
    name: 'a reserve that is not honoured',
    plan: {
      capacityBytes: 600 * kibi,
      reserveBytes: 288 * kibi,
      segmentBytes: 16 * kibi,
      largeShare: 0,
      faultShare: 0,
    },
    install: admitAll,
  },
  { name: 'the producer of a copied message forgotten', plan: small, install: forgetProducers },
  { name: 'only the first run of acknowledgements', install: firstRunOnly },
  { name: 'acknowledgements synced late', plan: { latencyMs: 0 }, ackSyncMs: 300 },
  // With one epoch for all segments the check of it lets every stale frame pass.
  {
    name: 'epoch not checked',
    plan: {
      segmentBytes: 384 * kibi,
      latencyMs: 20,
      capacityBytes: 2 ** 40,
      reserveBytes: 0,
      largeShare: 0,
      faultShare: 0,
      slowShare: 1,
    },
    random: (random) => ({ uint32: () => 4711, bytes: (length) => random.bytes(length) }),
  },
  { name: 'OWNER not replaced', install: keepOwner },
  { name: 'tail truncated silently', wrap: cuttingTails },
]

export function bugNamed(name: string): Bug {
  const bug = bugs.find((candidate) => candidate.name === name)
  if (bug === undefined) throw new RangeError(`there is no planted bug '${name}'`)
  return bug
}

function checksumOfHeader(): void {
  const { crc32 } = zlib
  zlib.crc32 = (data, value) => crc32((data as Uint8Array).subarray(0, 28), value)
  syncBuiltinESMExports()
}

function loseAcksAtRotation(): void {
  const { rotate } = SegmentWriter.prototype
  const { collect } = Cursor.prototype
  let hasRotated = false
  SegmentWriter.prototype.rotate = async function (...args) {
    await rotate.apply(this, args)
    hasRotated = true
  }
  Cursor.prototype.collect = function (store) {
    if (!hasRotated) return collect.call(this, store)
    hasRotated = false
    this.takeRuns()
    return true
  }
}

function leaveOutOfSnapshot(type: number, number: number): void {
  const { snapshot } = State.prototype
  State.prototype.snapshot = function* () {
    for (const record of snapshot.call(this)) {
      const view = new DataView(record.buffer, record.byteOffset)
      if (record[4] !== type || view.getUint32(8, true) !== number) yield record
    }
  }
}

function deadLetterLater(): void {
  const { append } = Log.prototype
  Log.prototype.append = function (records, lazy) {
    const [letter, settled] = records
    if (records.length !== 2 || letter[4] !== 16 || settled[4] !== EngineRecord.settled) {
      return append.call(this, records, lazy)
    }
    if (!append.call(this, [settled], lazy)) return false
    setImmediate(() => {
      if (this.error === null) append.call(this, [letter], lazy)
    })
    return true
  }
}

/** Reads everything but records of this type. */
function forget(type: number): void {
  const { apply } = State.prototype
  State.prototype.apply = function (frame, at, length, found) {
    if (found !== type) apply.call(this, frame, at, length, found)
  }
}

function noWindow(): void {
  Cursor.prototype.mayHandOut = () => true
}

function ignoreReboots(): void {
  Store.prototype.lostWrites = () => undefined
}

function admitAll(): void {
  Space.prototype.admits = () => true
}

function freeEarly(): void {
  Log.prototype.afterSync = (run) => queueMicrotask(run)
}

function forgetProducers(): void {
  State.prototype.closeProducers = function (segment) {
    for (const producer of this.producers.values()) producer.closedInSegment ??= segment
  }
}

function firstRunOnly(): void {
  const { takeRuns } = Cursor.prototype
  Cursor.prototype.takeRuns = function () {
    return takeRuns.call(this).slice(0, 2)
  }
}

/** A new owner believes the lock and leaves the file OWNER as it is. */
function keepOwner(): void {
  const { take } = Owner
  Owner.take = async (disk, writer, lock, directory, record) => {
    const path = ownerPath(directory)
    const identity = disk.identity(path)
    if (identity === null) return take(disk, writer, lock, directory, record)
    const fields = { path, fence: record.fence, identity, lockIdentity: disk.identity(lock.path) }
    return Reflect.construct(Owner, [disk, lock, fields, await disk.open(path)])
  }
}
