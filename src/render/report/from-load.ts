// The report of a load test alone, from its document and what was stored of it.
import type { LoadDocument } from '../../domain/document.ts'
import type { GeneratorSample, LoadModel } from '../../domain/load.ts'
import type { ReportData, ReportFact } from '../../domain/report.ts'
import type { Slice } from '../../domain/slice.ts'
import { warmupMarkers } from './from-slices.ts'
import { withoutQuery } from './words.ts'

/** What was asked for, as far as a document does not say it. */
export type LoadAbout = {
  /** Of the configuration; null: an address alone. */
  readonly load: string | null
  readonly at: string
  readonly rollgate: string
  readonly model: LoadModel
  readonly warmupMs: number
  readonly durationMs: number
  /** What was asked of each target: shown without its query. */
  readonly urls: readonly { readonly target: string; readonly url: string }[]
  /** Of a clause. */
  readonly slowAboveMs: number | null
  /** What comes after `rollgate load` to do the same again: words without secrets. */
  readonly words: readonly string[]
}

export function reportOfLoad(
  document: LoadDocument,
  about: LoadAbout,
  slices: readonly Slice[],
  samples: readonly GeneratorSample[],
): ReportData {
  const { verdict, reason, clauses, targets, validity, warnings, run, seed, measuredMs } = document
  const names = targets.map((target) => target.name)
  const compares = names.includes('canary') && names.includes('baseline')
  const measurement = {
    ...{ name: about.load === null ? 'load' : `load ${about.load}`, where: null, verdict, reason, clauses, targets, slices, samples },
    arms: compares ? { canary: ['canary'], old: ['baseline'] } : { canary: names, old: [] },
    timed: about.model.kind === 'closed' ? ('send' as const) : ('due' as const),
    markers: warmupMarkers(slices),
    slowAboveMs: about.slowAboveMs,
    look: null,
    stoppedBy: null,
    ...{
      measuredSeconds: Math.round(measuredMs / 1_000),
      counted: null,
      cold: null,
      capacity: document.capacity ?? null,
      startedAt: about.at,
    },
    validity: { ...validity, maskedSeconds: 0 },
    warnings,
    discarded: [],
    facts: [],
  }
  return {
    version: 1,
    kind: 'load',
    title: about.load === null ? 'load test' : `load ${about.load}`,
    name: about.load === null ? 'load' : `load ${about.load}`,
    id: run,
    at: about.at,
    durationMs: measuredMs + about.warmupMs,
    verdict,
    sentence: reason,
    rollgate: about.rollgate,
    facts: [...about.urls.map(({ target, url }) => fact(target, withoutQuery(url))), ...modelFacts(about), fact('seed', seed)],
    reproduce: [
      ['rollgate load', ...about.words].join(' '),
      ...(document.evidence === null ? [] : [`rollgate report ${run}   (this page, from the stored evidence)`]),
    ],
    measurements: [measurement],
    rollout: null,
  }
}

function modelFacts({ model, warmupMs, durationMs }: LoadAbout): readonly ReportFact[] {
  return [
    fact('model', modelWords(model)),
    ...(warmupMs > 0 ? [fact('warm-up', `${warmupMs / 1_000} s, not counted`)] : []),
    fact('asked for', `${durationMs / 1_000} s`),
  ]
}

export function modelWords(model: LoadModel): string {
  if (model.kind === 'closed') return `closed, ${model.connections} connections, each waits for its answer`
  const { profile, arrivals } = model
  const rate =
    profile.kind === 'constant'
      ? `${profile.ratePerSecond}/s`
      : profile.kind === 'ramp'
        ? `${profile.fromPerSecond}/s to ${profile.toPerSecond}/s`
        : profile.kind === 'spike'
          ? `${profile.basePerSecond}/s with a spike of ${profile.peakPerSecond}/s`
          : profile.kind === 'sine'
            ? `${profile.meanPerSecond}/s ± ${profile.amplitudePerSecond}/s`
            : profile.steps.map((step) => `${step.ratePerSecond}/s`).join(', ')
  return `open, ${rate} per target, ${arrivals} arrivals: latency counts from the moment a request was due`
}

const fact = (label: string, value: string): ReportFact => ({ label, value })
