/**
 * What an operator asks about, as `node:diagnostics_channel` channels `holdfast:<event>`. Metrics and tracing stand on
 * them. Without a subscriber they cost one property read; so ask `hasSubscribers` before building what is published per message.
 */
import { type Channel, channel } from 'node:diagnostics_channel'
import type { HoldfastError } from './errors.ts'

/** A message on its way in. */
export interface SendEvent {
  readonly topic: string
  readonly messageId: string
}

export interface ConfirmedEvent extends SendEvent {
  readonly partition: number
  /** Undefined where the engine has none. */
  readonly offset: number | undefined
  /** From the call to the confirmation. */
  readonly durationMs: number
}

export interface SendFailedEvent extends SendEvent {
  readonly error: HoldfastError
}

/** A message in the hands of a consumer. */
export interface DeliveryEvent {
  readonly topic: string
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly messageId: string
  /** Which attempt this is, from 1. */
  readonly attempt: number
}

export interface HandledEvent extends DeliveryEvent {
  /** How long the handler ran. */
  readonly durationMs: number
}

export interface FailedEvent extends DeliveryEvent {
  /** What the handler threw. */
  readonly error: unknown
  /** Until the next attempt. */
  readonly delayMs: number
}

export interface DeadEvent extends DeliveryEvent {
  readonly reason: string
}

/** A key, or a message without one, waits for its next attempt. */
export interface HeldEvent {
  readonly topic: string
  readonly group: string
  readonly partition: number
  readonly key: string | null
  /** Messages held for the key, the failing one included. */
  readonly messages: number
}

export interface PauseEvent {
  readonly topic: string
  readonly group: string
  /** Null: the whole consumer. */
  readonly partition: number | null
  readonly reason: string
}

export interface DirectoryEvent {
  readonly directory: string
}

/** Bytes behind the last intact record were set aside when the log was opened. */
export interface TailCutEvent extends DirectoryEvent {
  readonly segment: string
  readonly position: number
  readonly bytes: number
  /** Complete frames among them. */
  readonly frames: number
  readonly keptAs: string
}

export interface LogFailedEvent extends DirectoryEvent {
  readonly error: HoldfastError
}

export interface SegmentEvent extends DirectoryEvent {
  readonly segment: string
}

export interface UnsafeSettingEvent {
  /** Where it is set: an engine, a topic, a directory. */
  readonly where: string
  readonly setting: string
  readonly reason: string
}

export interface DiagnosticEvents {
  /** Handed to the engine. */
  sent: SendEvent
  /** Durable. */
  confirmed: ConfirmedEvent
  /** Not stored, and never will be. */
  refused: SendFailedEvent
  /** Nobody knows yet whether it is stored. */
  unknown: SendFailedEvent
  /** The handler is called. */
  delivered: DeliveryEvent
  /** The handler resolved; the acknowledgement follows. */
  handled: HandledEvent
  /** The handler threw; another attempt follows. */
  failed: FailedEvent
  held: HeldEvent
  /** The message becomes a dead letter of the group. */
  dead: DeadEvent
  paused: PauseEvent
  resumed: PauseEvent
  tailCut: TailCutEvent
  /** A write or sync failed: the store takes nothing until it is reopened. */
  logFailed: LogFailedEvent
  logReopened: DirectoryEvent
  /** Sends are refused until there is space; acknowledgements go on. */
  diskFull: DirectoryEvent
  diskFreed: DirectoryEvent
  /** Nothing in the segment was needed any more; its space is free. */
  segmentReleased: SegmentEvent
  /** A setting can lose messages. */
  unsafeSetting: UnsafeSettingEvent
}

export type DiagnosticName = keyof DiagnosticEvents

export interface DiagnosticChannel<Event> {
  readonly hasSubscribers: boolean
  publish(event: Event): void
}

/** By event: `channels.sent.hasSubscribers`. */
export const channels: { readonly [Name in DiagnosticName]: DiagnosticChannel<DiagnosticEvents[Name]> } = {
  sent: open('sent'),
  confirmed: open('confirmed'),
  refused: open('refused'),
  unknown: open('unknown'),
  delivered: open('delivered'),
  handled: open('handled'),
  failed: open('failed'),
  held: open('held'),
  dead: open('dead'),
  paused: open('paused'),
  resumed: open('resumed'),
  tailCut: open('tail-cut'),
  logFailed: open('log-failed'),
  logReopened: open('log-reopened'),
  diskFull: open('disk-full'),
  diskFreed: open('disk-freed'),
  segmentReleased: open('segment-released'),
  unsafeSetting: open('unsafe-setting'),
}

/** For what happens rarely: the event is built whether somebody listens or not. */
export function publish<Name extends DiagnosticName>(name: Name, event: DiagnosticEvents[Name]): void {
  channels[name].publish(event)
}

/** The table keeps the channels: Node drops one that nobody refers to, subscribers included. */
function open(name: string): Channel {
  return channel(`holdfast:${name}`)
}
