import { join } from 'node:path'

/** What lies where in a demo's directory. */
export const demoFiles = {
  store: (directory: string) => join(directory, 'store'),
  ledger: (directory: string) => join(directory, 'billing.sqlite'),
  naiveQueue: (directory: string) => join(directory, 'queue.ndjson'),
  naiveOffset: (directory: string) => join(directory, 'offset'),
}
