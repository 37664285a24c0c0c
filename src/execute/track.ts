// One host's steps in order. Steps that run on the host itself go in one script (two round trips); the others act on
// the balancer or only look. Doing a step twice leaves the same state; what is in doubt is looked at before it is repeated.
import { RollgateError } from '../domain/error.ts'
import type { RecordedServer, Step, Track } from '../domain/plan.ts'
import type { PhaseResult, RemoteStep } from '../domain/ports.ts'
import { isOutage, reconnectMs, throughOutages } from './away.ts'
import { gateAt } from './control.ts'
import { proveHealthy } from './healthy.ts'
import { comeBack, goOut, statesBefore } from './place.ts'
import { isAtRest, isIn, patiently, snapshot } from './rotation.ts'
import { balancerPatience, began, broke, ended, endsRun, noteRollout, ourNetwork, type Run, record, waitSignal } from './run.ts'

const PHASE_ATTEMPTS = 3

/** @returns `stopped` when `shouldStop` said so between two steps; throws the first error of a step */
export async function runSteps(run: Run, track: Track, steps: readonly Step[], shouldStop: () => boolean): Promise<'done' | 'stopped'> {
  let index = 0
  while (index < steps.length) {
    if (shouldStop()) return 'stopped'
    const step = steps[index]
    if (step === undefined) break
    if (run.done.has(step.id)) {
      index += 1
      continue
    }
    const phase = isRemote(step) ? remotePhase(steps, index, run) : []
    if (phase.length > 0) {
      await throughOutages(run, { host: track.host, what: step.kind }, () => stayOut(run, track, steps, phase))
      await runPhase(run, phase)
    } else await runStep(run, track, step)
    index += Math.max(1, phase.length)
  }
  return 'done'
}

/** A gate could not say, and its policy is to ask a person. */
export function isPause(error: unknown): boolean {
  return error instanceof RollgateError && error.code === 'E_PAUSED'
}

/** Would what is left of these steps take a ready host out of rotation? */
export function takesOut(run: Run, steps: readonly Step[]): boolean {
  return steps.some((step) => !run.done.has(step.id) && (step.kind === 'drain' || step.kind === 'restart' || step.kind === 'stop'))
}

/**
 * A balancer that was reloaded has forgotten the drain, and a resumed rollout may find its host enabled again: no process
 * is touched before the host is seen to be out, now.
 */
async function stayOut(run: Run, track: Track, steps: readonly Step[], phase: readonly RemoteStep[]): Promise<void> {
  const drain = steps.find((step) => step.kind === 'drain')
  if (drain === undefined || phase.every((step) => step.kind === 'hook')) return
  const { servers } = run.context.ports.settings(track.host)
  const signal = waitSignal(run)
  const waiting = (detail: string): void => run.context.emit({ type: 'step.waiting', step: drain.id, host: track.host, detail })
  const patience = { clock: run.context.ports.clock, signal, waiting, network: ourNetwork(run, track.host), ...balancerPatience(run) }
  const states = await patiently(patience, () => snapshot(servers, run.context.signal))
  if (states.every((state) => state.admin !== 'ready')) return
  run.context.emit({ type: 'warning', host: track.host, message: `${track.host} is in rotation again, draining it once more` })
  await goOut(run, track, drain, signal, waiting)
}

function isRemote(step: Step): step is RemoteStep {
  return step.kind === 'hook' || step.kind === 'activate' || step.kind === 'restart' || step.kind === 'stop'
}

/**
 * The longest run of unfinished steps from `from` on that one script can do. Hooks before the switch may take their time, and
 * the balancer may forget the drain meanwhile: what touches the process begins afresh, with another look at it.
 */
function remotePhase(steps: readonly Step[], from: number, run: Run): readonly RemoteStep[] {
  const phase: RemoteStep[] = []
  for (const step of steps.slice(from)) {
    if (!isRemote(step) || run.done.has(step.id)) break
    if (step.kind !== 'hook' && phase.some((earlier) => earlier.kind === 'hook')) break
    phase.push(step)
  }
  return phase
}

