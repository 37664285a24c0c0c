// The page as a file: what a browser would do with it is checked by its structure, so that no test needs a browser.
import { describe, expect, it } from 'vitest'
import { type DurableEvent, isDurable, type Stamped } from '../../../src/domain/event.ts'
import type { ReportData } from '../../../src/domain/report.ts'
import { reportPage } from '../../../src/render/report/page.ts'
import { histogramOf, slice } from '../gate/helpers.ts'
import { HOSTILE, recorded } from '../render/recorded.ts'
import * as samples from './samples.ts'

const rolledBack = (): readonly Stamped<DurableEvent>[] =>
  // isDurable has looked at the type; the filter cannot carry that through the stamp.
  recorded('rolled-back').filter((event) => isDurable(event)) as readonly Stamped<DurableEvent>[]

const rollout = samples.once((): ReportData => {
  const events = rolledBack()
  const record = samples.gateRecord({ canary: { ms: 61 }, old: samples.GOOD, seconds: 60 })
  return samples.rolloutReport(events, [
    { record, batch: 'canary', startedAt: events[0]?.at ?? null },
    { record: samples.commandRecord(), batch: 'batch 2', startedAt: null },
  ])
})

const PAGES: readonly (readonly [string, () => ReportData])[] = [
  ['a pass', samples.gatePass],
  ['a fail', samples.gateFail],
  ['an invalid run', samples.gateInvalid],
  ['one that cannot say', samples.gateUnsure],
  ['nothing at all', samples.gateEmpty],
  ['one load', () => samples.loadReport({ targets: 1, seconds: 30, arm: () => ({ ms: 20, failing: 0.1 }) })],
  [
    'a load that was never answered',
    () => samples.loadReport({ targets: 1, seconds: 10, arm: () => ({ ms: 20, failing: 1, as: 'refused' }) }),
  ],
  ['twenty targets', () => samples.loadReport({ targets: 20, seconds: 60 })],
  ['a rollout with two gates', rollout],
]

