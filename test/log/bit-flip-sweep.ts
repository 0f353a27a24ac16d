/**
 * Every single-bit flip of a small directory. Each is read as an opening reads it; one of each four bytes is opened for writing too.
 * In a thread of its own: the test runner's tracking of promises costs more than the reading.
 */
import assert from 'node:assert/strict'
import { parentPort } from 'node:worker_threads'
import { isHoldfastError } from '../../src/core/errors.ts'
import type { SimulatedDisk } from '../../src/disk/simulated.ts'
import { type Chain, ChainReader } from '../../src/log/chain.ts'
import { type Frame, forEachRecord, RecordType } from '../../src/log/format.ts'
import { readOwner } from '../../src/log/owner.ts'
import { MessageRecord } from '../../src/log/record.ts'
import { isDamaged, verifyDirectory } from '../../src/log/verify.ts'
import { ManualClock } from '../support/manual-clock.ts'
import {
  cloneDisk,
  content,
  directory,
  Model,
  openTestLog,
  readMessages,
  simulatedDisk,
  TestHost,
} from './support.ts'

/** How a flip ends; anything else is a failure. */
const classes = [
  'everything there',
  'tail kept aside, nothing lost',
  'tail kept aside',
  'refused',
  'refused when read',
] as const
type Class = (typeof classes)[number]

const { recordTypes } = new TestHost()

interface Image {
  readonly name: string
  readonly disk: SimulatedDisk
  /** Messages and values in it, and how many of each a later frame vouches for. */
  readonly messages: number
  readonly values: number
  readonly vouchedMessages: number
  readonly vouchedValues: number
}

async function image(name: string, isClosed: boolean): Promise<Image> {
  const disk = simulatedDisk()
  const model = new Model()
  const opened = await openTestLog(disk)
  model.attach(opened)
  let vouched = { messages: 0, values: 0 }
  while (opened.log.segments.length < 3 || opened.log.current.endPosition < 2000) {
    vouched = { messages: opened.host.next, values: opened.host.values.size }
    model.message(120)
    if (opened.host.next % 10 === 0) model.value(20)
    await opened.log.sync()
  }
  assert.equal(opened.log.segments.length, 3)
  if (isClosed) await opened.log.close()
  const { next: messages, values } = opened.host
  if (isClosed) vouched = { messages, values: values.size }
  return {
    name,
    disk: cloneDisk(disk),
    messages,
    values: values.size,
    vouchedMessages: vouched.messages,
    vouchedValues: vouched.values,
  }
}

interface Found {
  readonly messages: ReadonlyMap<number, Uint8Array>
  readonly host: TestHost
  readonly isTailCut: boolean
}

/** Wrong data, or a vouched record that is missing, fails here. */
function judge(image: Image, found: Found): Class {
  const { messages, host, isTailCut } = found
  for (const [offset, bytes] of messages)
    assert.ok(content(offset, 120).equals(bytes), `message ${offset} is wrong`)
  for (const [number, bytes] of host.values)
    assert.ok(content(number, 20).equals(bytes), `value ${number} is wrong`)
  for (let offset = 0; offset < messages.size; offset++)
    assert.ok(messages.has(offset), `message ${offset} is missing`)
  assert.equal(host.next, messages.size, 'offsets go on where messages end')
  assert.ok(messages.size <= image.messages && host.values.size <= image.values, 'nothing is invented')
  const isComplete = messages.size === image.messages && host.values.size === image.values
  if (isComplete) return isTailCut ? 'tail kept aside, nothing lost' : 'everything there'
  assert.ok(isTailCut, `${image.messages - messages.size} messages vanished without a word`)
  const hasVouched = messages.size >= image.vouchedMessages && host.values.size >= image.vouchedValues
  assert.ok(hasVouched, 'a vouched record went with the tail')
  return 'tail kept aside'
}

