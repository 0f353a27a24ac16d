import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verdict } from '../../src/cli/commands/produce.ts'
import { LineSender, type LineSenderOptions } from '../../src/cli/line-sender.ts'
import type { LineMessage } from '../../src/cli/message-line.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import type { Receipt } from '../../src/core/message.ts'

const receipt: Receipt = {
  id: 'x',
  engine: 'test',
  topic: 't',
  partition: 0,
  attempts: 1,
  duplicate: false,
  sentAtMs: 0,
  durability: { copies: 1, majority: null, synced: true, evidence: [] },
}

async function* input(...lines: string[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(`${line}\n`)
}

function sender(send: LineSenderOptions['send'], options: Partial<LineSenderOptions> = {}): LineSender {
  return new LineSender({
    send,
    format: { raw: false, keyField: undefined, idField: undefined },
    strict: false,
    onProblem: () => undefined,
    onProgress: () => undefined,
    ...options,
  })
}

const running = () => new AbortController().signal

test('sends every line in order and confirms them all', async () => {
  const sent: unknown[] = []
  const report = await sender(async (message) => {
    sent.push(message.body)
    return { ...receipt, duplicate: message.body === 2 }
  }).run(input('1', '', '2', '3'), running())
  assert.deepEqual(sent, [1, 2, 3])
  assert.equal(report.confirmed, 3)
  assert.equal(report.duplicates, 1)
  assert.equal(report.complete, true)
  assert.equal(verdict(report), 0)
})

test('a broken line is named and kept out, the rest is sent', async () => {
  const sent: unknown[] = []
  const seen: number[] = []
  const report = await sender(
    async (message) => {
      sent.push(message.body)
      return receipt
    },
    { onProblem: ({ line }) => seen.push(line) },
  ).run(input('1', '{broken', '3'), running())
  assert.deepEqual(sent, [1, 3])
  assert.deepEqual(seen, [2])
  assert.equal(report.failed, 1)
  assert.match(report.failures[0]?.problem ?? '', /not valid JSON/)
  assert.equal(verdict(report), 1)
})

test('--strict stops at the first broken line', async () => {
  const sent: unknown[] = []
  const report = await sender(
    async (message) => {
      sent.push(message.body)
      return receipt
    },
    { strict: true },
  ).run(input('1', '{broken', '3'), running())
  assert.deepEqual(sent, [1])
  assert.equal(report.complete, false)
  assert.equal(verdict(report), 1)
})

test('a refusal that is about one message does not stop the others', async () => {
  const send = async (message: LineMessage) => {
    if (message.body === 2) throw new HoldfastError('message_too_large', 'too large')
    if (message.body === 3) throw new TypeError('no such body')
    return receipt
  }
  const report = await sender(send).run(input('1', '2', '3', '4'), running())
  assert.deepEqual([report.confirmed, report.failed, report.complete], [2, 2, true])
})

test('a failure that would meet every message stops, and says after which line', async () => {
  let calls = 0
  const send = async () => {
    calls++
    throw new HoldfastError('disk_full', 'the disk is full')
  }
  async function* endless() {
    for (;;) {
      yield Buffer.from('1\n')
      await new Promise(setImmediate)
    }
  }
  const report = await sender(send).run(endless(), running())
  assert.ok(calls < 10)
  assert.equal(report.complete, false)
  assert.match(report.failures[0]?.problem ?? '', /disk_full/)
})

test('an unknown outcome is pending, not failed: exit code 3', async () => {
  const send = async () => {
    throw new HoldfastError('send_pending', 'no answer')
  }
  const report = await sender(send).run(input('1'), running())
  assert.deepEqual([report.confirmed, report.failed, report.pending], [0, 0, 1])
  assert.equal(report.unknown[0]?.line, 1)
  assert.equal(verdict(report), 3)
})

test('keeps a bounded number of lines under way and waits for all of them', async () => {
  const waiting: (() => void)[] = []
  let highest = 0
  let underWay = 0
  const send = () =>
    new Promise<Receipt>((resolve) => {
      highest = Math.max(highest, ++underWay)
      waiting.push(() => {
        underWay--
        resolve(receipt)
      })
    })
  const lines = Array.from({ length: 10_000 }, (_, i) => String(i))
  const done = sender(send).run(input(lines.join('\n')), running())
  const pump = setInterval(() => {
    for (const answer of waiting.splice(0)) answer()
  }, 1)
  const report = await done
  clearInterval(pump)
  assert.equal(report.confirmed, 10_000)
  assert.equal(highest, 4096)
})

test('a signal stops the reading; what was sent is still awaited', async () => {
  const controller = new AbortController()
  const send = async () => {
    controller.abort()
    await new Promise(setImmediate)
    return receipt
  }
  const report = await sender(send).run(input('1', '2', '3'), controller.signal)
  assert.equal(report.confirmed, 1)
  assert.equal(report.complete, false)
  assert.equal(verdict(report), 3)
})

test('lists a hundred problems and counts all of them', async () => {
  const lines = Array.from({ length: 250 }, () => '{')
  const report = await sender(async () => receipt).run(input(...lines), running())
  assert.equal(report.failed, 250)
  assert.equal(report.failures.length, 100)
})
