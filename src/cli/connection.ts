import type { Holdfast } from '../index.ts'

/** Opens the store, runs `use`, closes the store, whatever happens between. */
export async function withHoldfast<T>(
  url: string,
  options: { readonly createIfMissing: boolean },
  use: (holdfast: Holdfast) => Promise<T>,
): Promise<T> {
  // Loaded late: help and wrong usage answer without the engine.
  const { connect } = await import('../index.ts')
  const holdfast = await connect(url, options)
  let result: T
  try {
    result = await use(holdfast)
  } catch (error) {
    // The first error is the one that explains; what closing adds would hide it.
    await holdfast.close().catch(() => undefined)
    throw error
  }
  await holdfast.close()
  return result
}
