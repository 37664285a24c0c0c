// This side of the demo's thread: starts the fleet, has its users come and go, takes it down.
import { Worker } from 'node:worker_threads'
import { errorFrom, RollgateError } from '../domain/error.ts'
import { threadFile } from '../domain/shipped.ts'
import type { DemoFleet } from '../sandbox/project.ts'
import type { DemoOrder, DemoReport, DemoWish } from './demo-thread.ts'

export type DemoSide = {
  readonly fleet: DemoFleet
  startTraffic(users: number, timeoutMs: number): void
  stopTraffic(): Promise<{ readonly requests: number; readonly failed: number }>
  stop(): Promise<void>
}

/** @throws RollgateError E_USAGE (number of hosts), E_CANCELLED */
export async function startDemoFleet(order: DemoOrder, signal: AbortSignal): Promise<DemoSide> {
  const thread = new Worker(threadFile(new URL('./demo-thread.ts', import.meta.url)), { workerData: order })
  const wish = (what: DemoWish): void => thread.postMessage(what)
  const gone = new Promise<never>((_, fail) => {
    thread.on('error', fail)
    thread.on('exit', () => fail(new RollgateError('E_BUG', "the demo's fleet ended by itself")))
  })
  gone.catch(() => undefined)
  const next = <K extends DemoReport['kind']>(kind: K): Promise<Extract<DemoReport, { kind: K }>> =>
    Promise.race([
      gone,
      new Promise<Extract<DemoReport, { kind: K }>>((resolve, reject) => {
        const listen = (report: DemoReport): void => {
          if (report.kind === 'failed') reject(errorFrom(report.error))
          // The cast only says what was just compared.
          else if (report.kind === kind) resolve(report as Extract<DemoReport, { kind: K }>)
          else return
          thread.off('message', listen)
        }
        thread.on('message', listen)
      }),
    ])
  let stopped: Promise<void> | null = null
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      signal.removeEventListener('abort', stopNow)
      const down = next('down')
      wish({ kind: 'stop' })
      await down.catch(() => undefined)
      await thread.terminate()
    })()
    return stopped
  }
  const stopNow = (): void => void stop()
  try {
    const { fleet } = await next('up')
    if (signal.aborted) throw new RollgateError('E_CANCELLED', 'Interrupted while the sandbox started')
    signal.addEventListener('abort', stopNow, { once: true })
    return {
      fleet,
      startTraffic: (users, timeoutMs) => wish({ kind: 'traffic', users, timeoutMs }),
      async stopTraffic() {
        const seen = next('seen')
        wish({ kind: 'quiet' })
        return seen
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
