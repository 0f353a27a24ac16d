/** One directory from its creation to its last check, with everything that happens to it drawn from one seed. */
import type { Engine } from '../../src/core/engine.ts'
import { isHoldfastError } from '../../src/core/errors.ts'
import { below, chance, SeededRandom } from '../../src/core/random.ts'
import { FaultyDisk } from '../../src/disk/faulty.ts'
import type { Disk } from '../../src/disk/port.ts'
import { SimulatedDisk } from '../../src/disk/simulated.ts'
import { openEmbedded } from '../../src/engines/embedded/index.ts'
import type { Bug } from './bug.ts'
import { CrashClock } from './clock.ts'
import { vouchedBit } from './damage.ts'
import { Marks } from './marks.ts'
import { ObservedDisk } from './observed-disk.ts'
import { observe } from './observer.ts'
import { drawEnding, drawPlan, type Plan } from './plan.ts'
import { Violation } from './violation.ts'
import { Workload } from './workload.ts'
import { World } from './world.ts'

export interface LifeOptions {
  /** A mistake made on purpose. */
  readonly bug?: Bug | undefined
  readonly trace?: ((line: string) => void) | undefined
}

export interface LifeResult {
  readonly cuts: number
  readonly operations: number
  readonly marks: Marks
}

/** Thrown to leave what the dead process was doing. */
class Died extends Error {}

const directory = '/data'
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** An acknowledgement is written within 5 ms and its sync begins within 50; what the disk itself takes comes on top. */
const writeWindowMs = 5
const syncWindowMs = 50
/** Of openings with one wrong bit on the disk. */
const damageShare = 0.04
/** A rotation with releases behind it puts so many syncs in front of another. */
const syncsInARow = 25

export class Life {
  readonly #random: SeededRandom
  readonly #plan: Plan
  readonly #options: LifeOptions
  readonly #clock = new CrashClock()
  readonly #marks = new Marks()
  readonly #world: World
  #disk: SimulatedDisk
  #observed: ObservedDisk | null = null
  #sawFault = false
  #isClosing = false
  #cuts = 0
  cycle = 0

