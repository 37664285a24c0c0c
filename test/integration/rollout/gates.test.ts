// Gates of a rollout that people and machines answer: a rollout that waits lets go of its process and not of its state, is
// answered from another machine, and is interrupted while a gate measures. The real CLI on the sandbox.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { until } from '../sandbox/helpers.ts'
import { aFleet, type World } from './world.ts'

const PATIENCE = { timeout: 180_000 }

/** The sandbox's own configuration with this gate behind the canary. */
function withGate(world: World, gate: string): void {
  const { configFile } = world.project
  const steps = readFileSync(configFile, 'utf8').replace(/- deploy: 1 .*/, '- deploy: 1\n    - gate: g')
  writeFileSync(configFile, steps)
  appendFileSync(configFile, `\nloads:\n  visits: { rate: 20/s, duration: 3s, warmup: 0s, requests: [{ get: / }] }\ngates:\n  g: ${gate}\n`)
}

const releases = async (world: World): Promise<readonly string[]> => {
  const { document } = await world.run('bob', 'status')
  return (document.hosts as readonly { readonly release: string }[]).map((host) => host.release.replace(/-.*/, ''))
}

test(
  'a question to people: the rollout waits with exit 8, others are kept out, promote goes on from another machine',
  PATIENCE,
  async () => {
    const world = await aFleet(2)
    withGate(world, '{ approval: Ship it to everyone? }')
    const paused = await world.run('ada', 'deploy')
    expect(paused, paused.stderr).toMatchObject({
      exitCode: 8,
      document: { outcome: 'paused', gates: [{ name: 'g', verdict: 'inconclusive' }] },
    })
    expect(await releases(world)).toEqual(['r2', 'r1'])
    expect(await world.run('bob', 'deploy')).toMatchObject({ exitCode: 10 })
    const promoted = await world.run('bob', 'promote')
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
    expect(await releases(world)).toEqual(['r2', 'r2'])
  },
)

test(
  'a gate of a host that cannot be trusted, where the policy is to wait: the canary stays out until somebody says yes; and nobody loads a stranger unasked',
  PATIENCE,
  async () => {
    const world = await aFleet(2)
    // Somebody else's address, and data that are not there: it is asked about, and gets nothing.
    const load = 'nothing: { rate: 20/s, duration: 3s, data: { d: { csv: none.csv } }, requests: [{ get: "/{{ d.id }}" }] }'
    withGate(
      world,
      '{ load: nothing, at: "http://192.0.2.2", when: isolated, pass: [errors < 20%], on_invalid: { retry: 0, then: pause } }',
    )
    const { configFile } = world.project
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace('\nloads:\n', `\nloads:\n  ${load}\n`))
    const unasked = await world.run('ada', 'deploy')
    expect(unasked, unasked.stderr).toMatchObject({ exitCode: 2, document: { outcome: 'refused', error: { code: 'E_ANSWER_NEEDED' } } })
    expect(await world.status('web-1')).toBe('UP')
    const paused = await world.run('ada', 'deploy', '--yes')
    expect(paused, paused.stderr).toMatchObject({
      exitCode: 8,
      document: { outcome: 'paused', gates: [{ batch: 'isolated', verdict: 'invalid' }] },
    })
    expect(await world.status('web-1')).toBe('MAINT')
    expect(await world.status('web-2')).toBe('UP')
    const status = await world.run('bob', 'status')
    expect(status.document.unfinished).toMatchObject({ phase: expect.stringContaining('paused') })
    expect(await world.run('bob', 'resume')).toMatchObject({ exitCode: 2, document: { error: { code: 'E_ANSWER_NEEDED' } } })
    const promoted = await world.run('bob', 'promote', '--yes')
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
    expect(await releases(world)).toEqual(['r2', 'r2'])
  },
)

test('a command that says no takes everything back with exit 7, with what it said', PATIENCE, async () => {
  const world = await aFleet(2)
  withGate(
    world,
    '{ command: "echo the smoke test saw a blank page; exit 3" }\n' +
      '  tail: { load: visits, against: { baseline: in-rotation }, pass: [slow <= baseline + 5pp], on_invalid: { retry: 0 } }\n' +
      '  most: { load: visits, against: { baseline: drained-peer }, pass: [capacity >= 50% of baseline] }',
  )
  const traffic = world.traffic()
  const result = await world.run('ada', 'deploy')
  expect(result, result.stderr).toMatchObject({ exitCode: 7, document: { outcome: 'rolled-back', error: { code: 'E_GATE_FAILED' } } })
  expect(result.stderr).toContain('exit 3')
  expect(await releases(world)).toEqual(['r1', 'r1'])
  expect(await traffic.stop()).toMatchObject({ failed: 0 })
  // By hand, of hosts that serve and were never calibrated: nothing is sent for what could not be judged.
  expect(await world.run('ada', 'gate', 'tail')).toMatchObject({
    exitCode: 11,
    document: {
      ...{ reason: expect.stringContaining('never calibrated'), targets: [] },
      error: { hints: expect.arrayContaining([expect.stringContaining('rollgate gate calibrate tail')]) },
    },
  })
  expect(await world.run('ada', 'gate', 'most')).toMatchObject({
    exitCode: 3,
    document: { error: { message: expect.stringContaining('only a rollout takes them out'), now: 'nothing was sent' } },
  })
})

