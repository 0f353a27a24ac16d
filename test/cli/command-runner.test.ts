import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CommandFailed, CommandRunner } from '../../src/cli/command-runner.ts'
import type { Message } from '../../src/core/message.ts'

const directory = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
after(() => rm(directory, { recursive: true }))
const out = join(directory, 'out')

const message: Message = {
  id: 'click-1',
  topic: 'clicks',
  partition: 3,
  offset: 7,
  key: "it's a 'key'; $HOME",
  body: { cents: 100 },
  headers: {},
  sentAtMs: 1000,
  mayBeDuplicate: true,
  afterGap: false,
}

function runner(command: string, graceMs = 100): CommandRunner {
  return new CommandRunner({ command, group: 'billing', stdout: 2, onError: () => undefined, graceMs })
}

const forever = () => new AbortController().signal

test('the message is on stdin and in the environment', async () => {
  const variables = 'ID KEY TOPIC GROUP PARTITION OFFSET ATTEMPT SENT_AT_MS MAY_BE_DUPLICATE'
  const echo = variables
    .split(' ')
    .map((name) => `"$HOLDFAST_${name}"`)
    .join(' ')
  await runner(`cat > ${out}; printf '\\n%s' ${echo} >> ${out}`).run(message, 2, forever())
  const [json, ...values] = readFileSync(out, 'utf8').split('\n')
  assert.deepEqual(JSON.parse(json ?? ''), { ...message, encoding: 'json' })
  assert.deepEqual(values, [
    'click-1',
    "it's a 'key'; $HOME",
    'clicks',
    'billing',
    '3',
    '7',
    '2',
    '1000',
    '1',
  ])
})

test('another exit code fails with it and with what the command said', async () => {
  await assert.rejects(
    runner('echo the card was declined >&2; exit 3').run(message, 1, forever()),
    (error) =>
      error instanceof CommandFailed &&
      error.message === 'the command ended with exit code 3: the card was declined',
  )
})

test('a command that is killed has failed', async () => {
  await assert.rejects(runner('kill -9 $$').run(message, 1, forever()), /was ended by SIGKILL/)
})

test('a command that does not read its input may succeed', async () => {
  const large = { ...message, body: 'x'.repeat(1024 * 1024) }
  await runner('exec true').run(large, 1, forever())
})

test('a key with a zero byte is left out of the environment', async () => {
  await runner(`printf '%s' "\${HOLDFAST_KEY-none}" > ${out}`).run({ ...message, key: 'a\0b' }, 1, forever())
  assert.equal(readFileSync(out, 'utf8'), 'none')
})

test('an abort asks the command and its children to end, then makes them', { timeout: 10_000 }, async () => {
  for (const command of ['sleep 60 & wait', "trap '' TERM; sleep 60 & sleep 60; sleep 60"]) {
    const controller = new AbortController()
    const run = runner(command).run(message, 1, controller.signal)
    setTimeout(() => controller.abort(), 100)
    await assert.rejects(run, /was ended by SIG/)
  }
})

test('kill ends everything at once', { timeout: 10_000 }, async () => {
  const one = runner('sleep 60')
  const run = one.run(message, 1, forever())
  setTimeout(() => one.kill(), 100)
  await assert.rejects(run, /SIGKILL/)
})

test('nothing is started for an aborted signal', async () => {
  await assert.rejects(runner(`echo started > ${out}`).run(message, 1, AbortSignal.abort()), {
    name: 'AbortError',
  })
  assert.notEqual(readFileSync(out, 'utf8'), 'started\n')
})