  constructor(seed: number, options: LifeOptions = {}) {
    this.#random = new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ (seed >>> 7))
    for (let i = 0; i < 100; i++) this.#random.uint32()
    this.#options = options
    this.#plan = { ...drawPlan(this.#random), ...options.bug?.plan }
    this.#world = new World(this.#clock, this.#marks)
    const { sectorBytes, latencyMs, capacityBytes } = this.#plan
    const random = new SeededRandom(this.#random.uint32())
    this.#disk = new SimulatedDisk({ random, sectorBytes, capacityBytes, clock: this.#clock, latencyMs })
    for (const { name, partitions } of this.#plan.topics) {
      const topic = this.#world.addTopic(name, partitions)
      topic.addGroup('billing')
      topic.addGroup('audit')
    }
  }

  async run(): Promise<void> {
    this.#trace(() => JSON.stringify(this.#plan))
    observe({ marks: this.#marks, logFailed: (error) => this.#logFailed(error) })
    for (; this.cycle < this.#plan.cycles; this.cycle++) {
      try {
        if (chance(this.#random, damageShare)) await this.#openDamaged()
        await this.#oneProcess()
      } catch (error) {
        if (!(error instanceof Died)) this.#mustBeExpected(error)
      }
      await this.#bury()
    }
    await this.#finish()
  }

  /** So far. */
  get result(): LifeResult {
    return { cuts: this.#cuts, operations: this.#world.operations, marks: this.#marks }
  }

  /** A process whose disk failed may give up; then it dies. */
  #mustBeExpected(error: unknown): void {
    if (!isHoldfastError(error)) throw error
    if (!(this.#sawFault && error.retryable)) {
      throw new Violation('answers', `a call failed: ${error.message}`, { cause: error })
    }
    this.#observed?.die()
  }

  #logFailed(error: Error): void {
    if (this.#sawFault || this.#world.isContested) return
    this.#world.hear(this.#world.boot, () => {
      throw new Violation('stays-up', `the disk did nothing wrong, and yet: ${error.message}`)
    })
  }

  /** From opening to death. */
  async #oneProcess(): Promise<void> {
    const random = this.#random
    const ending = drawEnding(random)
    this.#trace(() => `cycle ${this.cycle}: process ${this.#world.boot + 1}, ends by ${ending}`)
    const isTakenOver = ending === 'takeover'
    const observed = this.#boot(chance(random, this.#plan.faultShare) && !isTakenOver)
    if (ending === 'opening') observed.dieAfter(below(random, 70))
    const engine = await this.#open(observed)
    const workload = await this.#start(engine)
    const operations = this.#world.operations + 40 + below(random, 165)
    let isArmed = false
    while (this.#world.operations < operations || (isArmed && this.#world.operations < operations + 100)) {
      // It may have died since the last look: each `await` lets it run.
      if (this.#world.isDead) throw new Died()
      await workload.step()
      await this.#breathe()
      if (isArmed || this.#world.operations < operations - 60) continue
      isArmed = true
      if (ending === 'rotation') observed.dieInRotation(below(random, 14))
      else if (ending === 'calls' && chance(random, 0.7)) observed.dieAfter(below(random, 150))
    }
    if (isTakenOver) return this.#takeOver(observed, workload)
    if (ending !== 'clean' && ending !== 'closing') return observed.die()
    workload.isClosing = true
    if (ending === 'closing') observed.dieAfter(below(random, 30))
    await this.#close(engine)
  }

  /** The lock fails, and a second process takes the directory over while the first one still works. */
  async #takeOver(first: ObservedDisk, before: Workload): Promise<void> {
    const world = this.#world
    const since = this.#clock.monotonic()
    for (let i = 0; i < 3; i++) before.send()
    this.#disk.loseLocks()
    world.isContested = true
    const second = this.#observe(this.#disk)
    const engine = await this.#opened(second, () => before.send())
    this.#marks.hit('taken over by a second owner')
    const windowMs = this.#clock.monotonic() - since + syncsInARow * this.#plan.latencyMs
    world.processDied({
      isPowerCut: false,
      writeWindowMs: writeWindowMs + windowMs,
      syncWindowMs: syncWindowMs + windowMs,
    })
    world.replaced = world.boot
    this.#bootNumber()
    world.opened()
    const workload = await this.#start(engine)
    for (let i = 0; i < 12; i++) {
      if (world.isDead) throw new Died()
      if (i < 4) before.send()
      await workload.step()
      await this.#breathe()
    }
    first.silence()
    world.isContested = false
    second.die()
  }

  /** With one wrong bit in what is durable for certain it must not open; with the bit as it was it must. */
  async #openDamaged(): Promise<void> {
    const damage = vouchedBit(this.#disk, this.#random)
    if (damage === null) return
    this.#disk.flipBit(damage.path, damage.bit)
    const observed = this.#boot(false)
    const outcome = await this.#wait(
      this.#openEngine(observed).then(
        () => 'nothing',
        (error) => (isHoldfastError(error) ? error.code : String(error)),
      ),
    )
    if (outcome !== 'corrupt') {
      const where = `bit ${damage.bit} of ${damage.path}`
      throw new Violation(
        'damage-refused',
        `${where} is wrong, a later frame vouches for it: ${outcome} is said`,
      )
    }
    this.#marks.hit('damage refused')
    this.#disk.flipBit(damage.path, damage.bit)
  }

  /** Everything that is left comes out, and then the directory is nearly empty. */
  async #finish(): Promise<void> {
    const world = this.#world
    this.#trace(() => 'the final check')
    const engine = await this.#open(this.#boot(false))
    const workload = await this.#start(engine)
    await this.#wait(workload.joinAll())
    for (let idle = 0; !(await workload.isDrained()); idle++) {
      const before = world.operations
      workload.handleAll()
      await this.#pass(5)
      if (world.operations > before) idle = 0
      if (idle > 400) throw new Violation('drains-empty', `nothing more comes, but ${await workload.rest()}`)
    }
    await this.#wait(workload.flushAll())
    const letters = await this.#wait(workload.checkLetters(1))
    for (const topic of world.topics) {
      for (const group of topic.groups) if (group.isCreated) group.checkDrained()
      topic.checkDense()
    }
    await this.#pass(10_000)
    await this.#close(engine)
    const segments = this.#disk.paths().filter((path) => path.endsWith('.seg')).length
    if (segments > 6 + letters) {
      throw new Violation(
        'space-falls-back',
        `${segments} segments are left for nothing but ${letters} dead letters`,
      )
    }
    const again = await this.#open(this.#boot(false))
    for (const group of await this.#wait(again.groups())) {
      if (group.lag > 0)
        throw new Violation('drains-empty', `${group.lag} messages came back for ${group.group}`)
    }
    await this.#close(again)
  }

  #boot(withFault: boolean): ObservedDisk {
    this.#bootNumber()
    this.#sawFault = false
    this.#isClosing = false
    return this.#observe(withFault ? this.#faulty(this.#disk) : this.#disk)
  }