async function runStep(run: Run, track: Track, step: Step): Promise<void> {
  const noteDone = async (): Promise<string> => {
    await run.context.ports.host(track.host).note(run.context.rollout, step.id, 'done', '-', run.context.signal)
    return 'was done already'
  }
  const outage = { host: track.host, what: step.kind }
  if (run.inDoubt.has(step.id)) {
    const found = await throughOutages(run, outage, async () => ((await isDone(run, track, step)) ? noteDone() : null))
    if (found !== null) {
      serves(run, step)
      return ended(run, step, false, found)
    }
  }
  await began(run, step)
  let tries = 0
  try {
    const again = async (): Promise<string> => {
      tries += 1
      return tries > 1 && (await isDone(run, track, step)) ? noteDone() : act(run, track, step)
    }
    // Proving knows by itself how long a host that is away is waited for.
    const note = await (step.kind === 'prove' ? again() : throughOutages(run, outage, again))
    serves(run, step)
    await ended(run, step, true, note)
  } catch (error) {
    // Interrupted, or waiting for a person: the step stays in doubt, which is the truth.
    if (!endsRun(error) && !isPause(error)) await broke(run, step, error)
    throw error
  }
}

/** A full disk must not keep a healthy host out of rotation: coming back changes nothing on it. */
async function noteIfRoom(run: Run, step: Step, state: 'started' | 'done'): Promise<void> {
  const { ports, rollout, signal, emit } = run.context
  try {
    await ports.host(step.host).note(rollout, step.id, state, '-', signal)
  } catch (error) {
    if (!(error instanceof RollgateError) || error.code !== 'E_DISK') throw error
    emit({ type: 'warning', host: step.host, message: error.message })
  }
}

function serves(run: Run, step: Step): void {
  if (step.kind === 'drain') run.serving.delete(step.host)
  if (step.kind === 'enable') run.serving.add(step.host)
}

async function isDone(run: Run, track: Track, step: Step): Promise<boolean> {
  const { ports, signal } = run.context
  const { servers } = ports.settings(track.host)
  if (step.kind === 'drain') return servers.length > 0 && (await isAtRest(servers, signal))
  if (step.kind === 'enable') return isIn(servers, await statesBefore(run, track), signal)
  return false
}

async function act(run: Run, track: Track, step: Step): Promise<string> {
  const { ports } = run.context
  const port = ports.host(track.host)
  const signal = waitSignal(run)
  const waiting = (detail: string): void => run.context.emit({ type: 'step.waiting', step: step.id, host: track.host, detail })
  switch (step.kind) {
    case 'drain': {
      await port.note(run.context.rollout, step.id, 'started', was(track.rotation), run.context.signal)
      const note = await goOut(run, track, step, signal, waiting)
      await port.note(run.context.rollout, step.id, 'done', '-', run.context.signal)
      return note
    }
    case 'prove':
      return proveHealthy({
        port,
        health: ports.settings(track.host).health,
        release: step.release,
        clock: ports.clock,
        signal,
        waiting,
        network: async () => (await ports.awaitNetwork?.(track.host, signal)) === true,
        reconnectMs: reconnectMs(run),
      })
    case 'enable': {
      await noteIfRoom(run, step, 'started')
      const note = await comeBack(run, track, signal, waiting)
      await noteIfRoom(run, step, 'done')
      return note
    }
    case 'calibrate':
      return ports.calibrate(step.gate, gateAt(run, isolatedAt(step)), signal)
    case 'gate': {
      const result = await ports.gate(step.gate, gateAt(run, isolatedAt(step)), signal)
      const { verdict, decision, summary, clauses } = result
      await record(run, { type: 'gate.judged', step: step.id, gate: step.gate, batch: 'isolated', verdict, summary, clauses })
      if (decision === 'pause') {
        // The host waits out of rotation: what nobody vouches for yet serves nobody.
        await noteRollout(run, step.id, 'started', 'paused')
        throw new RollgateError('E_PAUSED', `gate ${step.gate} is ${verdict}: ${summary}`, { host: track.host })
      }
      if (decision === 'stop') throw new RollgateError('E_GATE_FAILED', `gate ${step.gate}: ${summary}`, { host: track.host })
      await port.note(run.context.rollout, step.id, 'done', '-', run.context.signal)
      return verdict === 'pass' ? summary : `${verdict}, and passed by its policy: ${summary}`
    }
    case 'hook':
    case 'activate':
    case 'restart':
    case 'stop':
      throw new RollgateError('E_BUG', `${step.kind} is done by a phase script`)
    default:
      return step satisfies never
  }
}

