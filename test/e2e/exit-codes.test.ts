// Scripts decide by the exit code, so it may not depend on how the outcome is shown: every outcome of the table in
// failure-semantics.md is reached on real hosts, once as text and once as `--json`, and both must exit alike.
import { expect, test } from 'vitest'
import type { BaseDocument } from '../../src/domain/document.ts'
import { describeOnLab, type Lab } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { emptyFleet } from './helpers/fleet.ts'
import { servers } from './helpers/haproxy.ts'
import { type Settings, usualSettings } from './helpers/project.ts'
import type { Variant } from './helpers/release.ts'
import { deployed, useProject } from './helpers/suite.ts'

type Case = {
  readonly exitCode: number
  readonly outcome: string
  readonly name: string
  readonly words: readonly string[]
  /** Written over the usual settings. */
  readonly settings?: (lab: Lab) => Settings
  /** A new build for each of the two runs. */
  readonly variant?: Variant
}

const soon = (lab: Lab): object => ({ ...(usualSettings(lab).health as object), deadline: '5s' })
const rollout = (lab: Lab, over: object): object => ({ ...(usualSettings(lab).rollout as object), ...over })

const CASES: readonly Case[] = [
  { exitCode: 0, outcome: 'succeeded', name: 'a deploy', words: ['deploy'], variant: { kind: 'good' } },
  { exitCode: 0, outcome: 'unchanged', name: 'the same deploy', words: ['deploy'] },
  { exitCode: 0, outcome: 'ok', name: 'status', words: ['status'] },
  { exitCode: 2, outcome: 'refused', name: 'a configuration with a problem', words: ['deploy'], settings: () => ({ helth: {} }) },
  { exitCode: 2, outcome: 'failed', name: 'a flag that is not there', words: ['status', '--colour'] },
  {
    exitCode: 3,
    outcome: 'refused',
    name: 'an artifact that is not there',
    words: ['deploy'],
    settings: () => ({ artifact: { path: 'nowhere' } }),
  },
  {
    exitCode: 3,
    outcome: 'refused',
    name: 'a build that fails',
    words: ['deploy'],
    settings: () => ({ artifact: { path: 'dist', build: 'exit 7' } }),
    variant: { kind: 'good' },
  },
  {
    exitCode: 4,
    outcome: 'refused',
    name: 'a host that refuses the connection',
    words: ['deploy'],
    settings: (lab) => ({ hosts: { ...(usualSettings(lab).hosts as object), h9: { address: lab.hosts[0]?.address, port: 2222 } } }),
    variant: { kind: 'good' },
  },
  {
    exitCode: 5,
    outcome: 'rolled-back',
    name: 'a release that answers 500',
    words: ['deploy'],
    settings: (lab) => ({ health: soon(lab) }),
    variant: { kind: 'error' },
  },
  {
    exitCode: 6,
    outcome: 'partial',
    name: 'one that does so on the second host, with on_failure: halt',
    words: ['deploy'],
    settings: (lab) => ({ health: soon(lab), rollout: rollout(lab, { on_failure: 'halt' }) }),
    variant: { kind: 'error', only: 'h2' },
  },
  {
    exitCode: 7,
    outcome: 'rolled-back',
    name: 'a probe that sees failures',
    words: ['deploy'],
    settings: (lab) => ({ rollout: rollout(lab, { probe: { url: `http://${lab.hosts[0]?.address}:8080/healthz`, rate: '20/s' } }) }),
    variant: { kind: 'good' },
  },
  {
    exitCode: 8,
    outcome: 'paused',
    name: 'an approval that nobody gives',
    words: ['deploy', '--yes'],
    settings: (lab) => ({ rollout: rollout(lab, { steps: [{ deploy: 1 }, { approve: 'Ship it?' }, { deploy: '100%' }] }) }),
    variant: { kind: 'good' },
  },
  { exitCode: 9, outcome: 'ok', name: 'a plan with changes', words: ['plan', '--detailed-exitcode'], variant: { kind: 'good' } },
  { exitCode: 12, outcome: 'failed', name: 'a command that fails on a host', words: ['exec', '--hosts', 'h1', '--', 'false'] },
]

/** Fewer hosts, so that the many rollouts here are short. */
const twoHosts = (lab: Lab): object =>
  Object.fromEntries(
    Object.entries(usualSettings(lab).hosts as object).filter(([name]) => !lab.hosts.slice(2).some((host) => host.name === name)),
  )

describeOnLab('text and --json exit alike', (lab) => {
  const suite = useProject(lab, 'exit-codes')
  let builds = 0
  let whole = false

  /** On a fleet that is whole on some release; made anew after what leaves it otherwise. */
  const attempt = async ({ words, settings, variant, exitCode }: Case, as: 'text' | 'json') => {
    const { project } = suite
    builds += 1
    if (!whole) {
      await emptyFleet(lab)
      project.configure({ hosts: twoHosts(lab) })
      await deployed(project, `start ${builds}`)
    }
    whole = exitCode !== 6 && exitCode !== 8
    project.configure({ hosts: twoHosts(lab), ...settings?.(lab) })
    if (variant !== undefined) project.build(`build ${builds}`, variant)
    return as === 'json' ? project.json<BaseDocument>(words) : { ...(await project.text(words)), document: null }
  }

  test.each(CASES)('$exitCode $outcome: $name', async (row) => {
    const text = await attempt(row, 'text')
    const json = await attempt(row, 'json')
    const told = JSON.stringify({ text: text.stderr.slice(-3000), document: json.document, stderr: json.stderr.slice(-2000) }, null, 2)
    expect({ text: text.exitCode, json: json.exitCode }, told).toEqual({ text: row.exitCode, json: row.exitCode })
    expect(json.document, told).toMatchObject({ version: 1, exitCode: row.exitCode, outcome: row.outcome })
    if (row.exitCode !== 0 && row.exitCode !== 9) expect(text.stderr.trim()).not.toBe('')
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s in the middle: exit %i, and nobody is left out of rotation', async (signal, exitCode) => {
    const { project } = suite
    await emptyFleet(lab)
    whole = false
    project.configure({ hosts: twoHosts(lab) })
    await deployed(project, 'first')
    project.build(`interrupted by ${signal}`)
    const started = project.start(['deploy'])
    await until('a host is being drained', () => started.events().some((event) => event.type === 'step.started'))
    started.kill(signal)
    const ended = await started.ended
    expect(ended.exitCode, ended.stderr).toBe(exitCode)
    expect((await servers(lab)).filter((server) => server.status.startsWith('MAINT') || server.status.startsWith('DRAIN'))).toEqual([])
  })
})
