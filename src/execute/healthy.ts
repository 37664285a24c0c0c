// Waits until an instance is healthy: n good answers in a row over `healthy_for`, from the very release that was
// deployed. Fails at once when the process has exited: an app that crashed does not get better by waiting.
import { RollgateError } from '../domain/error.ts'
import type { HealthSettings, ProbeAnswer } from '../domain/health.ts'
import type { Clock, HostPort } from '../domain/ports.ts'
import type { ReleaseId } from '../domain/release.ts'
import type { ServiceStatus } from '../domain/service.ts'

export type ProveOptions = {
  readonly port: HostPort
  readonly health: HealthSettings
  /** null: any release will do (restart of an adopted one). */
  readonly release: ReleaseId | null
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly waiting: (detail: string) => void
  /** Waits while it is our own network that is gone. @returns whether it was */
  readonly network?: () => Promise<boolean>
  /** How long a host that cannot be asked is waited for. */
  readonly reconnectMs: number
}

/** Another release that answers this long without a break is not the old process on its way out. */
const WRONG_RELEASE_MS = 5_000

/** @throws RollgateError E_SERVICE_EXITED, E_WRONG_RELEASE, E_UNHEALTHY, each with evidence; E_LOST; E_CANCELLED */
export async function proveHealthy(options: ProveOptions): Promise<string> {
  const { port, health, release, clock, signal } = options
  let began = clock.now()
  let goodSince: number | null = null
  let goods = 0
  let wrongSince: number | null = null
  let first: readonly ServiceStatus[] | null = null
  let awaySince: number | null = null
  let wasAway = false
  const startOver = (): void => {
    goodSince = null
    goods = 0
    wrongSince = null
    first = null
    wasAway = true
  }
  /** A process that is another one now has crashed, unless its host was away for a moment that nobody saw. */
  const wasBooted = async (): Promise<boolean> => {
    const again = await port.probe(health, signal)
    if (again.unreachable !== true && again.reconnected !== true) return false
    startOver()
    return true
  }

  for (;;) {
    const asked = clock.now()
    const answer = await port.probe(health, signal)
    if (answer.unreachable === true) {
      const network = (await options.network?.()) === true
      awaySince = network ? null : (awaySince ?? asked)
      if (awaySince !== null && clock.now() - awaySince >= options.reconnectMs) throw lost(port.name, answer)
      if (!network) {
        options.waiting(`not reachable: ${answer.detail}`)
        await clock.sleep(health.intervalMs, signal)
      }
      // The time in which nobody could be asked counts for nothing, and what was seen before it neither: the host may
      // have been started again, with all that runs on it.
      began += clock.now() - asked
      startOver()
      continue
    }
    awaySince = null
    if (answer.reconnected === true) startOver()
    const right = release === null || answer.release === null || answer.release === release
    const now = clock.now()
    if (answer.healthy && right) {
      goodSince ??= now
      goods += 1
      wrongSince = null
      if (now - goodSince >= health.healthyForMs) {
        const other = await confirmProcess(options, first).catch((error: unknown) => error)
        if (other !== undefined) {
          if (await wasBooted()) continue
          throw other
        }
        return `${goods} good answers over ${seconds(now - goodSince)}${answer.release === null ? '' : `, all from ${answer.release}`}`
      }
      first ??= await port.serviceStatus(signal)
      options.waiting(`healthy for ${seconds(now - goodSince)} of ${seconds(health.healthyForMs)}`)
    } else {
      goodSince = null
      goods = 0
      const seen = await port.serviceStatus(signal)
      first ??= seen
      // A host that is just booting has not started it yet.
      const gone = exited(wasAway ? seen.filter((status) => !isNeverStarted(status)) : seen, first)
      if (gone !== null) {
        if (await wasBooted()) continue
        throw await failure('E_SERVICE_EXITED', `the process of ${port.name} has exited: ${gone}`, options, answer)
      }
      wrongSince = answer.healthy ? (wrongSince ?? now) : null
      if (wrongSince !== null && now - wrongSince >= Math.max(WRONG_RELEASE_MS, health.healthyForMs))
        throw await wrongRelease(options, answer)
      if (now - began >= health.deadlineMs) {
        if (answer.healthy) throw await wrongRelease(options, answer)
        throw await failure(
          'E_UNHEALTHY',
          `${port.name} did not become healthy within ${seconds(health.deadlineMs)}: ${answer.detail}`,
          options,
          answer,
        )
      }
      options.waiting(answer.detail)
    }
    await clock.sleep(health.intervalMs, signal)
  }
}