const isolatedAt = ({ id, host, borrows }: Extract<Step, { kind: 'calibrate' | 'gate' }>) =>
  ({ step: id, batch: 'isolated', borrows: borrows === true, host }) as const

/** For the ledger: whether we took the host out of a rotation it was in (`was-in`), or an operator had (`was-out`). */
function was(rotation: readonly RecordedServer[]): string {
  return rotation.some((server) => server.admin === 'ready') ? 'was-in' : rotation.length === 0 ? '-' : 'was-out'
}

async function runPhase(run: Run, phase: readonly RemoteStep[]): Promise<void> {
  const first = phase[0]
  if (first === undefined) return
  const port = run.context.ports.host(first.host)
  let rest = await skipWhatTheLedgerHas(run, phase)
  for (let attempt = 1; rest.length > 0; attempt += 1) {
    for (const step of rest) await began(run, step)
    let result: PhaseResult
    try {
      result = await port.runPhase(run.context.rollout, rest, {
        signal: run.context.signal,
        onStep: (step, state) => {
          if (state === 'started') run.context.emit({ type: 'step.waiting', step, host: first.host, detail: 'running' })
        },
        onLine: (step, line) => run.context.emit({ type: 'output', source: step, host: first.host, step, line }),
      })
    } catch (error) {
      if (!isOutage(error)) {
        if (!endsRun(error)) for (const step of rest) await neverBegan(run, step, error)
        throw error
      }
      // It could not even be begun, or so it seems from here.
      result = { steps: [], lost: true }
    }
    const lostAt = run.context.ports.clock.now()
    await settle(run, rest, result)
    rest = rest.filter((step) => !run.done.has(step.id))
    if (rest.length === 0) return
    if (attempt >= PHASE_ATTEMPTS) throw lostIn(rest)
    rest = await afterReconnect(run, rest, lostAt)
  }
}

/** The script ended before its first step: what was never tried before is as untouched as it was. */
async function neverBegan(run: Run, step: Step, error: unknown): Promise<void> {
  await broke(run, step, error)
  if (run.attempts.get(step.id) === 1) run.touched.delete(step.id)
}

function lostIn(rest: readonly RemoteStep[], cause?: RollgateError): RollgateError {
  const host = rest[0]?.host ?? ''
  return new RollgateError(
    'E_LOST',
    `${host} was lost in the middle of ${rest.map((step) => step.kind).join(', ')} and did not come back`,
    {
      host,
      exitCode: 5,
      hints: [`rollgate status   (what ${host} says now)`],
      ...(cause === undefined ? {} : { why: cause.message, cause }),
    },
  )
}

/** Records what the script said of each step. @throws the error of the step that failed */
async function settle(run: Run, steps: readonly RemoteStep[], result: PhaseResult): Promise<void> {
  for (const step of steps) {
    const said = result.steps.find((candidate) => candidate.step === step.id)
    if (said?.state === 'done') {
      await ended(run, step, said.changed)
    } else if (said?.state === 'failed') {
      // A manager says that it failed; why is in the log of the process.
      const seen = step.kind === 'restart' ? await run.context.ports.host(step.host).evidence(run.context.signal) : []
      const error = phaseError(step, said.exitCode, said.output, seen)
      await broke(run, step, error)
      for (const later of steps) run.inDoubt.delete(later.id)
      throw error
    } else if (!result.lost) {
      const error = new RollgateError('E_COMMAND', `${step.host} ended the script before ${step.kind} had reported`, {
        host: step.host,
        evidence: said?.output ?? [],
      })
      await broke(run, step, error)
      throw error
    }
  }
}

