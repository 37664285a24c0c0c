// The documents that `--json` prints, as JSON Schemas: written to templates/schemas by `node tools/write-schemas.ts`,
// shipped with the package, and held against both the types and real documents by test/unit/schemas. Fields only get added.
import type * as Documents from '../src/domain/document.ts'
import type { Plan } from '../src/domain/plan.ts'
import {
  anything,
  bool,
  count,
  exactly,
  type Json,
  list,
  nullable,
  number,
  type Of,
  object,
  opaque,
  propertiesOf,
  record,
  type Schema,
  text,
  words,
} from './schema.ts'

const shortError = object({ code: text, message: text })
const problem = object({ file: text, line: count, column: count, key: text, message: text }, { nearest: text })
const error = object({ code: text, message: text, hints: list(text) }, { host: text, why: text, now: text, evidence: list(text) })
const refusal = object({ code: text, message: text }, { host: text, why: text, hints: list(text) })
const release = nullable(text)

/** What every document has. */
const base = { version: exactly(1), command: text, exitCode: count, outcome: text }
const baseOptional = { error, problems: list(problem) }

const phase = words(
  'idle',
  'staged',
  'draining',
  'drained',
  'switched',
  'started',
  'healthy',
  'gated',
  'enabling',
  'serving',
  'baked',
  'unknown',
)
const outcome = words('succeeded', 'unchanged', 'rolled-back', 'partial', 'stuck', 'paused', 'cancelled', 'refused')

