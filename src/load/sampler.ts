// Watches the generator itself, second by second: a number measured by a machine that could not keep up says nothing
// about the target. CPU is this thread's: what waits for the next moment sleeps in a thread of its own (alarm.ts).
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { GeneratorSample } from '../domain/load.ts'

export type Sampler = {
  /** Takes the sample of the second that has just ended. */
  take(second: number): GeneratorSample
  stop(): void
}

export type SamplerOptions = {
  readonly inFlight: () => number
  readonly connections: () => number
}

export function startSampler({ inFlight, connections }: SamplerOptions): Sampler {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  let [at, cpuMs] = [performance.now(), cpuTimeMs()]
  return {
    take(second) {
      const now = { at: performance.now(), cpuMs: cpuTimeMs() }
      const wallMs = Math.max(1, now.at - at)
      const busyMs = Math.max(0, now.cpuMs - cpuMs)
      // The monitor counts its own interval.
      const loopDelayMs = Math.max(0, delay.max / 1e6 - 10)
      delay.reset()
      ;[at, cpuMs] = [now.at, now.cpuMs]
      return { second, cpu: busyMs / wallMs, loopDelayMs, inFlight: inFlight(), connections: connections() }
    },
    stop: () => delay.disable(),
  }
}

/** Of this thread where Node can tell (24), else of the process. */
function cpuTimeMs(): number {
  const usage = process.threadCpuUsage?.() ?? process.cpuUsage()
  return (usage.user + usage.system) / 1000
}