/** Every tag with its attributes' names, in order: what text can never add to. */
const skeleton = (html: string): readonly string[] =>
  [...html.replace(/<style>.*?<\/style>/s, '').matchAll(/<(\/?[a-z0-9!]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*>/gi)].map(
    ([, name, attributes = '']) =>
      `${name} ${[...attributes.matchAll(/([a-z-]+)(?:="[^"]*")?/gi)].map(([, attribute]) => attribute).join(' ')}`,
  )

describe('the page of a report', () => {
  it.each(PAGES)('of %s is one whole file that needs nothing from anywhere', (_, make) => {
    const html = reportPage(make())
    expect(html.startsWith('<!doctype html>\n<html lang="en">')).toBe(true)
    expect(html).toContain("default-src 'none'")
    expect(html).not.toMatch(/<script|<iframe|<img|<object|@import|url\(|javascript:|\bon[a-z]+=/i)
    // The only address in it would be one that was measured: no attribute asks for anything.
    expect(
      [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to).filter((to) => to !== 'data:,' && to?.startsWith('#') !== true),
    ).toEqual([])
    // Nothing that would be NaN on a chart, and every tag is closed.
    expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/)
    const open: string[] = []
    for (const [, slash, name = ''] of html.replace(/<style>.*?<\/style>/s, '').matchAll(/<(\/?)([a-z0-9]+)[^>]*?(?<!\/)>/gi)) {
      if (['meta', 'link'].includes(name)) continue
      if (slash === '') open.push(name)
      else expect(open.pop(), `</${name}>`).toBe(name)
    }
    expect(open).toEqual([])
    expect(html.length).toBeLessThan(400_000)
  })

  it('says the verdict first, in sign, word and sentence', () => {
    const fail = reportPage(samples.gateFail())
    expect(fail).toMatch(/<header class="fail">.*<h1><span class="sign" aria-hidden="true">✖<\/span> FAIL<\/h1>/s)
    expect(fail).toMatch(/<p class="sentence">canary errors 2\.\d %/)
    expect(reportPage(rollout())).toMatch(/<h1>.*ROLLED BACK<\/h1>\s*<p class="sentence">gate canary said no: canary p50 \+21\.4 %/)
  })

  it('shows each clause as an interval against its margin, and as numbers', () => {
    const html = reportPage(samples.gatePass())
    expect(html).toContain('limit +15 %')
    expect(html).toMatch(/<p class="said">canary p95 \+?[-\d.]+ % \([-+\d.]+ to [-+\d.]+\), allowed \+15 %: PASS at look \d of 4/)
    expect(html.match(/class="dot"/g)).toHaveLength(4)
    expect(html.match(/<tr><th scope="row"><code>/g)).toHaveLength(4)
  })

  it('puts steps of the deploy on the time axis, with their words below', () => {
    const html = reportPage(samples.gatePass())
    expect(html).toMatch(/<path class="mark restart" d="M57\.1 0V100"\/>/)
    expect(html).toContain('<li>8 s: web-1 restarted</li>')
    expect(html).toContain('measurement begins')
    // The warm-up is shaded.
    expect(html).toMatch(/<rect class="warm" x="0" y="0" width="142\.9"/)
  })

  it('breaks a line where a quantile falls on failures, and marks it', () => {
    const html = reportPage(samples.loadReport({ targets: 1, seconds: 20, arm: () => ({ ms: 20, failing: 0.5, as: 'reset' }) }))
    expect(html).toContain('it falls on a failure')
    expect(html).toMatch(/class="off c0"/)
    expect(html).toMatch(/<span class="key e0"><\/span>reset/)
  })

  it('says that a run that is not trusted is not, even where its clauses hold', () => {
    const html = reportPage(samples.gateInvalid())
    expect(html).toContain('The numbers cannot be trusted')
    expect(html).toContain('What these numbers would say if they could be trusted')
    expect(html).toContain('measured again: the attempt before was INVALID')
  })

  it('is under a megabyte for an hour of twenty targets, made in seconds', () => {
    const histogram = histogramOf(Array.from({ length: 60 }, (_, index) => 10 + index * 3))
    const slices = Array.from({ length: 20 }, (_, target) =>
      Array.from({ length: 3_600 }, (_, second) =>
        slice({
          ...{ target: `a-rather-long-name-of-a-target-${target}`, second, done: 58, failures: { status: 1, reset: 1 } },
          ...{ response: histogram, service: histogram },
        }),
      ),
    ).flat()
    const few = samples.loadReport({ targets: 1, seconds: 5 })
    const [measurement] = few.measurements
    if (measurement === undefined) throw new Error('one')
    const html = reportPage({
      ...few,
      measurements: [{ ...measurement, slices, samples: samples.samplesOf(3_600), arms: { canary: [], old: [] } }],
    })
    expect(html).toContain('all 20 targets')
    expect(Buffer.byteLength(html)).toBeLessThan(1_000_000)
  }, 60_000)

  it('is under a megabyte for a thousand hosts and many gates', () => {
    const base = rollout()
    const [gate] = base.measurements
    if (base.rollout === null || gate === undefined) throw new Error('a rollout with a gate')
    const [host] = base.rollout.hosts
    if (host === undefined) throw new Error('a host')
    const hosts = Array.from({ length: 1_000 }, (_, index) => ({ ...host, name: `web-${index}`, error: 'x'.repeat(2_000) }))
    const steps = hosts.flatMap(({ name }) =>
      Array.from({ length: 6 }, (_, index) => ({ second: index, host: name, label: 'y'.repeat(500), failed: false })),
    )
    const html = reportPage({ ...base, measurements: Array.from({ length: 60 }, () => gate), rollout: { ...base.rollout, hosts, steps } })
    expect(Buffer.byteLength(html)).toBeLessThan(1_000_000)
    expect(html).toContain('and 500 more hosts')
  })

  it.each(
    HOSTILE.concat('"><svg onload=alert(1)>', "' onmouseover='x", '</style><script>alert(1)</script>', '-->', '\u202e\u2066\u200fx\ufeff'),
  )('has no place where %j could be more than text', (text) => {
    const spoil = (data: ReportData, name: string): ReportData => spoiled(data, name)
    const [hostile, tame] = [reportPage(spoil(rollout(), text)), reportPage(spoil(rollout(), 'tame'))]
    // The very same tags and attributes, whatever the names are.
    expect(skeleton(hostile)).toEqual(skeleton(tame))
    expect(hostile).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]/)
    expect(hostile.match(/</g)?.length).toBe(tame.match(/</g)?.length)
  })

  it('shows no query of an address: a token may be in it', () => {
    const html = reportPage(samples.loadReport({ targets: 2, seconds: 5 }))
    expect(html).toContain('http://10.0.0.1:3000/cart?…')
    expect(html).not.toContain('s3cret')
  })
})

/** Every text of a report is this one. */
function spoiled(data: ReportData, text: string): ReportData {
  const spoil = (value: unknown, key: string): unknown => {
    if (typeof value === 'string') return KEPT.has(key) ? value : text
    if (Array.isArray(value)) return value.map((one) => spoil(one, key))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, spoil(own, name)]))
  }
  // The same shape with other texts; what decides the shape itself is kept.
  return spoil(data, '') as ReportData
}

/** Words of ours that decide what is drawn, and names that tie slices to arms. */
const KEPT = new Set([
  'verdict',
  'mode',
  'source',
  'unit',
  'stoppedBy',
  'kind',
  'at',
  'target',
  'canary',
  'old',
  'outcome',
  'host',
  'from',
  'to',
  'clause',
])
