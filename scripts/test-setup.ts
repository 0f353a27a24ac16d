/**
 * For the test runner of Node.js 22, which gives up on a test that waits for a timer that keeps no process alive, as all timers of the
 * library are: something else keeps it alive until the tests of the file are done.
 */
import { after, before } from 'node:test'
import { isMainThread } from 'node:worker_threads'

let hold: NodeJS.Timeout | undefined

// The runner itself has no tests, nor have the threads that tests start.
if (process.env.NODE_TEST_CONTEXT !== undefined && isMainThread) {
  before(() => {
    hold = setInterval(() => undefined, 2 ** 30)
  })
  after(() => clearInterval(hold))
}