function refusal(error: unknown): 'refused' {
  assert.ok(isHoldfastError(error), `an error of ours, not ${(error as Error).stack}`)
  assert.ok(['corrupt', 'newer_format', 'directory_not_holdfast'].includes(error.code), error.code)
  assert.match(error.message, /(\.seg, byte \d+: )|OWNER/)
  return 'refused'
}

function collect(frame: Frame, messages: Map<number, Uint8Array>): void {
  forEachRecord(frame.bytes, (at, _length, type) => {
    if (type !== RecordType.message) return
    const message = new MessageRecord(frame.bytes, at)
    messages.set(message.offset, message.body)
  })
}

async function readAsOpening(image: Image): Promise<Class> {
  const host = new TestHost()
  let chain: Chain
  let reader: ChainReader
  try {
    const owner = await readOwner(image.disk, directory)
    reader = new ChainReader(image.disk, directory, owner?.log ?? '', host)
    chain = await reader.read(await image.disk.list(`${directory}/log`))
  } catch (error) {
    return refusal(error)
  }
  const messages = new Map<number, Uint8Array>()
  try {
    for (const segment of chain.segments) {
      // Where the newest is taken over whole, all of it is in the tail.
      if (segment.endSequence > segment.baseSequence)
        await reader.scanSealed(segment, (_path, frame) => collect(frame, messages))
    }
  } catch (error) {
    refusal(error)
    return 'refused when read'
  }
  for (const frame of chain.tail) collect(frame, messages)
  return judge(image, { messages, host, isTailCut: chain.tailCut !== null })
}

async function openForWriting(image: Image): Promise<Class> {
  const disk = cloneDisk(image.disk)
  let opened: Awaited<ReturnType<typeof openTestLog>>
  try {
    opened = await openTestLog(disk, { clock: new ManualClock(1_800_000_000_000) })
  } catch (error) {
    return refusal(error)
  }
  const { log, host, recovered } = opened
  try {
    const messages = await readMessages(log)
    if (recovered.tailCut !== null)
      assert.ok(disk.paths().includes(recovered.tailCut.keptAs), 'the tail is kept')
    return judge(image, { messages, host, isTailCut: recovered.tailCut !== null })
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    refusal(error)
    return 'refused when read'
  } finally {
    await log.close()
  }
}

async function sweep(image: Image, paths: readonly string[]): Promise<number> {
  const counts: Record<string, number> = {}
  let opened = 0
  for (const path of paths) {
    const bits = image.disk.bytesOf(path).length * 8
    for (let bit = 0; bit < bits; bit++) {
      image.disk.flipBit(path, bit)
      try {
        const found = await readAsOpening(image)
        counts[found] = (counts[found] ?? 0) + 1
        if (bit % 32 === (bit >> 5) % 32) {
          assert.equal(await openForWriting(image), found, 'opening for writing ends in the same way')
          const report = await verifyDirectory({ directory, disk: cloneDisk(image.disk), recordTypes })
          assert.equal(isDamaged(report), found !== 'everything there', 'verify says so exactly then')
          opened++
        }
      } catch (error) {
        throw new Error(`${image.name}: bit ${bit} (byte ${bit >> 3}) of ${path}`, { cause: error })
      } finally {
        image.disk.flipBit(path, bit)
      }
    }
  }
  const flips = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const told = classes.map((name) => `${name} ${counts[name] ?? 0}`).join(', ')
  parentPort?.postMessage(`${image.name}: ${flips} flips, ${opened} of them opened: ${told}`)
  return flips
}

// Tens of thousands of errors, and nobody reads where they come from.
Error.stackTraceLimit = 0
const closed = await image('closed in order', true)
let flips = await sweep(
  closed,
  closed.disk.paths().filter((path) => !path.includes('/lock/')),
)
// The older segments are those of the other directory.
const killed = await image('killed, its newest segment', false)
const segments = killed.disk.paths().filter((path) => path.endsWith('.seg'))
flips += await sweep(killed, segments.sort().slice(-1))
parentPort?.postMessage(flips)
