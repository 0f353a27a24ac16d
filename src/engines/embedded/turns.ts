/**
 * Work on the log in the order it was asked for. What finds no room waits, and everything behind it; while the log is being repaired all
 * of it does.
 */
import type { HoldfastError } from '../../core/errors.ts'
import type { Cursor } from './cursor.ts'

interface Turn {
  /** Whose settlement it is; null: somebody awaits what comes of it. */
  readonly cursor: Cursor | null
  /** False when there is no room. */
  readonly perform: () => boolean
  readonly abandon: (error: HoldfastError) => void
}

export class Turns {
  readonly #mayAppend: () => boolean
  #waiting: Turn[] = []

  constructor(mayAppend: () => boolean) {
    this.#mayAppend = mayAppend
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** A settlement: done now or in its turn, whoever is gone by then. */
  settle(cursor: Cursor, perform: () => boolean): void {
    this.#add({ cursor, perform, abandon: () => undefined })
  }

  /** Resolves with what `attempt` returns as soon as that is not null (no room), and rejects with what it throws. */
  ask<T>(attempt: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const perform = (): boolean => {
        try {
          const result = attempt()
          if (result === null) return false
          resolve(result)
        } catch (error) {
          reject(error)
        }
        return true
      }
      this.#add({ cursor: null, perform, abandon: reject })
    })
  }

  /** There is room again. True when nothing waits any more. */
  run(): boolean {
    while (this.#waiting.length > 0) {
      if (!this.#waiting[0]!.perform()) return false
      this.#waiting.shift()
    }
    return true
  }

  /** Takes out all that waits. */
  take(): Turn[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  /** Puts back what was taken out, behind what came meanwhile. */
  putBack(turns: readonly Turn[]): void {
    this.#waiting.push(...turns)
  }

  /** Nothing is appended any more: whoever awaits something learns it. */
  abandon(error: HoldfastError): void {
    for (const turn of this.#waiting) turn.abandon(error)
    this.#waiting = this.#waiting.filter(({ cursor }) => cursor !== null)
  }

  #add(turn: Turn): void {
    const mustWait = this.#waiting.length > 0 || !this.#mayAppend()
    if (mustWait || !turn.perform()) this.#waiting.push(turn)
  }
}
