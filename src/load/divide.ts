// One load shared by several generators: arrivals are divided exactly, by the largest remainder, never sent by everyone;
// rows that may be used once are dealt out like cards. Pure.
import type { LoadData, LoadSettings, RateProfile } from '../domain/load.ts'
import type { Row } from './data.ts'
import { expectedUntil } from './profile.ts'
import { countOfArrivals } from './schedule.ts'

/** `whole` in `parts` integers whose sum it is, as equal as they can be. */
export function divide(whole: number, parts: number): readonly number[] {
  const least = Math.floor(whole / parts)
  return Array.from({ length: parts }, (_, part) => least + (part < whole - least * parts ? 1 : 0))
}

/** What each generator is asked to do. Together they have exactly the arrivals of the whole. */
export function divideSettings(settings: LoadSettings, durationMs: number, parts: number): readonly LoadSettings[] {
  const { model } = settings
  if (model.kind !== 'paced') throw new Error('only arrivals of a schedule can be divided')
  const whole = countOfArrivals({ profile: model.profile, arrivals: model.arrivals, durationMs })
  const caps = model.maxInFlight === undefined ? null : divide(model.maxInFlight, parts)
  return divide(whole, parts).map((count, part) => ({
    ...settings,
    model: {
      ...model,
      profile: scaled(model.profile, whole === 0 ? 1 / parts : count / whole, (count * 1000) / durationMs),
      ...(caps === null ? {} : { maxInFlight: Math.max(1, caps[part] ?? 1) }),
    },
  }))
}

/** For each generator: how many arrivals each segment has. Together exactly those of the whole, in every segment. */
export function divideSegments(
  { model }: LoadSettings,
  { durationMs, segmentsMs }: { readonly durationMs: number; readonly segmentsMs: readonly number[] },
  parts: number,
): readonly (readonly number[])[] {
  if (model.kind !== 'paced') throw new Error('only arrivals of a schedule can be divided')
  // By how many have come until each end: rounded over the whole run, as one generator rounds them.
  const until = segmentsMs.map((end) => divide(Math.round(expectedUntil(model.profile, end, durationMs)), parts))
  return Array.from({ length: parts }, (_, part) => until.map((shares, index) => (shares[part] ?? 0) - (until[index - 1]?.[part] ?? 0)))
}

/** @param perSecond of a constant rate: from the count itself, so that rounding it gives that count again */
function scaled(profile: RateProfile, share: number, perSecond: number): RateProfile {
  switch (profile.kind) {
    case 'constant':
      return { kind: 'constant', ratePerSecond: perSecond > 0 ? perSecond : profile.ratePerSecond * share }
    case 'ramp':
      return { kind: 'ramp', fromPerSecond: profile.fromPerSecond * share, toPerSecond: profile.toPerSecond * share }
    case 'steps':
      return { kind: 'steps', steps: profile.steps.map((step) => ({ ...step, ratePerSecond: step.ratePerSecond * share })) }
    case 'spike':
      return { ...profile, basePerSecond: profile.basePerSecond * share, peakPerSecond: profile.peakPerSecond * share }
    case 'sine':
      return { ...profile, meanPerSecond: profile.meanPerSecond * share, amplitudePerSecond: profile.amplitudePerSecond * share }
    default:
      return profile satisfies never
  }
}

/** Rows of one generator: its own where no other may have them, all of them else. */
export function rowsFor(rows: readonly Row[], order: LoadData['order'], part: number, parts: number): readonly Row[] {
  return order === 'once' || order === 'partition' ? rows.filter((_, index) => index % parts === part) : rows
}