function phaseError(step: RemoteStep, exitCode: number | null, output: readonly string[], seen: readonly string[]): RollgateError {
  const how = exitCode === null ? 'without an exit code' : `with exit code ${exitCode}`
  const options = { host: step.host, evidence: [...output.slice(-20), ...seen] }
  switch (step.kind) {
    case 'hook':
      if (exitCode === 124)
        return new RollgateError(
          'E_HOOK',
          `hook ${step.hook.name} did not end within ${step.hook.timeoutMs / 1000} s on ${step.host} and was killed`,
          options,
        )
      return new RollgateError('E_HOOK', `hook ${step.hook.name} failed on ${step.host} ${how}`, options)
    case 'activate':
      return new RollgateError('E_ACTIVATE', `${step.host} could not switch to ${step.release}`, options)
    case 'restart':
      return serviceError(step.host, 'restarted', how, output, options)
    case 'stop':
      return serviceError(step.host, 'stopped', how, output, options)
    default:
      return step satisfies never
  }
}

function serviceError(
  host: string,
  done: string,
  how: string,
  output: readonly string[],
  options: { host: string; evidence: readonly string[] },
): RollgateError {
  const wantsPassword = output.some((line) =>
    /a password is required|a terminal is required|is not allowed to (run|execute)|may not run sudo/i.test(line),
  )
  if (wantsPassword) {
    return new RollgateError('E_SUDO', `the service on ${host} could not be ${done}: sudo wants a password or does not allow it`, {
      ...options,
      exitCode: 5,
      hints: ['rollgate check   (prints the exact sudoers lines)'],
    })
  }
  return new RollgateError('E_SERVICE', `the service on ${host} could not be ${done}: its manager ended ${how}`, options)
}

/** On resume: a step in doubt that the host's ledger calls done is done. */
async function skipWhatTheLedgerHas(run: Run, phase: readonly RemoteStep[]): Promise<readonly RemoteStep[]> {
  const first = phase[0]
  if (first === undefined || !phase.some((step) => run.inDoubt.has(step.id))) return phase
  return believeLedger(run, phase)
}

async function believeLedger(run: Run, phase: readonly RemoteStep[], lostAt?: number): Promise<readonly RemoteStep[]> {
  const host = phase[0]?.host
  if (host === undefined) return phase
  const port = run.context.ports.host(host)
  const what = phase.map((step) => step.kind).join(', ')
  const outage = { host, what, ...(lostAt === undefined ? {} : { lostAt }) }
  const ledger = await throughOutages(run, outage, (signal) => port.readLedger(signal))
  const entries = ledger.filter((entry) => entry.rollout === run.context.rollout)
  const rest: RemoteStep[] = []
  for (const step of phase) {
    const last = entries.filter((entry) => entry.step === step.id).at(-1)
    if (last?.state === 'done') {
      await ended(run, step, false, "done, says the host's ledger")
      continue
    }
    if (lostAt !== undefined && last?.state === 'failed') {
      const error = phaseError(step, Number.parseInt(last.detail, 10) || null, [], [])
      await broke(run, step, error)
      for (const later of phase) run.inDoubt.delete(later.id)
      throw error
    }
    if (step.kind === 'hook' && step.hook.once && last?.state === 'started') {
      throw new RollgateError('E_HOOK', `hook ${step.hook.name} may run only once, and how it ended on ${step.host} is unknown`, {
        host: step.host,
        hints: ['look at what it did, then deploy again or roll back'],
      })
    }
    rest.push(step)
  }
  return rest
}

/** What the script did after the connection was gone: done is done, failed has failed, and the rest is done again. */
async function afterReconnect(run: Run, rest: readonly RemoteStep[], lostAt: number): Promise<readonly RemoteStep[]> {
  try {
    return await believeLedger(run, rest, lostAt)
  } catch (error) {
    throw isOutage(error) ? lostIn(rest, error) : error
  }
}
