// What a driver is given, and what it gives back: the same for the paced and the closed one.
import type { GeneratorSample, LoadEnd, LoadSettings, LoadValidity, TargetSummary } from '../domain/load.ts'
import type { Slice } from '../domain/slice.ts'
import type { Row } from './data.ts'
import type { WireOptions } from './http.ts'
import type { ValidityLimits } from './validity.ts'

/** Where requests go. `origin` is the site, for the Host header, the SNI and the certificate, wherever it is reached. */
export type LoadTarget = Pick<WireOptions, 'origin' | 'address' | 'connect' | 'http2' | 'ca'> & { readonly name: string }

export type LoadPlan = {
  readonly settings: LoadSettings
  /** One, or two that get the same requests at the same moments (canary and baseline). */
  readonly targets: readonly [LoadTarget, ...LoadTarget[]]
  readonly runId: string
  /** The same seed sends the same requests at the same moments. */
  readonly seed: string
  /** At most: `endWarmup` and `stop` may come before. */
  readonly warmupMs: number
  readonly durationMs: number
  /** Of the measured time: ends of the parts that have an exact count each, such as the looks of a gate. */
  readonly segmentsMs?: readonly number[]
  /** How many arrivals each of them has [what the rate says]: of one generator among several. */
  readonly segmentCounts?: readonly number[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly readSecret?: (name: string) => Promise<string>
  /** Of `settings.data`, by name: instead of reading the files. */
  readonly rows?: Readonly<Record<string, readonly Row[]>>
  readonly limits?: ValidityLimits
}

export type LoadProgress = {
  readonly second: number
  readonly phase: 'warmup' | 'measuring' | 'draining'
  readonly targets: readonly {
    readonly name: string
    readonly offered: number
    readonly done: number
    readonly failed: number
    readonly inFlight: number
  }[]
}

export type LoadHooks = {
  /** At once: what is in flight is given up and counted as `unfinished`. */
  readonly signal: AbortSignal
  /** One for each second, target and step, in order, when all of its arrivals have ended. */
  readonly onSlice?: (slice: Slice) => void
  /** The same, a whole second at a time; none when nothing was offered in it. */
  readonly onSecond?: (second: number, slices: readonly Slice[]) => void
  readonly onSample?: (sample: GeneratorSample) => void
  /** About once a second. */
  readonly onProgress?: (progress: LoadProgress) => void
  /** Paced: all is prepared; resolves when it may begin, with the moment of performance.now() that counts as the start. */
  readonly begin?: () => Promise<number>
}

export type LoadResult = {
  readonly runId: string
  readonly seed: string
  readonly startedAt: string
  readonly end: LoadEnd
  /** A sentence where there is more to say about the end. */
  readonly endDetail: string | null
  readonly warmupMs: number
  readonly measuredMs: number
  readonly targets: readonly TargetSummary[]
  readonly validity: LoadValidity
  /** Requests were lost in the closed model: counts are right, but times must not be compared with another run's. */
  readonly tainted: boolean
}

export type LoadRun = {
  /** The measurement begins with the next whole second, or at this one from the start of the run. */
  endWarmup(atMs?: number): void
  /** Sends no more and waits for what is in flight. */
  stop(): void
  readonly done: Promise<LoadResult>
}
