import type { Engine } from '../../core/engine.ts'
import { EmbeddedEngine } from './engine.ts'
import type { EmbeddedOptions } from './options.ts'

export type { EmbeddedOptions } from './options.ts'

/** Opens the store in a directory of this machine; see docs/engines/embedded. Rejects with an error of the directory's group. */
export function openEmbedded(options: EmbeddedOptions): Promise<Engine> {
  return EmbeddedEngine.open(options)
}