/** A unit that ended, or that its manager has started again meanwhile. */
function exited(now: readonly ServiceStatus[], first: readonly ServiceStatus[]): string | null {
  for (const status of now) {
    const before = first.find((candidate) => candidate.unit === status.unit)
    const said = status.lastExit === null ? status.detail : status.lastExit
    if (status.state === 'failed' || status.state === 'inactive') return `${status.unit}: ${said}`
    if (before?.restarts != null && status.restarts !== null && status.restarts > before.restarts)
      return `${status.unit}: ${said} (and was started again by its manager)`
    if (status.state === 'starting' && status.lastExit !== null && status.pid === null) return `${status.unit}: ${said}`
  }
  return null
}

const isNeverStarted = (status: ServiceStatus): boolean => status.state === 'inactive' && status.lastExit === null

function lost(host: string, answer: ProbeAnswer): RollgateError {
  return new RollgateError('E_LOST', `${host} was lost while it was being proved healthy and did not come back`, {
    host,
    why: answer.detail,
    hints: [`rollgate status   (what ${host} says now)`],
  })
}

/** Still the same process as at the first good answer; and, where nothing answers with a release, one from its folder. */
async function confirmProcess(options: ProveOptions, first: readonly ServiceStatus[] | null): Promise<void> {
  const { port, health, release, signal } = options
  const now = await port.serviceStatus(signal)
  const gone = exited(now, first ?? now)
  if (gone !== null) throw await failure('E_SERVICE_EXITED', `the process of ${port.name} has exited: ${gone}`, options, null)
  for (const status of now) {
    const before = first?.find((candidate) => candidate.unit === status.unit)
    if (before?.generation != null && status.generation !== null && before.generation !== status.generation) {
      throw await failure('E_SERVICE_EXITED', `${status.unit} on ${port.name} was started again while it was being proved`, options, null)
    }
    const folder = status.workingDirectory
    if (
      health.version.kind === 'process' &&
      release !== null &&
      folder?.includes('/releases/') === true &&
      !`${folder}/`.includes(`/releases/${release}/`)
    ) {
      throw await failure('E_WRONG_RELEASE', `${status.unit} on ${port.name} runs from ${folder}, not from ${release}`, options, null)
    }
  }
}

function wrongRelease(options: ProveOptions, answer: ProbeAnswer): Promise<RollgateError> {
  return failure(
    'E_WRONG_RELEASE',
    `${options.port.name} is healthy but answers as ${answer.release ?? 'nothing'}, not as ${options.release ?? 'nothing'}`,
    options,
    answer,
    [
      'an old process may still hold the port: look at the listening ports below',
      'or the app does not take its version from ROLLGATE_RELEASE (health.version)',
    ],
  )
}

async function failure(
  code: 'E_SERVICE_EXITED' | 'E_UNHEALTHY' | 'E_WRONG_RELEASE',
  message: string,
  options: ProveOptions,
  answer: ProbeAnswer | null,
  hints: readonly string[] = [],
): Promise<RollgateError> {
  const evidence = await options.port.evidence(options.signal)
  return new RollgateError(code, message, {
    host: options.port.name,
    hints,
    evidence: [...(answer === null ? [] : [`last answer: ${answer.detail}`]), ...evidence],
  })
}

const seconds = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`)
