// A load gate decides on real hosts: the canary, out of rotation, against an old host that is taken out as its control, pair
// by pair, after both were calibrated. A release that is 20 % slower is healthy by every check and never reaches a second
// host; one that is 3 % slower passes, and the report says how much slower it is.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { GateExplainDocument, PlanDocument, RolloutDocument } from '../../src/domain/document.ts'
import { describeOnLab } from '../helpers/lab.ts'
import { fleet } from './helpers/fleet.ts'
import { MEASURES_MS } from './helpers/project.ts'
import { expectWhole, underLoad, useProject } from './helpers/suite.ts'

const TAKES = [40, 120] as const
const slower = (factor: number): [number, number] => [TAKES[0] * factor, TAKES[1] * factor]

describeOnLab('a load gate at the canary', (lab) => {
  const suite = useProject(lab, 'part2-gates')
  let old = ''

  beforeAll(async () => {
    suite.project.configure({
      loads: { visits: { rate: '100/s', duration: '20s..60s', warmup: '2s', requests: [{ get: '/work' }] } },
      gates: {
        canary: {
          load: 'visits',
          against: { baseline: 'drained-peer' },
          calibrate: '20s',
          pass: ['p50 <= baseline + 10%', 'errors < 1%'],
          confidence: { host_effect: '2%' },
          // A machine that other tests share sends late at times, and says so.
          on_invalid: { retry: 3 },
        },
      },
      rollout: { steps: [{ deploy: 1 }, { gate: 'canary' }, { deploy: '100%' }], min_ready: 2 },
    })
    suite.project.build('old', { kind: 'good', takes: [...TAKES] })
    const { document, exitCode, stderr } = await suite.project.json(['deploy'])
    expect(exitCode, stderr).toBe(0)
    old = String(document.release)
  })

  const told = (document: RolloutDocument, stderr: string): string => `${JSON.stringify(document.gates, null, 2)}\n${stderr.slice(-6_000)}`

  test('the plan shows the calibration, the gate and its control', async () => {
    suite.project.build('shown', { kind: 'good', takes: slower(1.01) })
    const { document, exitCode } = await suite.project.json<PlanDocument>(['plan'])
    expect(exitCode, JSON.stringify(document.refusals)).toBe(0)
    expect(document.hosts[0]?.steps).toEqual([
      expect.stringContaining('drain'),
      'calibrate for gate canary, an old host out of rotation as its control',
      expect.stringContaining('activate'),
      'restart',
      expect.stringContaining('healthy'),
      'gate canary, an old host out of rotation as its control',
      expect.stringContaining('enable'),
    ])
    expect(document.hosts[1]?.steps.join()).not.toContain('gate')
    expect(document.batches.map((batch) => batch.gate)).toEqual(['canary', undefined, undefined, undefined])
  })

  test('20 % slower never reaches a second host, exit 7, the interval in the error', { timeout: MEASURES_MS + 60_000 }, async () => {
    const before = await fleet(lab)
    suite.project.build('slow', { kind: 'good', takes: slower(1.2) })
    const { result, load, looked } = await underLoad(lab, () => suite.project.json(['deploy'], { measures: true }))
    const { document, exitCode, stderr, events } = result
    expect(exitCode, told(document, stderr)).toBe(7)
    expect(document).toMatchObject({
      outcome: 'rolled-back',
      error: { code: 'E_GATE_FAILED' },
      gates: [{ name: 'canary', verdict: 'fail' }],
    })
    expect(document.error?.message).toMatch(/canary p50 \+[\d.]+ % \(\+?[\d.]+ to \+?[\d.]+\), allowed \+10 %: FAIL/)
    const after = await expectWhole(lab, old)
    // One host got the new release and lost it again; nobody else was restarted.
    expect(after.filter((host, index) => host.pid !== before[index]?.pid)).toHaveLength(1)
    expect(
      events.flatMap((event) => (event.type === 'step.succeeded' && event.step.endsWith('/control') ? [event.host] : [])),
    ).toHaveLength(2)
    expect(load.failed, JSON.stringify(load.failures.slice(0, 3))).toBe(0)
    expect(looked.leastReady).toBeGreaterThanOrEqual(2)
  })

  test('3 % slower passes, goes to every host, and is said', { timeout: MEASURES_MS + 60_000 }, async () => {
    suite.project.build('near', { kind: 'good', takes: slower(1.03) })
    const { result, load } = await underLoad(lab, () => suite.project.json(['deploy', '--report', 'report'], { measures: true }))
    const { document, exitCode, stderr } = result
    expect(exitCode, told(document, stderr)).toBe(0)
    expect(document).toMatchObject({ outcome: 'succeeded', gates: [{ name: 'canary', verdict: 'pass' }] })
    await expectWhole(lab, String(document.release))
    expect(load.failed).toBe(0)
    const explained = await suite.project.json<GateExplainDocument>(['gate', 'explain', String(document.rollout)])
    expect(explained.document.gates).toMatchObject([{ gate: 'canary', verdict: 'pass', kept: 'pass', differences: [] }])
    const p50 = explained.document.gates[0]?.clauses.find((clause) => clause.clause.startsWith('p50'))
    expect(p50).toMatchObject({ mode: 'gate', unit: 'ratio', verdict: 'pass', low: expect.any(Number) })
    const { estimate, low, high } = p50 ?? {}
    // Three points either way are noise; a release that is taken for a faster one, or for one at the margin, is a wrong measurement.
    expect(estimate).toBeGreaterThan(-0.03)
    expect(estimate).toBeLessThan(0.09)
    expect(low).toBeLessThan(Number(estimate))
    // Slower is what it may be, and the margin is what it may not.
    expect(high).toBeGreaterThan(Math.max(0, Number(estimate)))
    expect(high).toBeLessThan(0.1)
    expect(p50?.sentence).toMatch(/^canary p50 (slower by [\d.]+|[+-]?[\d.]+) % \(.+ to .+\), allowed \+10 %: PASS at look \d/)
    // And said where people look: in the document and on the page, in the same words.
    const report = (name: string): string => readFileSync(join(suite.project.path, 'report', name), 'utf8')
    expect(JSON.parse(report('report.json'))).toMatchObject({
      gates: [
        {
          name: 'canary',
          verdict: 'pass',
          clauses: expect.arrayContaining([expect.objectContaining({ clause: p50?.clause, estimate, high })]),
        },
      ],
    })
    expect(report('report.html')).toContain(p50?.sentence)
  })

  test('without the gates, and with a reason, the slow one goes everywhere', async () => {
    suite.project.build('slow again', { kind: 'good', takes: slower(1.2) })
    expect(await suite.project.text(['deploy', '--skip-gates'])).toMatchObject({ exitCode: 2 })
    const { document, exitCode, stderr } = await suite.project.json(['deploy', '--skip-gates', '--reason', 'a known price'])
    expect(exitCode, stderr).toBe(0)
    expect(document.gates).toEqual([])
    expect(stderr).toContain('gates left out: canary (a known price)')
    await expectWhole(lab, String(document.release))
  })
})