export const documents = {
  rollout: document(
    'deploy, rollback, restart, resume, abort, promote',
    {
      ...base,
      outcome,
      rollout: nullable(text),
      release,
      hosts: list(
        object(
          { name: text, from: release, to: release, phase, durationMs: number },
          { error: object({ code: text, message: text }, { evidence: list(text) }) },
        ),
      ),
      probe: nullable(object({ sent: count, failed: count, worstGapMs: number }, { losses: list(text) })),
      gates: list(object({ name: text, batch: text, verdict: text, clauses: clauseResults() })),
      minReadySeen: nullable(count),
      durationMs: number,
      next: list(text),
    },
    { refusals: list(refusal) },
  ),
  push: document('push', {
    ...base,
    release,
    built: bool,
    hosts: list(object({ name: text, staged: bool, note: text }, { error: shortError })),
    durationMs: number,
    next: list(text),
  }),
  plan: document(
    'plan, deploy --dry-run',
    {
      ...base,
      id: nullable(text),
      basedOn: nullable(text),
      release,
      batches: list(object({ id: text, title: text, hosts: list(text) }, { gate: text, pause: number, approve: text })),
      hosts: list(object({ name: text, from: release, to: release, steps: list(text), undo: list(text) })),
      unchanged: list(text),
      changes: nullable(object({ files: count, bytes: count })),
      minReady: record(count),
      refusals: list(refusal),
      plan: nullable(opaque<Plan>('The stored form: what --out writes and deploy --plan reads')),
    },
    {
      simulation: object({
        fail: list(text),
        outcome: words('succeeded', 'unchanged', 'rolled-back', 'partial', 'stuck', 'paused', 'cancelled', 'refused'),
        exitCode: count,
        because: nullable(shortError),
        moves: list(text),
        hosts: list(object({ name: text, release, inRotation: bool })),
        minReadySeen: nullable(count),
      }),
      warnings: list(text),
    },
  ),
  status: document('status', {
    ...base,
    hosts: list(
      object(
        {
          name: text,
          address: text,
          release,
          previous: release,
          phase,
          reachable: bool,
          health: text,
          balancer: list(
            object({
              balancer: text,
              backend: text,
              server: text,
              state: words('ready', 'drain', 'maintenance', 'other', 'unknown'),
              health: words('up', 'rising', 'falling', 'down', 'unchecked', 'unknown'),
              weight: nullable(number),
              inFlight: nullable(count),
            }),
          ),
        },
        { zone: text, error: shortError },
      ),
    ),
    lock: holding(),
    unfinished: unfinished(),
    drift: list(object({ kind: text, message: text }, { host: text })),
  }),
  lock: document('lock, lock release', {
    ...base,
    lock: holding(),
    unfinished: unfinished(),
    hosts: list(
      object({
        name: text,
        epoch: count,
        holder: nullable(text),
        rollout: nullable(text),
        command: nullable(text),
        live: bool,
        leftMs: number,
        heartbeatAgeMs: nullable(number),
      }),
    ),
    released: bool,
  }),
  check: document('check', { ...base, items: list(checkItem()) }),
  setup: document('setup', {
    ...base,
    hosts: list(object({ name: text, changes: list(text), notes: list(text) }, { error: shortError })),
  }),
  releases: document('releases', {
    ...base,
    hosts: list(
      object(
        {
          name: text,
          current: release,
          releases: list(object({ id: text, hash: text, installedAt: text, outcome: text, bytes: number }, { commit: text, by: text })),
        },
        { error: shortError },
      ),
    ),
  }),
  history: document('history', {
    ...base,
    rollouts: list(object({ rollout: text, at: text, by: text, intent: text, release, outcome: text, durationMs: number })),
  }),
  exec: document('exec, logs', {
    ...base,
    hosts: list(object({ name: text, exitCode: nullable(count), stdout: text, stderr: text }, { error: shortError })),
  }),
  hand: document('drain, enable', {
    ...base,
    host: text,
    changed: bool,
    balancer: list(object({ balancer: text, backend: text, server: text, state: text, health: text, inFlight: nullable(count) })),
  }),
  config: document('config show, config validate, config schema', base, {
    config: anything,
    origins: record(text),
    schema: anything,
  }),
  load: document(
    'load',
    {
      ...base,
      outcome: verdictWord(),
      verdict: verdictWord(),
      reason: text,
      run: text,
      seed: text,
      targets: targetLines(),
      clauses: clauseResults(),
      validity: object({ sendLagP99Ms: nullable(number), cpu: nullable(number), reasons: list(text) }),
      warnings: list(text),
      measuredMs: number,
      evidence: nullable(text),
    },
    { capacity: capacityFound(), source: importSource() },
  ),
  import: document('load import', {
    ...base,
    outcome: verdictWord(),
    verdict: verdictWord(),
    reason: text,
    source: importSource(),
    targets: targetLines(),
    clauses: clauseResults(),
    validity: object({ sendLagP99Ms: nullable(number), cpu: nullable(number), reasons: list(text) }),
    warnings: list(text),
    measuredMs: nullable(number),
    run: text,
    evidence: nullable(text),
  }),
  gate: document('gate', {
    ...base,
    outcome: verdictWord(),
    gate: text,
    run: text,
    verdict: verdictWord(),
    reason: text,
    decision: words('promote', 'stop', 'pause'),
    targets: targetLines(),
    clauses: clauseResults(),
    validity: object({ sendLagP99Ms: nullable(number), cpu: nullable(number), maskedSeconds: count, reasons: list(text) }),
    warnings: list(text),
    look: nullable(look()),
    stoppedBy: words('look', 'errors', 'hard-stop', 'end', 'distrust'),
    cold: nullable(coldPhase()),
    discarded: list(discarded()),
    evidence: nullable(text),
  }),
  gatePlan: document('gate plan', {
    ...base,
    gates: list(object({ gate: text, problems: list(text), warnings: list(text), clauses: list(plannedClause()) })),
  }),
  gateExplain: document('gate explain, gate whatif', {
    ...base,
    run: text,
    gates: list(
      object({
        name: text,
        gate: text,
        verdict: verdictWord(),
        reason: text,
        clauses: clauseResults(),
        look: nullable(look()),
        kept: verdictWord(),
        differences: list(text),
        discarded: list(discarded()),
      }),
    ),
  }),
  gateCalibrate: document('gate calibrate', {
    ...base,
    gate: text,
    run: text,
    pairs: list(
      object({
        host: text,
        against: text,
        seconds: number,
        slowAboveMs: number,
        quantiles: record(object({ ratio: number, se: number, oldMs: number })),
      }),
    ),
    hostEffect: number,
    aa: nullable(object({ runs: count, verdicts: object({ pass: count, fail: count, inconclusive: count, invalid: count }) })),
    clauses: list(plannedClause()),
    warnings: list(text),
  }),
  scenario: document('load import of a HAR or an OpenAPI description', {
    ...base,
    from: words('HAR', 'OpenAPI'),
    scenario: text,
    requests: count,
    left: list(object({ count, why: text })),
    secrets: list(text),
    written: nullable(text),
  }),
  report: document('report', {
    ...base,
    id: text,
    kind: words('load', 'gate', 'rollout'),
    title: text,
    verdict: verdictWord(),
    sentence: text,
    file: nullable(text),
    files: list(text),
  }),
  selftest: document('load selftest', {
    ...base,
    ceilingPerSecond: nullable(number),
    enough: nullable(bool),
    steps: list(
      object({
        ratePerSecond: number,
        valid: bool,
        sendLagP99Ms: nullable(number),
        cpu: nullable(number),
        p50Ms: nullable(number),
        p99Ms: nullable(number),
        reasons: list(text),
      }),
    ),
  }),
  init: document('init', { ...base, file: text, text, written: bool, items: list(checkItem()) }),
  demo: document('demo', {
    ...base,
    rollouts: list(object({ title: text, outcome: text, expected: text, requests: count, failed: count, gate: nullable(text) })),
    directory: nullable(text),
  }),
}

