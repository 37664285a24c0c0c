// The demo's other side, in a thread of its own: the sandbox fleet and its users. The thread of the command then has
// nothing to do but what it does anywhere, and sends its load in time.
import { parentPort, workerData } from 'node:worker_threads'
import { type ErrorInfo, errorInfo } from '../domain/error.ts'
import { startTraffic, type Traffic } from '../load/traffic.ts'
import { startSandbox } from '../sandbox/fleet.ts'
import type { DemoFleet } from '../sandbox/project.ts'

export type DemoOrder = { readonly hosts: number; readonly directory: string }
export type DemoWish =
  | { readonly kind: 'traffic'; readonly users: number; readonly timeoutMs: number }
  | { readonly kind: 'quiet' }
  | { readonly kind: 'stop' }
export type DemoReport =
  | { readonly kind: 'up'; readonly fleet: DemoFleet }
  | { readonly kind: 'failed'; readonly error: ErrorInfo }
  | { readonly kind: 'seen'; readonly requests: number; readonly failed: number }
  | { readonly kind: 'down' }

const stopping = new AbortController()
const tell = (report: DemoReport): void => parentPort?.postMessage(report)

try {
  // Given by the only one who starts this file.
  const order = workerData as DemoOrder
  const sandbox = await startSandbox({ ...order, signal: stopping.signal })
  const { hosts, balancerHost, entryUrl, releaseRoot, sshConfigPath, balancer } = sandbox
  let traffic: Traffic | null = null
  parentPort?.on('message', (wish: DemoWish) => {
    void (async () => {
      switch (wish.kind) {
        case 'traffic':
          traffic = startTraffic({ url: entryUrl, users: wish.users, timeoutMs: wish.timeoutMs }, { signal: stopping.signal })
          return
        case 'quiet': {
          const seen = await traffic?.stop()
          traffic = null
          return tell({ kind: 'seen', requests: seen?.requests ?? 0, failed: seen?.failed ?? 0 })
        }
        case 'stop':
          stopping.abort()
          await sandbox.stop()
          tell({ kind: 'down' })
          return parentPort?.close()
        default:
          wish satisfies never
      }
    })()
  })
  tell({ kind: 'up', fleet: { hosts, balancerHost, entryUrl, releaseRoot, sshConfigPath, balancer: { apiPort: balancer.apiPort } } })
} catch (error) {
  tell({ kind: 'failed', error: errorInfo(error) })
  parentPort?.close()
}
