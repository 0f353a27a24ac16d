import { hostname } from 'node:os'
import type { Clock } from '../core/clock.ts'
import type { Engine } from '../core/engine.ts'
import { epochBytes, epochText } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { type ProducerOptions, producerOptions } from './options.ts'
import { Producer } from './producer.ts'

/** What a producer stands on. */
export interface ProducerHost {
  readonly engine: Engine
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Opens a producer with an epoch of its own: nothing of another process, or of an earlier run, is ever taken for its. */
export async function openProducer(host: ProducerHost, options: ProducerOptions): Promise<Producer> {
  const { engine, clock, random, logger } = host
  const { id, sendTimeoutMs, window, maxPending } = producerOptions.parse(options, 'producer')
  const label = id ?? `${hostname().slice(0, 80)}-${process.pid}`
  const epoch = random.bytes(epochBytes)
  return new Producer({
    label,
    epoch: epochText(epoch),
    engine: await engine.openProducer({ label, epoch }),
    engineKind: engine.kind,
    limits: engine.capabilities.limits,
    clock,
    logger,
    sendTimeoutMs,
    window,
    maxPending,
  })
}
