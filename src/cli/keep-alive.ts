const longestMs = 2 ** 31 - 1

/**
 * Runs `body` to its end: the timers of a library do not keep a process alive, and a command that waits
 * for messages or answers has nothing else that does.
 */
export async function keepAlive<T>(body: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, longestMs)
  try {
    return await body()
  } finally {
    clearInterval(timer)
  }
}
