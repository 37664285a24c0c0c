// Reports for tests: measurements made by hand and judged by the real engine, and one of each kind of odd end.
import type { LoadDocument, RolloutDocument } from '../../../src/domain/document.ts'
import type { DurableEvent, Stamped } from '../../../src/domain/event.ts'
import type { GateRecord, GateReport } from '../../../src/domain/gate.ts'
import type { GeneratorSample } from '../../../src/domain/load.ts'
import type { ReportData } from '../../../src/domain/report.ts'
import type { Slice } from '../../../src/domain/slice.ts'
import { judge } from '../../../src/gate/judge.ts'
import { summariseTargets } from '../../../src/gate/targets.ts'
import { reportOfGate } from '../../../src/render/report/from-gate.ts'
import { reportOfLoad } from '../../../src/render/report/from-load.ts'
import { type RolloutGate, reportOfRollout } from '../../../src/render/report/from-rollout.ts'
import { type Arm, clauses, evidenceOf, planOf, runSlices, settingsOf } from '../gate/helpers.ts'

export const AT = '2026-11-25T03:18:00.000Z'
const ABOUT = { id: '46430f00', at: AT, durationMs: 150_000, rollgate: '0.1.0' }

export function samplesOf(seconds: number, busyFrom = Number.POSITIVE_INFINITY): readonly GeneratorSample[] {
  return Array.from({ length: seconds }, (_, second) => ({
    second,
    cpu: second >= busyFrom ? 0.97 : 0.12 + 0.05 * Math.sin(second / 7),
    loopDelayMs: second >= busyFrom ? 80 : 1.2,
    inFlight: 4,
    connections: 8,
  }))
}

export type GateSample = {
  readonly canary: Arm
  readonly old?: Arm
  readonly seconds?: number
  readonly rate?: number
  readonly warmup?: number
  readonly asked?: readonly string[]
  readonly busyFrom?: number
  readonly tweak?: (slice: Slice) => Slice
}

export function gateRecord(of: GateSample): GateRecord {
  const { canary, old, seconds = 120, rate = 100, warmup = 0, busyFrom, tweak = (slice: Slice) => slice } = of
  const asked = of.asked ?? ['p50 <= baseline + 10%', 'p95 <= baseline + 15%', 'slow <= baseline + 1pp', 'errors <= baseline + 0.1pp']
  const slices = runSlices({ seconds: seconds + warmup, rate, canary, ...(old === undefined ? {} : { old }) }).map((slice) =>
    tweak(slice.second < warmup ? { ...slice, warmup: true } : slice),
  )
  const plan = { ...planOf({ clauses: clauses(...asked), ratePerArm: rate, atMostSeconds: seconds }), settingsHash: 'c0ffee' }
  const calibration =
    old === undefined
      ? null
      : {
          ...{ version: 1 as const, seconds: 120, blockSeconds: 5, ratePerArm: rate, autocorrelation: 0.02, slowAboveMs: 120 },
          quantiles: { 0.5: { theta: 0.004, se: 0.004, oldMs: 50 }, 0.95: { theta: 0.004, se: 0.006, oldMs: 80 } },
          ...{ slow: { share: 0, se: 0.0004 }, errors: { share: 0, se: 0.0002 } },
        }
  const evidence = evidenceOf({ plan, slices, generator: samplesOf(seconds + warmup, busyFrom), calibration })
  return {
    version: 1,
    gate: 'canary',
    settingsHash: 'c0ffee',
    discarded: [],
    evidence,
    report: judge(settingsOf({ pass: plan.clauses }), evidence),
  }
}

export function gateReport(of: GateSample, record = gateRecord(of)): ReportData {
  return reportOfGate(record, {
    ...ABOUT,
    markers: [
      { second: 8, kind: 'restart', label: 'web-1 restarted' },
      { second: 14.5, kind: 'step', label: 'web-1 enabled' },
    ],
  })
}

export const GOOD: Arm = { ms: 50 }

/** Made once, at the first call: thousands of requests are thrown for each. Nobody changes them. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

export const gatePass = once((): ReportData => gateReport({ canary: { ms: 51 }, old: GOOD, warmup: 20 }))
export const gateFail = once((): ReportData => gateReport({ canary: { ms: 61, failing: 0.02, slow: 0.02 }, old: GOOD, warmup: 20 }))
export const gateInvalid = (): ReportData => {
  const late = (slice: Slice): Slice => (slice.second >= 20 ? { ...slice, lag: [[900, slice.sent]] } : slice)
  const record = gateRecord({ canary: { ms: 51 }, old: GOOD, busyFrom: 20, tweak: late })
  return gateReport(
    { canary: GOOD },
    { ...record, discarded: [{ verdict: 'invalid', reason: 'the generator sent too late in 40 of 120 s' }] },
  )
}
export const gateUnsure = (): ReportData =>
  gateReport({ canary: { ms: 54 }, old: GOOD, seconds: 60, rate: 10, asked: ['p50 <= baseline + 10%', 'p95 <= baseline + 15%'] })

/** Nothing was ever answered nor offered. */
export function gateEmpty(): ReportData {
  return gateReport({ canary: GOOD }, gateRecord({ canary: GOOD, seconds: 0, asked: ['p95 < 300ms'] }))
}

