// How a rollout ended, and the exit code that follows from it (cli.md, "What follows from what").
import type { ErrorInfo } from './error.ts'
import type { HostName } from './host.ts'

export type Outcome =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly because: ErrorInfo }
  /** Some hosts are on the new release, some are not, and all that serve are healthy. */
  | { readonly kind: 'partial'; readonly because: ErrorInfo; readonly hosts: readonly HostName[] }
  | { readonly kind: 'rolled-back'; readonly because: ErrorInfo }
  | { readonly kind: 'stuck'; readonly because: ErrorInfo; readonly hosts: readonly HostName[] }
  | { readonly kind: 'paused'; readonly at: string; readonly question: string }
  | { readonly kind: 'cancelled'; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' }

export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'succeeded':
    case 'unchanged':
      return 0
    case 'refused':
      return outcome.because.exitCode
    case 'rolled-back':
      return outcome.because.code === 'E_GATE_FAILED' || outcome.because.code === 'E_PROBE_FAILED' ? 7 : 5
    case 'partial':
    case 'stuck':
      return 6
    case 'paused':
      return 8
    case 'cancelled':
      return outcome.signal === 'SIGINT' ? 130 : 143
    default:
      return outcome satisfies never
  }
}