export type DocumentName = keyof typeof documents

function capacityFound() {
  const step = {
    ratePerSecond: number,
    outcome: words('holds', 'breaks', 'saturated'),
    confirm: bool,
    offered: count,
    failed: count,
    ...{ p50Ms: nullable(number), p95Ms: nullable(number) },
    reason: text,
  }
  return object({ ratePerSecond: nullable(number), atLeast: bool, thresholds: list(text), steps: list(object(step)) })
}

function holding() {
  return nullable(object({ holder: text, rollout: text, since: text, heartbeatAgeMs: number }))
}

function unfinished() {
  return nullable(object({ rollout: text, phase: text, next: list(text) }))
}

function importSource() {
  return object({
    format: text,
    level: words('A', 'B', 'C'),
    files: list(text),
    exitCode: nullable(count),
    plannedMs: nullable(number),
  })
}

function targetLines() {
  return list(
    object({
      name: text,
      offered: count,
      sent: count,
      done: count,
      rps: number,
      errors: opaque<Documents.LoadDocument['targets'][number]['errors']>('By class of failure, how many'),
      p50Ms: nullable(number),
      p90Ms: nullable(number),
      p95Ms: nullable(number),
      p99Ms: nullable(number),
      maxMs: nullable(number),
      bytes: number,
      service: object({ p50Ms: nullable(number), p95Ms: nullable(number), p99Ms: nullable(number) }),
    }),
  )
}

function clauseResults() {
  return list(
    object(
      {
        id: text,
        clause: text,
        mode: words('gate', 'warn', 'shadow'),
        source: words('load', 'probe', 'prometheus', 'command', 'approval', 'import'),
        unit: words('ms', 'share', 'ratio', 'points', 'perSecond', 'count', 'number', 'exit'),
        estimate: nullable(number),
        low: nullable(number),
        high: nullable(number),
        bound: nullable(number),
        verdict: verdictWord(),
        look: nullable(count),
        sentence: text,
      },
      { note: text, shown: text, se: number },
    ),
  )
}

function plannedClause() {
  return object({
    clause: text,
    mode: words('gate', 'warn', 'shadow'),
    isDecidable: bool,
    needsSeconds: nullable(number),
    needsRequests: nullable(number),
    smallestMargin: nullable(number),
    sentence: text,
  })
}

function look() {
  return object({ at: count, of: count, seconds: number })
}

function coldPhase() {
  return object({ firstSuccessSecond: nullable(count), steadySecond: nullable(count), failures: count, arrivals: count })
}

function discarded() {
  return object({ verdict: verdictWord(), reason: text })
}

function verdictWord() {
  return words('pass', 'fail', 'inconclusive', 'invalid')
}

function checkItem() {
  return object({ id: text, level: words('ok', 'warning', 'problem'), message: text }, { host: text, fix: text })
}

/** A failure may come before there is anything to say about hosts: then only the base and the error are there. */
function document<R extends Parameters<typeof propertiesOf>[0], O extends Parameters<typeof propertiesOf>[0] = Record<never, never>>(
  commands: string,
  required: R,
  optional?: O,
): Schema<Of<ReturnType<typeof object<R, O & typeof baseOptional>>>> {
  const always = Object.keys(base)
  const json: Json = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `rollgate ${commands}`,
    type: 'object',
    properties: propertiesOf({ ...required, ...optional, ...baseOptional, outcome: outcomeOf(required) }),
    required: always,
    if: { not: { required: ['error'] } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, and nothing that could be awaited
    then: { required: Object.keys(required) },
  }
  return { json }
}

/** A bug in the middle of a rollout is `failed`: nobody knows how it ended. */
function outcomeOf(required: Parameters<typeof propertiesOf>[0]): Schema<unknown> {
  const own = required.outcome
  return own === undefined || own === text ? words('ok', 'failed') : { json: { anyOf: [own.json, { const: 'failed' }] } }
}
