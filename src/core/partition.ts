/**
 * The partition of a key, as Kafka's Java client computes it, on every engine: producers in other
 * languages that write the same key reach the same partition.
 */
export function partitionFor(key: string, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

const seed = 0x9747b28c
const m = 0x5bd1e995

/** 32-bit MurmurHash2 of the UTF-8 bytes of `text`, signed, seeded as Kafka does. */
export function murmur2(text: string): number {
  // Plain ASCII is hashed straight from the string; the first other character starts again on bytes.
  const length = text.length
  let h = seed ^ length
  let i = 0
  let seen = 0
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    h = mix(h, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let shift = 0; i < length; i++, shift += 8) {
    const code = text.charCodeAt(i)
    seen |= code
    tail |= code << shift
  }
  if (seen > 0x7f) return murmur2Bytes(Buffer.from(text, 'utf8'))
  return finish(h, tail, length)
}

export function murmur2Bytes(bytes: Uint8Array): number {
  const length = bytes.length
  let h = seed ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    h = mix(h, bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24))
  }
  let tail = 0
  for (let shift = 0; i < length; i++, shift += 8) tail |= bytes[i] << shift
  return finish(h, tail, length)
}

function mix(h: number, word: number): number {
  let k = Math.imul(word, m)
  k = Math.imul(k ^ (k >>> 24), m)
  return Math.imul(h, m) ^ k
}

function finish(h: number, tail: number, length: number): number {
  let hash = h
  if ((length & 3) !== 0) hash = Math.imul(hash ^ tail, m)
  hash = Math.imul(hash ^ (hash >>> 13), m)
  return hash ^ (hash >>> 15)
}