  /** From now on another process is heard. */
  #bootNumber(): void {
    this.#world.boot++
    this.#world.isDead = false
  }

  #observe(disk: Disk): ObservedDisk {
    const seen = this.#options.bug?.wrap?.(disk) ?? disk
    const observed = new ObservedDisk(seen, this.#marks, () => this.#die())
    this.#observed = observed
    return observed
  }

  /** One sync of this process fails, and with it what the kernel had to write. */
  #faulty(simulated: SimulatedDisk): Disk {
    const at = 8 + below(this.#random, 60)
    return new FaultyDisk(simulated, {
      rules: [{ operation: 'sync', at, fault: 'eio' }],
      onFailedSync: (file) => {
        this.#sawFault = true
        simulated.failSync(file)
      },
    })
  }

  async #open(observed: ObservedDisk): Promise<Engine> {
    const engine = await this.#opened(observed)
    this.#world.opened()
    return engine
  }

  #openEngine(observed: ObservedDisk): Promise<Engine> {
    const { segmentBytes, reserveBytes, bufferBytes } = this.#plan
    const { bug } = this.#options
    const random = new SeededRandom(this.#random.uint32())
    return openEmbedded({
      directory,
      disk: observed,
      clock: this.#clock,
      random: bug?.random?.(random) ?? random,
      logger: silent,
      segmentBytes,
      reserveBytes,
      bufferBytes,
      ackSyncMs: bug?.ackSyncMs ?? syncWindowMs,
      unsafeNetworkDisk: false,
      createIfMissing: true,
    })
  }

  async #opened(observed: ObservedDisk, meanwhile?: () => void): Promise<Engine> {
    try {
      const engine = await this.#wait(this.#openEngine(observed), meanwhile)
      observed.isOpening = false
      return engine
    } catch (error) {
      if (error instanceof Died || error instanceof Violation) throw error
      if (this.#sawFault && isHoldfastError(error) && error.retryable) throw error
      throw new Violation('reopens', `the directory does not open: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  async #start(engine: Engine): Promise<Workload> {
    const workload = new Workload(this.#world, engine, this.#random, this.#plan)
    workload.mayFail = () => this.#sawFault || this.#world.isContested
    await this.#wait(workload.prepare())
    await this.#wait(workload.checkLetters(0.3))
    return workload
  }

  async #close(engine: Engine): Promise<void> {
    const world = this.#world
    this.#isClosing = true
    const told = world.topics.flatMap((topic) => topic.groups.map((group) => ({ group, told: group.told })))
    await this.#wait(engine.close())
    if (world.openMessages() > 0) {
      throw new Violation(
        'answers',
        `${world.openMessages()} messages never got an answer, and the engine is closed`,
      )
    }
    if (!this.#sawFault) for (const { group, told: entries } of told) group.madeDurable(entries)
    this.#marks.hit('clean close')
    const never = Number.POSITIVE_INFINITY
    world.processDied({ isPowerCut: false, writeWindowMs: never, syncWindowMs: never })
  }

  /** The process or the whole machine dies, now, wherever it is. */
  #die(): void {
    const observed = this.#observed as ObservedDisk
    const isPowerCut = chance(this.#random, 0.7)
    this.#trace(
      () =>
        `${isPowerCut ? 'power cut' : 'kill'} at ${this.#clock.monotonic()} ms, ${this.#world.operations} operations`,
    )
    this.#cuts++
    this.#marks.hit(isPowerCut ? 'power cut' : 'kill')
    if (observed.isOpening) this.#marks.hit('crash inside recovery')
    if (this.#isClosing) this.#marks.hit('crash inside close')
    if (observed.isRotating) this.#marks.hit('crash inside rotation')
    if (observed.isReused) this.#marks.hit('cut with a reused segment open')
    const slackMs = this.#sawFault ? Number.POSITIVE_INFINITY : syncsInARow * this.#plan.latencyMs
    this.#world.processDied({
      isPowerCut,
      writeWindowMs: writeWindowMs + slackMs,
      syncWindowMs: syncWindowMs + slackMs,
    })
    this.#disk = isPowerCut ? this.#disk.powerCut() : this.#disk.kill()
    if (isPowerCut) this.#newBoot()
  }

  /** The kernel's boot id is this machine's and never changes; so the one in OWNER does. */
  #newBoot(): void {
    const path = `${directory}/OWNER`
    if (!this.#disk.paths().includes(path)) return
    const text = Buffer.from(this.#disk.bytesOf(path)).toString()
    const changed = text.replace(/"boot":"[^"]*"/, `"boot":"before ${this.#world.boot}"`)
    this.#disk.put(path, Buffer.from(changed))
  }

  /** What the dead process still does cannot reach the disk; its timers end. */
  async #bury(): Promise<void> {
    await tick()
    await tick()
    this.#clock.clear()
    this.#world.checkViolation()
  }

  /** Lets the process work, and time go by. */
  async #breathe(): Promise<void> {
    const random = this.#random
    if (chance(random, 0.5)) await this.#live()
    const kind = below(random, 24)
    if (kind === 0) await this.#pass(20 + below(random, 150))
    else if (kind < 9) await this.#pass(below(random, 6))
    else if (this.#world.isDead) throw new Died()
  }

  async #live(): Promise<void> {
    await tick()
    this.#world.checkViolation()
    if (this.#world.isDead) throw new Died()
  }

  async #pass(ms: number): Promise<void> {
    const target = this.#clock.monotonic() + ms
    do await this.#live()
    while (this.#clock.runNext(target))
    this.#clock.moveTo(target)
  }

  /** Waits as the process does, however long that is in its time. */
  async #wait<T>(promise: Promise<T>, meanwhile?: () => void): Promise<T> {
    let outcome: { value: T } | { error: unknown } | null = null
    promise.then(
      (value) => {
        outcome = { value }
      },
      (error) => {
        outcome = { error }
      },
    )
    const latest = this.#clock.monotonic() + 120_000
    for (;;) {
      await this.#live()
      await this.#live()
      const result = outcome as { value: T } | { error: unknown } | null
      if (result !== null) {
        if ('error' in result) throw result.error
        return result.value
      }
      meanwhile?.()
      if (!this.#clock.runNext(latest)) throw new Violation('answers', 'a call never returns')
    }
  }

  #trace(line: () => string): void {
    this.#options.trace?.(line())
  }
}

export function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
