// Everything that is done on one host, over its one connection, which is opened again when it was lost. Scripts are built
// elsewhere, by pure functions; here they are sent, and what came of them is read. A connection that goes away in the
// middle is neither success nor failure: the ledger on the host says how far the script came.
import type { CommandResult } from '../../domain/command.ts'
import { errorInfo, RollgateError } from '../../domain/error.ts'
import type { HealthSettings, ProbeAnswer } from '../../domain/health.ts'
import type { Host } from '../../domain/host.ts'
import type { Layout } from '../../domain/layout.ts'
import type { LedgerEntry } from '../../domain/ledger.ts'
import { parseLedger } from '../../domain/ledger-line.ts'
import type { Clock, HostPort, PhaseResult, RolloutRecord } from '../../domain/ports.ts'
import type { ServiceManager, ServiceSettings, ServiceStatus } from '../../domain/service.ts'
import type { Connection } from '../../domain/transport.ts'
import { quote, stdinScript } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { LEASE_EXIT } from '../lease/script.ts'
import { probeOnce } from '../probe/health.ts'
import { countAppConnections, gatherEvidence } from './evidence.ts'
import { finishScript } from './finish.ts'
import { ledgerShell, noteWords, STATE_EXIT } from './ledger-shell.ts'
import { BUSY_EXIT, newToken, phaseLimitMs, phaseScript } from './phase.ts'
import { phaseReader } from './phase-reader.ts'
import { WORK_EXIT } from './run-shell.ts'

export type HostPortOptions = {
  readonly host: Host
  readonly app: string
  readonly layout: Layout
  /** A living connection, opened again where it was lost. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>
  readonly manager: ServiceManager
  readonly service: ServiceSettings
  readonly health: HealthSettings
  readonly clock: Clock
  /** Lease epoch for the ledger [0: no lease], and sh text that ends a script when the lease is no longer ours. */
  readonly epoch?: () => number
  readonly fence?: () => string
  /** For sudo, where it wants one and somebody typed it. */
  readonly sudoPassword?: () => string | null
}

const SHORT_MS = 60_000
const LEDGER_LINES = 2_000
const BELIEVE_MS = 5_000
/** A plan for thousands of hosts is some megabytes. */
const RECORD_BYTES = 64 * 1024 * 1024

