/** A disk whose sync takes long: on it the group is what counts. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeDisk } from '../src/disk/node.ts'
import type { Disk, Writer } from '../src/disk/port.ts'
import type { Case } from './cases.ts'
import { connectOn } from './disks.ts'
import { median, rateOf } from './measure.ts'
import { sendWindow } from './workload.ts'

const syncMs = 10

export const slowDisk: Case = async ({ directory, rounds }) => {
  const messages = 50_000
  const holdfast = await connectOn(slowed(nodeDisk), join(directory, 'slow-disk'))
  const producer = await holdfast.producer()
  await sendWindow(producer, 1000, 5000)
  const rates: number[] = []
  for (let round = 0; round < rounds; round++) {
    rates.push(await rateOf(messages, () => sendWindow(producer, 1000, messages)))
  }
  await holdfast.close()
  return [
    {
      what: `send, 1000 in flight, on a disk whose sync takes ${syncMs} ms`,
      goal: '≥ 60,000/s',
      ours: `${Math.round(median(rates)).toLocaleString('en')}/s`,
      raw: '',
      ratio: '',
      notes: `${Math.round(Math.min(...rates)).toLocaleString('en')}–${Math.round(Math.max(...rates)).toLocaleString('en')}/s`,
    },
  ]
}

type Append = Parameters<Writer['append']>

function slowed(disk: Disk): Disk {
  return {
    ...disk,
    writer() {
      const writer = disk.writer()
      const append = writer.append.bind(writer)
      let waiting: Append[] = []
      let isBusy = false
      // What waits when the disk is free goes in one sync, as in the writer itself.
      const run = async (): Promise<void> => {
        isBusy = true
        while (waiting.length > 0) {
          const group = waiting
          waiting = []
          const errors = await Promise.all(
            group.map(
              ([file, position, bytes, how]) =>
                new Promise<NodeJS.ErrnoException | null>((resolve) =>
                  append(file, position, bytes, how, resolve),
                ),
            ),
          )
          if (group.some(([, , , how]) => how.sync)) await sleep(syncMs)
          for (const [i, [, , , , done]] of group.entries()) done(errors[i] ?? null)
        }
        isBusy = false
      }
      writer.append = (...call) => {
        waiting.push(call)
        if (!isBusy) void run()
      }
      Object.defineProperty(writer, 'syncMs', { get: () => syncMs })
      return writer
    },
  }
}