export function commandRecord(): GateRecord {
  const report: GateReport = {
    ...{ gate: 'smoke', verdict: 'fail', reason: 'exit 1', stoppedBy: 'end', look: null, targets: [], warnings: [] },
    clauses: [
      {
        ...{ id: 'exit', clause: 'exit = 0', mode: 'gate', source: 'command', unit: 'exit', estimate: 1, low: null, high: null, bound: 0 },
        ...{ verdict: 'fail', look: null, sentence: './smoke.sh ended with 1: FAIL' },
      },
    ],
    validity: { sendLagP99Ms: null, cpu: null, maskedSeconds: 0, reasons: [] },
  }
  const evidence = {
    kind: 'command',
    run: './smoke.sh',
    exitCode: 1,
    signal: null,
    how: 'ended',
    output: ['GET /', 'expected 200, got 503'],
  } as const
  return { version: 1, gate: 'smoke', settingsHash: 'beef', discarded: [], evidence, report }
}

export function loadReport(of: {
  readonly targets: number
  readonly seconds: number
  readonly rate?: number
  readonly arm?: (target: number) => Arm
}): ReportData {
  const slices = Array.from({ length: of.targets }, (_, target) => {
    const arm = of.arm?.(target) ?? { ms: 20 + target * 3 }
    return runSlices({ seconds: of.seconds, rate: of.rate ?? 20, canary: arm, seed: target + 1 }).map((slice) => ({
      ...slice,
      target: `target-${target + 1}`,
    }))
  }).flat()
  return reportOfLoad(loadDocument(slices, of.seconds), loadAbout(of.targets), slices, samplesOf(of.seconds))
}

export function loadAbout(targets = 1): Parameters<typeof reportOfLoad>[1] {
  return {
    ...{ load: 'checkout', at: AT, rollgate: '0.1.0', warmupMs: 0, durationMs: 60_000, slowAboveMs: null },
    model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 20 }, arrivals: 'poisson' },
    urls: Array.from({ length: targets }, (_, index) => ({
      target: `target-${index + 1}`,
      url: `http://10.0.0.${index + 1}:3000/cart?token=s3cret`,
    })),
    words: ['checkout', '--rate', '20/s', '--duration', '60s'],
  }
}

export function loadDocument(slices: readonly Slice[], seconds: number): LoadDocument {
  return {
    ...{ version: 1, command: 'load', exitCode: 0, outcome: 'pass', verdict: 'pass', reason: 'every request was answered well' },
    ...{ run: '6240c5cf', seed: '6240c5cf', targets: summariseTargets(slices, seconds), clauses: [] },
    validity: { sendLagP99Ms: 1.2, cpu: 0.12, reasons: [] },
    ...{ warnings: [], measuredMs: seconds * 1_000, evidence: '/var/lib/state/6240c5cf.ndjson' },
  }
}

export function rolloutDocument(gates: readonly RolloutGate[], more: Partial<RolloutDocument> = {}): RolloutDocument {
  return {
    ...{ version: 1, command: 'deploy', exitCode: 7, outcome: 'rolled-back', rollout: '46430f00', release: 'r2-bbbbbbbb' },
    error: {
      code: 'E_GATE_FAILED',
      message: 'gate canary said no: canary p50 +21.4 % (20.1 to +22.8), allowed +10 %: FAIL at look 1 of 4, 30 s',
      hints: [],
    },
    hosts: ['web-1', 'web-2', 'web-3', 'web-4'].map((name, index) => ({
      ...{ name, from: 'r1-aaaaaaaa', to: index === 3 ? 'r1-aaaaaaaa' : 'r2-bbbbbbbb', phase: 'serving', durationMs: 12_300 * (index + 1) },
      ...(index === 2 ? { error: { code: 'E_UNHEALTHY', message: 'web-3 did not become healthy within 5.0 s: HTTP 500' } } : {}),
    })),
    probe: { sent: 1_203, failed: 2, worstGapMs: 340 },
    gates: gates.map(({ record, batch }) => ({
      name: record.gate,
      batch,
      verdict: record.report.verdict,
      clauses: record.report.clauses,
    })),
    ...{ minReadySeen: 3, durationMs: 93_000, next: ['rollgate status'] },
    ...more,
  }
}

export function rolloutReport(
  events: readonly Stamped<DurableEvent>[],
  gates: readonly RolloutGate[],
  more: Partial<RolloutDocument> = {},
): ReportData {
  return reportOfRollout(rolloutDocument(gates, more), {
    title: 'deploy r2-bbbbbbbb to shop (production)',
    name: 'deploy shop (production)',
    ...{ at: AT, by: 'ada@laptop', rollgate: '0.1.0', events, gates },
  })
}
