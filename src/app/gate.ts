// gate: one gate alone, against the live fleet; nothing is deployed, and nobody is taken out of rotation. The new release is what the newest hosts run, the old one what the others run; where all run the same one,
// it is compared with itself, and says so.
import { randomBytes } from 'node:crypto'
import { appHosts, type Config } from '../domain/config.ts'
import type { GateDocument, GateExplainDocument, GatePlanDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { Facts, ReachableHost } from '../domain/facts.ts'
import { calibrationMs, type GateRecord, type GateSettings } from '../domain/gate.ts'
import type { HostName } from '../domain/host.ts'
import { pastPassOf } from '../gate/past-pass.ts'
import { clausesOf, explain, whatIf, withMargins } from '../gate/what-if.ts'
import { reportOfGate } from '../render/report/from-gate.ts'
import { quote } from '../util/shell.ts'
import { openSession } from './compose.ts'
import { loadConfigOf } from './config.ts'
import type { AppContext } from './context.ts'
import { adviceFor } from './gates/advice.ts'
import type { Arms, GatePlace } from './gates/arms.ts'
import { type calibrateArms, keptCalibration, learnedEffect, loadOf, withLearned } from './gates/calibrate.ts'
import { type Kept, openKept } from './gates/kept.ts'
import { measureGate } from './gates/measure.ts'
import { neverAnswered, planGates } from './gates/planning.ts'
import { resultsThere } from './gates/planning-results.ts'
import { VERDICT_EXITS } from './load.ts'
import { checkReports, type ReportOptions, writeReports } from './reports.ts'
import { look } from './rollout.ts'
import type { Session } from './session.ts'
import { permitGates } from './strangers.ts'
import { createTelling } from './telling.ts'

export type GateOptions = {
  readonly name?: string
  /** Hosts that count as new, and as old. */
  readonly canary?: readonly string[]
  readonly baseline?: readonly string[]
  /** Exit 0 whatever the verdict. */
  readonly exitZero?: boolean
} & ReportOptions

/** @throws RollgateError E_USAGE, E_CANCELLED; whatever reaching a host throws */
export async function gate(options: GateOptions, context: AppContext): Promise<GateDocument> {
  await checkReports(options, context)
  const run = randomBytes(4).toString('hex')
  const began = new Date()
  const { emit } = createTelling(run, context.renderers, () => new Date())
  const session = await openSession(context, { emit })
  try {
    const settings = gateNamed(session.config, options.name)
    await refuseUnanswerable(settings, session.config, context)
    await permitGates(session.config, [settings.name], context)
    const kept = openKept(context.env, session.config)
    const place = await placeIn(session, settings, options, context, emit)
    const signal = AbortSignal.any([context.signal, context.control.asked])
    const { record, decision } = await measureGate(
      settings,
      {
        ...{ session, context, emit, run, place },
        calibration: (arms) => calibrationFor(settings, arms, { session, context, emit, run, kept }),
        learned: await learnedEffect(kept, { gate: settings, way: 'serving', load: loadOf(session.config, settings) }),
        passes: await kept.passes(settings.name),
        restart: () => null,
        approve: async (question, abort) =>
          context.ask === null ? 'unanswered' : (await context.ask.confirm(question, { initial: false, signal: abort })) ? 'yes' : 'no',
        environment: { ROLLGATE_APP: session.config.app, ROLLGATE_ENVIRONMENT: session.config.environment ?? '' },
      },
      signal,
    )
    const path = await kept.record(run, record)
    const pass = record.evidence.kind === 'requests' ? pastPassOf(record.report, record.evidence, new Date().toISOString()) : null
    if (pass !== null) await kept.addPass(settings.name, pass)
    const document = gateDocument(settings, run, record, { decision, evidence: path, exitZero: options.exitZero === true })
    const data = reportOfGate(record, {
      ...{ id: run, at: began.toISOString(), durationMs: Date.now() - began.getTime(), rollgate: context.version },
      facts: [
        {
          label: 'app',
          value: session.config.environment === null ? session.config.app : `${session.config.app} (${session.config.environment})`,
        },
      ],
      words: gateWords(options, settings.name, session.config.environment),
    })
    await writeReports({ data, document, options }, context, emit)
    return document
  } finally {
    await session.close()
  }
}

/** What could never be decided is refused as a rollout would refuse it, before anybody is reached. @throws RollgateError E_REFUSED */
async function refuseUnanswerable(gate: GateSettings, config: Config, context: AppContext): Promise<void> {
  const [first, ...others] = neverAnswered(config, gate, await resultsThere(config, [gate.name], context.signal))
  if (first === undefined) return
  throw new RollgateError('E_REFUSED', `gate ${gate.name} can never be decided: ${first}`, {
    now: 'nothing was sent',
    hints: [`rollgate gate plan ${gate.name}   (what each clause needs)`],
    evidence: others,
  })
}

/** The words after `rollgate` that do it again. */
function gateWords({ canary = [], baseline = [] }: GateOptions, name: string, environment: string | null): readonly string[] {
  const flag = (word: string, values: readonly string[]) => (values.length === 0 ? [] : [word, values.join(',')])
  const words = [
    'gate',
    name,
    ...flag('-e', environment === null ? [] : [environment]),
    ...flag('--canary', canary),
    ...flag('--baseline', baseline),
  ]
  return words.map(quote)
}

function gateDocument(
  settings: GateSettings,
  run: string,
  record: GateRecord,
  more: { readonly decision: GateDocument['decision']; readonly evidence: string | null; readonly exitZero: boolean },
): GateDocument {
  const { report, discarded } = record
  const { verdict, reason, targets, clauses, validity, warnings, look: at, stoppedBy } = report
  const exitCode = more.exitZero ? 0 : VERDICT_EXITS[verdict]
  return {
    version: 1,
    command: 'gate',
    exitCode,
    outcome: verdict,
    ...(exitCode === 0 ? {} : { error: errorOf(settings, record) }),
    ...{ gate: report.gate, run, verdict, reason, decision: more.decision },
    ...{ targets, clauses, validity, warnings, look: at, stoppedBy, cold: report.cold ?? null, discarded, evidence: more.evidence },
  }
}

function errorOf(settings: GateSettings, record: GateRecord): NonNullable<GateDocument['error']> {
  const { verdict, reason } = record.report
  const code = verdict === 'fail' ? 'E_GATE_FAILED' : verdict === 'invalid' ? 'E_LOAD_INVALID' : 'E_PAUSED'
  return { code, message: reason, ...adviceFor(settings, record) }
}

/** @throws RollgateError E_USAGE for a name that is not there, or none where there are several */
export function gateNamed(config: Config, name: string | undefined): GateSettings {
  const names = Object.keys(config.gates)
  const wanted = name ?? (names.length === 1 ? names[0] : undefined)
  const found = wanted === undefined ? undefined : config.gates[wanted]
  if (found !== undefined) return found
  const hints = [names.length === 0 ? 'it has none: add gates' : `gates: ${names.join(', ')}`]
  if (name === undefined)
    throw new RollgateError('E_USAGE', names.length === 0 ? 'the configuration has no gate' : 'which gate?', { hints })
  throw new RollgateError('E_USAGE', `the configuration has no gate called ${name}`, { hints })
}

async function placeIn(
  session: Session,
  settings: GateSettings,
  options: GateOptions,
  context: AppContext,
  emit: Emit,
): Promise<GatePlace> {
  const { source } = settings
  if (source.kind !== 'load' || source.at.kind !== 'canary') return { hosts: [], old: [], borrow: null }
  const { canary, baseline } = options
  for (const name of [...(canary ?? []), ...(baseline ?? [])]) {
    if (!appHosts(session.config).some((host) => host.name === name))
      throw new RollgateError('E_USAGE', `there is no app host called ${name}`)
  }
  if (canary !== undefined && (baseline !== undefined || source.baseline === null))
    return { hosts: canary, old: baseline ?? [], borrow: null }
  const facts = await look(context, session, emit)
  const place = sides(facts, source.baseline !== null, canary, baseline)
  if (place.same) {
    emit({ type: 'warning', message: `gate ${settings.name}: every host runs the same release, so it is compared with itself` })
  }
  return { hosts: place.hosts, old: place.old, borrow: null }
}

/** Who is new and who is old, as the hosts say. @throws RollgateError E_UNREACHABLE, E_USAGE */
function sides(
  facts: Facts,
  compares: boolean,
  canary: readonly HostName[] | undefined,
  baseline: readonly HostName[] | undefined,
): { readonly hosts: readonly HostName[]; readonly old: readonly HostName[]; readonly same: boolean } {
  const reached = facts.hosts.flatMap((host): readonly ReachableHost[] => (host.reachable && host.current !== null ? [host] : []))
  if (reached.length === 0) throw new RollgateError('E_UNREACHABLE', 'no host that runs a release can be reached')
  const counter = (host: ReachableHost): number => host.releases.find((release) => release.id === host.current)?.counter ?? 0
  const newest = Math.max(...reached.map(counter))
  const hosts = canary ?? reached.filter((host) => counter(host) === newest).map((host) => host.host)
  const others = reached.filter((host) => !hosts.includes(host.host)).map((host) => host.host)
  if (!compares) return { hosts, old: [], same: false }
  if (baseline !== undefined) return { hosts: hosts.filter((host) => !baseline.includes(host)), old: baseline, same: false }
  if (others.length > 0) return { hosts, old: others, same: false }
  // All run the same: the first against the last, an A/A comparison.
  const last = hosts.at(-1)
  if (hosts.length < 2 || last === undefined) throw new RollgateError('E_USAGE', 'there is only one host, and nothing to compare it with')
  return { hosts: hosts.slice(0, 1), old: [last], same: true }
}

type Calibrated = Pick<Parameters<typeof calibrateArms>[0], 'session' | 'context' | 'emit' | 'run' | 'kept'>

async function calibrationFor(settings: GateSettings, arms: Arms, of: Calibrated) {
  const load = loadOf(of.session.config, settings)
  if (load === undefined || calibrationMs(settings, load) === 0 || arms.old.length === 0) return null
  return keptCalibration(of.kept, { gate: settings, way: 'serving', load, arms }, new Date())
}

/** What each clause needs, before anything is touched: no host is asked. */
export async function gatePlan(options: { readonly name?: string }, context: AppContext): Promise<GatePlanDocument> {
  const config = await loadConfigOf(context)
  const names = options.name === undefined ? Object.keys(config.gates) : [gateNamed(config, options.name).name]
  const learned = await withLearned(config, openKept(context.env, config))
  const gates = planGates(learned, names, await resultsThere(config, names, context.signal))
  const bad = gates.filter(({ problems }) => problems.length > 0)
  return {
    version: 1,
    command: 'gate plan',
    exitCode: bad.length === 0 ? 0 : 3,
    outcome: bad.length === 0 ? 'ok' : 'failed',
    ...(bad.length === 0
      ? {}
      : {
          error: {
            code: 'E_REFUSED' as const,
            message: `${bad.map(({ gate: name }) => name).join(', ')} cannot be decided as ${bad.length === 1 ? 'it stands' : 'they stand'}`,
            hints: ['each clause says above what would suffice'],
          },
        }),
    gates,
  }
}

/** @throws RollgateError E_USAGE when nothing of that run is kept */
async function recordsOf(
  kept: Kept,
  run: string,
  name: string | undefined,
): Promise<readonly { readonly name: string; readonly record: GateRecord }[]> {
  const all = await kept.records(run)
  const found = name === undefined ? all : all.filter(({ record }) => record.gate === name)
  if (found.length > 0) return found
  const runs = (await kept.runs()).slice(-8)
  throw new RollgateError('E_USAGE', `nothing is kept of ${name === undefined ? '' : `gate ${name} in `}run ${run} on this machine`, {
    hints: [runs.length === 0 ? 'no gate was measured here yet' : `kept: ${runs.join(', ')}`],
  })
}

export type ExplainOptions = { readonly run: string; readonly gate?: string }

/** Works the verdicts of a run out again, from what was kept of it. */
export async function gateExplain(options: ExplainOptions, context: AppContext): Promise<GateExplainDocument> {
  const config = await loadConfigOf(context)
  const records = await recordsOf(openKept(context.env, config), options.run, options.gate)
  const gates = records.map(({ name, record }) => {
    const { report, differences } = explain(record, clausesOf(record.evidence) ?? config.gates[record.gate]?.pass ?? [])
    return { name, gate: record.gate, ...summaryOf(report), kept: record.report.verdict, differences, discarded: record.discarded }
  })
  const differ = gates.filter(({ differences }) => differences.length > 0)
  return explained(
    'gate explain',
    options.run,
    gates,
    differ.length === 0 ? null : `${differ.length} of ${gates.length} verdicts do not follow from what was kept`,
  )
}

/** The same evidence under other limits. Changes nothing of what was decided. */
export async function gateWhatIf(
  options: ExplainOptions & { readonly margins: readonly string[] },
  context: AppContext,
): Promise<GateExplainDocument> {
  if (options.margins.length === 0)
    throw new RollgateError('E_USAGE', 'under which limits?', { hints: ['--margin p95=+10%', '--margin errors=0.2%'] })
  const config = await loadConfigOf(context)
  const records = await recordsOf(openKept(context.env, config), options.run, options.gate)
  const gates = records.map(({ name, record }) => {
    const changed = withMargins(clausesOf(record.evidence) ?? config.gates[record.gate]?.pass ?? [], options.margins)
    if ('problem' in changed) throw new RollgateError('E_USAGE', `--margin ${changed.problem}`)
    const report = whatIf(record.gate, record.evidence, changed.clauses)
    return { name, gate: record.gate, ...summaryOf(report), kept: record.report.verdict, differences: [], discarded: record.discarded }
  })
  return explained('gate whatif', options.run, gates, null)
}

function summaryOf({ verdict, reason, clauses, look: at }: GateRecord['report']) {
  return { verdict, reason, clauses, look: at }
}

function explained(command: string, run: string, gates: GateExplainDocument['gates'], problem: string | null): GateExplainDocument {
  const ending = problem === null ? { exitCode: 0, outcome: 'ok' } : { exitCode: 1, outcome: 'failed' }
  return {
    version: 1,
    command,
    ...ending,
    ...(problem === null
      ? {}
      : { error: { code: 'E_BUG' as const, message: problem, hints: ['was it judged by another version of rollgate?'] } }),
    ...{ run, gates },
  }
}
