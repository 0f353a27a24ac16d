/** One step of the backlog benchmark: produce, open or drain; reports over IPC. */
import { connect } from '../src/index.ts'
import { sendWindow, topic } from './workload.ts'

const [step, directory, messages] = process.argv.slice(2) as [string, string, string]
const count = Number(messages)

let peakRss = 0
const sample = (): void => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}
const sampler = setInterval(sample, 20)

// Loading the code is not opening the directory.
await connect(`${directory}-none`, { createIfMissing: false }).catch(() => undefined)

const openedAt = performance.now()
const holdfast = await connect(directory)
const openMs = performance.now() - openedAt
const startedAt = performance.now()
if (step === 'produce') {
  await sendWindow(await holdfast.producer(), 1000, count)
} else if (step === 'drain') {
  let handled = 0
  await new Promise<void>((resolve) => {
    void holdfast.consume({ topic, group: 'bench', concurrency: 32 }, async () => {
      if (++handled === count) resolve()
    })
  })
}
const perSecond = (count * 1000) / (performance.now() - startedAt)
sample()
clearInterval(sampler)
process.send?.({ step, peakRssMb: Math.round(peakRss / 1e6), perSecond, openMs })
// The producing step waits to be killed.
if (step !== 'produce') {
  await holdfast.close()
  process.disconnect?.()
}