test('what the restarts lost is a clause: none lost passes, and the probe must have looked', PATIENCE, async () => {
  const world = await aFleet(2, {}, true)
  await world.project.setProbe(true)
  withGate(world, '{ load: visits, at: balancer, pass: [restart.lost = 0, errors < 30%], on_invalid: { retry: 3 } }')
  const result = await world.run('ada', 'deploy')
  expect(result, result.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded', gates: [{ name: 'g', verdict: 'pass' }] } })
  const [gate] = result.document.gates as readonly {
    readonly clauses: readonly { readonly clause: string; readonly source: string; readonly sentence: string }[]
  }[]
  expect(gate?.clauses[0]).toMatchObject({ clause: 'restart.lost = 0', source: 'probe', verdict: 'pass' })
})

test('a restart that loses requests fails the gate, and the sentence says after which step they were lost', PATIENCE, async () => {
  const world = await aFleet(2, {}, true)
  await world.project.setProbe(true)
  withGate(world, '{ load: visits, at: balancer, pass: [restart.lost = 0], on_invalid: { retry: 3 } }')
  // Nobody takes the host out of rotation before it is restarted: its app dies at once on SIGTERM, and is away until the new one
  // listens. The probe alone would allow for that.
  const { configFile } = world.project
  const text = readFileSync(configFile, 'utf8')
    .replace(/^balancer:\n( .*\n)+/m, 'balancer: { kind: none }\n')
    .replace(/(probe: .* rate: 20\/s) \}/, '$1, max_failed: 10000 }')
    .replace(/(probe: .* rate: )20/, '$1100')
  writeFileSync(configFile, text)
  const result = await world.run('ada', 'deploy')
  expect(result, result.stderr).toMatchObject({
    exitCode: 7,
    document: {
      outcome: 'rolled-back',
      error: { code: 'E_GATE_FAILED' },
      gates: [{ name: 'g', verdict: 'fail', clauses: [{ clause: 'restart.lost = 0', source: 'probe', verdict: 'fail' }] }],
    },
  })
  const lost = /\d+ requests? lost \([a-z, ]+\) \d+ ms after the restart of web-1 began: the drain was too short/
  const [gate] = result.document.gates as readonly {
    readonly clauses: readonly { readonly estimate: number; readonly sentence: string }[]
  }[]
  expect(gate?.clauses[0]?.estimate).toBeGreaterThan(0)
  expect(gate?.clauses[0]?.sentence).toMatch(/FAIL .*\d+ requests? lost \([a-z, ]+\)/)
  expect(result.stderr).toMatch(/probe: 1 request lost \(/)
  expect(JSON.stringify((result.document.probe as { readonly losses: unknown }).losses)).toMatch(lost)
  expect(await releases(world)).toEqual(['r1', 'r1'])
})

test('Ctrl-C while a gate measures ends it at once; the rollout is whole, and resume measures afresh', PATIENCE, async () => {
  const world = await aFleet(2)
  withGate(world, '{ command: "[ -f go ] || sleep 120" }')
  const started = world.start('ada', 'deploy')
  await until(() => started.events().some((event) => event.type === 'batch.done'))
  started.child.kill('SIGINT')
  const ended = await started.ended
  expect(ended, ended.stderr).toMatchObject({ exitCode: 130, document: { outcome: 'cancelled' } })
  expect(await world.status('web-1')).toBe('UP')
  writeFileSync(`${world.project.directory}/go`, '')
  const resumed = await world.run('bob', 'resume')
  expect(resumed, resumed.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
  expect(await releases(world)).toEqual(['r2', 'r2'])
})

test.runIf(process.env.ROLLGATE_FULL === '1')(
  'hosts that serve are calibrated together before the push, and every later comparison has what it needs of them',
  PATIENCE,
  async () => {
    const world = await aFleet(4, {}, true)
    const { configFile } = world.project
    const steps = readFileSync(configFile, 'utf8').replace(/- deploy: 1 .*/, '- deploy: 1\n    - deploy: 2\n    - gate: g')
    writeFileSync(configFile, steps)
    appendFileSync(
      configFile,
      '\nloads:\n  visits: { rate: 30/s, duration: 60s, warmup: 3s, requests: [{ get: / }] }\n' +
        'gates:\n  g: { load: visits, against: { baseline: in-rotation }, pass: [p50 <= baseline + 50%], on_invalid: { retry: 3 }, on_inconclusive: { then: pass } }\n',
    )
    const result = await world.run('ada', 'deploy')
    expect(result, `${JSON.stringify(result.document.refusals)}\n${result.stderr}`).toMatchObject({
      exitCode: 0,
      document: { outcome: 'succeeded' },
    })
    expect(result.stderr).toContain('4 hosts: 30 s')
    expect(result.stderr).toContain('gate g: web-1, web-2 against web-4, web-3')
    expect(result.stderr).not.toContain('no calibration')
  },
)
