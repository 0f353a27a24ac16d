import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { channels, publish } from '../../src/core/diagnostics.ts'

test('the names of the channels are public: frozen', () => {
  const names = Object.values(channels).map((channel) => String((channel as { name?: unknown }).name))
  assert.deepEqual(names, [
    'holdfast:sent',
    'holdfast:confirmed',
    'holdfast:refused',
    'holdfast:unknown',
    'holdfast:delivered',
    'holdfast:handled',
    'holdfast:failed',
    'holdfast:held',
    'holdfast:dead',
    'holdfast:paused',
    'holdfast:resumed',
    'holdfast:tail-cut',
    'holdfast:log-failed',
    'holdfast:log-reopened',
    'holdfast:disk-full',
    'holdfast:disk-freed',
    'holdfast:segment-released',
    'holdfast:unsafe-setting',
  ])
})

test('a subscriber gets the event, and only then somebody listens', () => {
  const events: unknown[] = []
  const listen = (event: unknown): void => void events.push(event)
  assert.equal(channels.sent.hasSubscribers, false)
  publish('sent', { topic: 'clicks', messageId: 'before' })
  subscribe('holdfast:sent', listen)
  assert.equal(channels.sent.hasSubscribers, true)
  assert.equal(channels.confirmed.hasSubscribers, false)
  publish('sent', { topic: 'clicks', messageId: 'while' })
  unsubscribe('holdfast:sent', listen)
  assert.equal(channels.sent.hasSubscribers, false)
  publish('sent', { topic: 'clicks', messageId: 'after' })
  assert.deepEqual(events, [{ topic: 'clicks', messageId: 'while' }])
})
