import type { WritableFile, Writer } from '../disk/port.ts'

/** Writes and syncs, for the paths that are not hot; resolves when the bytes are durable. */
export function appendDurably(
  writer: Writer,
  file: WritableFile,
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  return new Promise((resolve, reject) => {
    writer.append(file, position, bytes, { sync: true, zeros: 0 }, (error) =>
      error === null ? resolve() : reject(error),
    )
  })
}