export function createHostPort(options: HostPortOptions): HostPort {
  const { host, layout, manager } = options
  const epoch = (): number => options.epoch?.() ?? 0
  const fence = (): string => options.fence?.() ?? ''
  let probedOver: Connection | null = null

  /** A command that could not even start is tried once more on a new connection. */
  async function run(signal: AbortSignal, command: (connection: Connection) => Promise<CommandResult>): Promise<CommandResult> {
    try {
      return await command(await options.connect(signal))
    } catch (error) {
      if (!(error instanceof RollgateError) || error.code !== 'E_LOST' || signal.aborted) throw error
      return command(await options.connect(signal))
    }
  }

  async function script(text: string, what: string, signal: AbortSignal, maxOutputBytes?: number): Promise<string> {
    const { argv, stdin } = stdinScript(text)
    const limit = maxOutputBytes === undefined ? {} : { maxOutputBytes }
    const result = await run(signal, (connection) => connection.run({ argv, stdin, timeoutMs: SHORT_MS }, { signal, ...limit }))
    if (result.exitCode !== 0) throw scriptError(host.name, what, result)
    return result.stdout
  }

  async function readLedger(signal: AbortSignal): Promise<readonly LedgerEntry[]> {
    const ledger = quote(layout.ledger)
    return readEntries(
      host.name,
      await script(`[ ! -f ${ledger} ] || tail -n ${LEDGER_LINES} ${ledger}`, 'its ledger could not be read', signal),
    )
  }

  async function serviceStatus(signal: AbortSignal): Promise<readonly ServiceStatus[]> {
    return Promise.all(
      manager.units.map(async (unit) => {
        try {
          return manager.readStatus(
            unit,
            await run(signal, (connection) => connection.run(manager.status(unit), { signal, maxOutputBytes: 64 * 1024 })),
          )
        } catch (error) {
          if (signal.aborted) throw error
          // Not to be reached is not the same as stopped.
          return { ...manager.readStatus(unit, LOST), detail: errorInfo(error).message }
        }
      }),
    )
  }

  return {
    name: host.name,
    async open(record, signal) {
      const { rollout, plan } = record
      const folder = quote(layout.rollout(rollout))
      await script(
        `umask 077
${ledgerShell(layout, rollout, epoch())}${fence()}
mkdir -p ${folder} && printf '%s\\n' ${quote(JSON.stringify(record))} >${folder}/record.part && mv -f ${folder}/record.part ${folder}/record.json || exit ${STATE_EXIT}
${noteWords('-', 'open', plan.release ?? '')} || exit ${STATE_EXIT}
`,
        'the rollout could not be written to its ledger',
        signal,
      )
    },
    async readRecord(rollout, signal) {
      const file = quote(`${layout.rollout(rollout)}/record.json`)
      return parseRecord(
        host.name,
        rollout,
        await script(`[ ! -f ${file} ] || cat ${file}`, 'the record of a rollout could not be read', signal, RECORD_BYTES),
      )
    },
    async runPhase(rollout, steps, { signal, onStep, onLine }) {
      const token = newToken()
      const reader = phaseReader(token, steps, { onStep, onLine })
      const context = {
        app: options.app,
        host: host.name,
        layout,
        manager,
        rollout,
        epoch: epoch(),
        fence: fence(),
        token,
        sudoPassword: options.sudoPassword?.() ?? null,
      }
      const { argv, stdin } = stdinScript(phaseScript(context, steps))
      const timeoutMs = phaseLimitMs(steps, manager.units.length)
      const result = await run(signal, (connection) =>
        connection.run({ argv, stdin, timeoutMs }, { signal, maxOutputBytes: 1024, onLine: (line) => reader.line(line) }),
      )
      const said = reader.steps()
      if (result.exitCode === LEASE_EXIT) throw takenOver(host.name)
      if (result.lost) return { steps: await believe(said, rollout, signal), lost: true }
      if (said.every((step) => step.state === 'not-started')) throw phaseError(host.name, result, reader.before)
      return { steps: said, lost: false }
    },
    async note(rollout, step, state, detail, signal) {
      await script(
        `${ledgerShell(layout, rollout, epoch())}${fence()}\n${noteWords(step, state, detail)} || exit ${STATE_EXIT}\n`,
        'its ledger could not be written',
        signal,
      )
    },
    readLedger,
    async current(signal) {
      const said = await script(
        `rg_link=$(readlink ${quote(layout.current)} 2>/dev/null) && [ -d ${quote(layout.current)} ] && printf '%s\\n' "$rg_link"; exit 0`,
        '`current` could not be read',
        signal,
      )
      const name =
        said
          .replace(/\/*\n$/, '')
          .split('/')
          .at(-1) ?? ''
      return name === '' ? null : cleanText(name, 300)
    },
    serviceStatus,
    async probe(health, signal) {
      const began = performance.now()
      try {
        const connection = await options.connect(signal)
        const reconnected = probedOver !== null && probedOver !== connection
        probedOver = connection
        const told = await probeOnce(connection, health, signal)
        const answer: ProbeAnswer = reconnected ? { ...told, reconnected } : told
        // Lost in the middle of the question: that says nothing about the app.
        return answer.healthy || connection.alive ? answer : { ...answer, unreachable: true }
      } catch (error) {
        if (signal.aborted) throw error
        return { unreachable: true, healthy: false, release: null, detail: errorInfo(error).message, durationMs: performance.now() - began }
      }
    },
    async appConnections(health, signal) {
      try {
        return await countAppConnections(await options.connect(signal), health, signal)
      } catch (error) {
        if (signal.aborted) throw error
        return null
      }
    },
    async evidence(signal) {
      try {
        return await gatherEvidence(await options.connect(signal), manager, await serviceStatus(signal), signal)
      } catch (error) {
        return [`${host.name} cannot be asked: ${errorInfo(error).message}`]
      }
    },
    async finish(rollout, finish, signal) {
      const said = await script(
        finishScript(layout, rollout, epoch(), finish, fence()),
        'the end of the rollout could not be recorded',
        signal,
      )
      return said.split('\n').flatMap((line) => (line.startsWith('pruned ') ? [line.slice('pruned '.length)] : []))
    },
  }

  /** After a lost connection: what the host's ledger calls done is done, everything else is unknown. */
  async function believe(said: PhaseResult['steps'], rollout: string, signal: AbortSignal): Promise<PhaseResult['steps']> {
    let entries: readonly LedgerEntry[]
    try {
      // A host that does not come back at once is the caller's to wait for.
      entries = await readLedger(AbortSignal.any([signal, AbortSignal.timeout(BELIEVE_MS)]))
    } catch (error) {
      if (signal.aborted) throw error
      return said
    }
    return said.map((step) => {
      if (step.state !== 'unknown' && step.state !== 'not-started') return step
      const last = entries.filter((entry) => entry.rollout === rollout && entry.step === step.step).at(-1)
      if (last?.state === 'done') return { ...step, state: 'done', exitCode: 0, changed: true }
      if (last?.state === 'started') return { ...step, state: 'unknown' }
      // A failure on record is this attempt's only where we have seen it begin.
      if (last?.state === 'failed' && step.state === 'unknown')
        return { ...step, state: 'failed', exitCode: Number.parseInt(last.detail, 10) || null }
      return step
    })
  }
}

const LOST: CommandResult = { exitCode: null, stdout: '', stderr: '', truncated: false, durationMs: 0, lost: true, timedOut: false }

/** @throws RollgateError E_STATE_VERSION */
function readEntries(host: string, text: string): readonly LedgerEntry[] {
  const { entries, newer } = parseLedger(text)
  if (!newer) return entries
  throw newerState(host)
}

function newerState(host: string): RollgateError {
  return new RollgateError('E_STATE_VERSION', `the ledger on ${host} was written by a newer version of rollgate`, {
    host,
    hints: ['update rollgate on this machine'],
  })
}

/** @throws RollgateError E_STATE_VERSION for a newer format, E_COMMAND for one that is damaged */
function parseRecord(host: string, rollout: string, text: string): RolloutRecord | null {
  if (text.trim() === '') return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RollgateError('E_COMMAND', `the record of rollout ${rollout} on ${host} is damaged`, { host, cause })
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || !('plan' in value) || !('settings' in value)) return null
  if (value.version !== 1) throw newerState(host)
  // Written by ourselves, in a folder that only our login can write; the version was checked.
  return value as RolloutRecord
}

/** The fence: a higher epoch is there, and this rollout may not change the host any more. */
function takenOver(host: string): RollgateError {
  return new RollgateError('E_LOCKED', `the lease of ${host} was taken over: this rollout may not change it any more`, {
    host,
    hints: ['rollgate status   (where the fleet stands)', 'rollgate lock   (who holds it)'],
  })
}

function scriptError(host: string, what: string, result: CommandResult): RollgateError {
  if (result.lost) return new RollgateError('E_LOST', `the connection to ${host} was lost: ${what}`, { host })
  if (result.timedOut) return new RollgateError('E_TIMEOUT', `${host} did not answer in time: ${what}`, { host })
  if (result.exitCode === LEASE_EXIT) return takenOver(host)
  const evidence = linesOf(`${result.stdout}\n${result.stderr}`)
  if (result.exitCode === STATE_EXIT) {
    return new RollgateError('E_DISK', `${host}: ${what}: the state folder under release.root cannot be written`, {
      host,
      evidence,
      exitCode: 5,
      now: 'the host was not touched',
      hints: ['make room on the file system of release.root, or give the login write access to it'],
    })
  }
  return new RollgateError('E_COMMAND', `${host}: ${what} (exit code ${result.exitCode ?? 'none'})`, { host, evidence })
}

function phaseError(host: string, result: CommandResult, before: readonly string[]): RollgateError {
  if (result.exitCode === BUSY_EXIT) {
    return new RollgateError('E_COMMAND', `${host} is still busy with an earlier script of ours`, {
      host,
      evidence: before,
      hints: [`rollgate status   (what ${host} says now)`],
    })
  }
  if (result.exitCode === STATE_EXIT || result.exitCode === WORK_EXIT)
    return scriptError(host, 'the phase could not begin', { ...result, exitCode: STATE_EXIT, stdout: before.join('\n') })
  return scriptError(host, 'the phase ended before its first step', { ...result, stdout: before.join('\n') })
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-20)
    .map((line) => cleanText(line, 500))
}
