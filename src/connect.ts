import { endianness } from 'node:os'
import { systemClock } from './core/clock.ts'
import { HoldfastError } from './core/errors.ts'
import { type Logger, quietLogger } from './core/logger.ts'
import { boolean, defineOptions, given, integer } from './core/options.ts'
import { systemRandom } from './core/random.ts'
import { parseUrl } from './core/url.ts'
import { Holdfast } from './holdfast.ts'

export interface ConnectOptions {
  /** Where warnings and errors go: pino, or anything shaped like it. Default: one line each to stderr. */
  readonly logger?: Logger | undefined
  /** Size at which a file of the log is sealed, 1 MiB–1 GiB. Default 64 MiB. */
  readonly segmentBytes?: number | undefined
  /** Disk space kept so that consumers can go on when the disk is full, 0–64 GiB. Default 64 MiB. */
  readonly reserveBytes?: number | undefined
  /** An acknowledgement is on disk at the latest after so long, 1–10,000 ms; a power cut repeats what was handled in it. Default 50 ms. */
  readonly ackSyncMs?: number | undefined
  /** Allows a directory on a network file system, whose locks and syncs may not hold: messages can be lost. Default false. */
  readonly unsafeNetworkDisk?: boolean | undefined
  /** False: a missing store is an error instead of a new one. Default true. */
  readonly createIfMissing?: boolean | undefined
}

const mib = 2 ** 20

/** The one list of what `connect` takes, with defaults and bounds. */
export const connectOptions = defineOptions({
  logger: given<Logger, { about: string; default: Logger }>(
    'an object with the functions debug, info, warn and error',
    isLogger,
    { about: 'where warnings and errors go; default: stderr', default: quietLogger },
  ),
  segmentBytes: integer({
    about: 'size at which a file of the log is sealed',
    min: mib,
    max: 1024 * mib,
    unit: 'bytes',
    default: 64 * mib,
  }),
  reserveBytes: integer({
    about: 'disk space kept for acknowledgements when the disk is full',
    min: 0,
    max: 64 * 1024 * mib,
    unit: 'bytes',
    default: 64 * mib,
  }),
  ackSyncMs: integer({
    about: 'an acknowledgement is on disk at the latest after so long',
    min: 1,
    max: 10_000,
    unit: 'ms',
    default: 50,
  }),
  unsafeNetworkDisk: boolean({ about: 'allow a network file system', default: false }),
  createIfMissing: boolean({ about: 'make the store when it is missing', default: true }),
})

/** Memory in which the embedded engine gathers groups. */
const bufferBytes = 8 * mib

/**
 * Opens a store: `connect('file:./data')`, or `connect('./data')`. One process owns a directory at a time.
 *
 * @throws HoldfastError `invalid_option`, with every violation; `directory_in_use` and the other codes of directories;
 * `unsupported_platform`.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Holdfast> {
  const { directory } = parseUrl(url)
  const { logger, ...settings } = connectOptions.parse(options, 'connect')
  checkPlatform(process.platform, endianness())
  // Loaded when it is needed: the root of the package stays light.
  const [{ openEmbedded }, { nodeDisk }] = await Promise.all([
    import('./engines/embedded/index.ts'),
    import('./disk/node.ts'),
  ])
  const ports = { clock: systemClock, random: systemRandom, logger }
  const engine = await openEmbedded({ ...settings, ...ports, directory, disk: nodeDisk, bufferBytes })
  return new Holdfast(engine, ports)
}

/** Throws `unsupported_platform` where the guarantees have not been proved. */
export function checkPlatform(platform: NodeJS.Platform, byteOrder: 'BE' | 'LE'): void {
  if (platform === 'win32') {
    throw new HoldfastError('unsupported_platform', 'Windows cannot make the names of files durable')
  }
  if (byteOrder === 'BE') {
    throw new HoldfastError('unsupported_platform', 'the log is written by little-endian processors only')
  }
}

function isLogger(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const logger = value as Record<string, unknown>
  return ['debug', 'info', 'warn', 'error'].every((level) => typeof logger[level] === 'function')
}
