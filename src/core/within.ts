import type { Clock } from './clock.ts'

/** Whether `work` settled within `ms`. It goes on either way; its failure is the caller's own business. */
export function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(Math.max(ms, 0), () => resolve(false))
    const settled = (): void => {
      timer.cancel()
      resolve(true)
    }
    work.then(settled, settled)
  })
}
