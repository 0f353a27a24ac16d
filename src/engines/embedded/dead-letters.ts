/** Dead letters of a group: messages of a topic of their own, with the whole original and how it died in headers. */
import type { DeadLetterRecord, Death, Delivery } from '../../core/engine.ts'
import { deadLetterHeaders, deadLetterId, parseDeadLetter } from '../../core/envelope.ts'
import type { Headers } from '../../core/message.ts'
import { derivedName } from '../../core/names.ts'
import { align8, type Frame, forEachRecord, RecordType } from '../../log/format.ts'
import { readFrames } from '../../log/reader.ts'
import { encodeMessage, MessageRecord, messageBound, slabOf } from '../../log/record.ts'
import { StoredMessage } from './delivery.ts'
import { contentHash } from './producer.ts'
import type { Topic } from './state.ts'
import type { Store } from './store.ts'

export const deadTopicName = (topic: string, group: string): string => derivedName('dead', topic, group)

/** The record of a dead letter, at `offset` of partition 0 of the group's dead-letter topic. */
export function deadLetterRecord(
  deadTopic: Topic,
  offset: number,
  group: string,
  delivery: Delivery,
  death: Death,
): Uint8Array {
  const { topic, partition, key, body, codec, sentAtMs } = delivery
  const id = deadLetterId(topic, group, delivery.id)
  const origin = { topic, group, messageId: delivery.id, partition, offset: delivery.offset }
  const headers: Headers = { ...delivery.headers, ...deadLetterHeaders({ ...origin, ...death }) }
  const letter = { id, key, headers, body, codec, sentAtMs, counter: 0 }
  const slab = slabOf(new Uint8Array(align8(messageBound(letter))))
  const length = encodeMessage(slab, 0, letter, {
    topic: deadTopic.number,
    partition: 0,
    offset,
    // A copy has no stamp of its own: the original's place is in its headers.
    number: 0,
    producer: 0,
    flags: 0,
    contentHash: contentHash(key, body),
  })
  return slab.bytes.subarray(0, length)
}

/** Oldest first. */
export async function* readDeadLetters(
  store: Store,
  topic: string,
  group: string,
): AsyncGenerator<DeadLetterRecord> {
  const deadTopic = store.state.topicsByName.get(deadTopicName(topic, group))
  if (deadTopic === undefined) return
  for (const segment of [...store.log.segments]) {
    const index = segment.index.of(deadTopic.number, 0)
    if (index === undefined) continue
    for (let position = index.positions[0]!; ; ) {
      const frames = await readFrames(store.log, segment, position)
      const last = frames.at(-1)
      if (last === undefined) break
      position = last.position + last.bytes.length
      for (const frame of frames) yield* deadLettersIn(frame, deadTopic)
    }
  }
}

function deadLettersIn(frame: Frame, deadTopic: Topic): DeadLetterRecord[] {
  const found: DeadLetterRecord[] = []
  forEachRecord(frame.bytes, (at, _length, type) => {
    if (type !== RecordType.message || frame.bytes.readUInt32LE(at + 8) !== deadTopic.number) return
    const message = StoredMessage.read(new MessageRecord(frame.bytes, at), deadTopic.name, '')
    const parsed = parseDeadLetter(message.headers)
    if (parsed === null) return
    const { envelope, headers } = parsed
    const { topic, group, messageId, partition, offset, ...death } = envelope
    const { key, body, codec, sentAtMs } = message
    found.push({
      deadLetterId: message.id,
      topic,
      group,
      id: messageId,
      partition,
      offset,
      key,
      headers,
      body,
      codec,
      sentAtMs,
      ...death,
    })
  })
  return found
}
