// Whose machine may be loaded, and how hard: the rule, and that every command goes through it. Nothing is sent anywhere: a
// stranger is asked about before, and what may be sent to one fails by its data, which are not there.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import { gate } from '../../../src/app/gate.ts'
import { planGates } from '../../../src/app/gates/planning.ts'
import { type LoadOptions, load as runLoad } from '../../../src/app/load.ts'
import {
  heldEngine,
  heldLoad,
  isStranger,
  ownAddresses,
  permit,
  permitGates,
  spared,
  strangerOf,
  unheld,
  unheldEngine,
} from '../../../src/app/strangers.ts'
import type { Config } from '../../../src/domain/config.ts'
import type { EngineSettings, EngineTool } from '../../../src/domain/engine.ts'
import type { RateProfile } from '../../../src/domain/load.ts'
import { paced, settings } from '../../helpers/load.ts'
import { load, plus } from '../config/helpers.ts'

type Context = Parameters<typeof permit>[2]

/** A person who says the same to everything; null: nobody is there. */
function person(answer: boolean | null, yes = false): Context & { readonly asked: string[] } {
  const asked: string[] = []
  const confirm = async (question: string) => {
    asked.push(question)
    return answer === true
  }
  const ask = answer === null ? null : ({ confirm } as NonNullable<Context['ask']>)
  return { asked, ask, flags: { yes }, control: { asked: new AbortController().signal } as Context['control'] }
}

const there = [new URL('http://192.0.2.2/')]

async function configOf(more: string): Promise<Config> {
  return (await load(plus(more))).config
}

describe('a stranger', () => {
  test.each<[string, boolean]>([
    ['http://127.0.0.1:8080/', false],
    ['http://localhost/', false],
    ['http://[::1]:1/', false],
    ['http://192.0.2.1:9/', false],
    ['http://[2001:db8::1]/', false],
    ['http://WEB-2.example.com/', false],
    ['https://shop.example.com/x', false],
    ['http://192.0.2.2/', true],
    ['http://127.evil.test/', true],
    ['http://[2001:db8::2]/', true],
  ])('%s: %s', async (url, expected) => {
    const own = ownAddresses({
      hosts: [{ address: '192.0.2.1' }, { address: '2001:db8::1' }, { address: 'web-2.example.com' }],
      rollout: { probe: { url: 'https://shop.example.com/healthz' } },
    } as unknown as Config)
    expect(isStranger(new URL(url), own)).toBe(expected)
  })

  test('without a configuration nobody but this machine is known', () => {
    expect([isStranger(new URL('http://127.0.0.1/'), null), isStranger(new URL('http://192.0.2.1/'), null)]).toEqual([false, true])
  })

  test('is asked about once; --yes answers; nobody to ask, or a no, sends nothing', async () => {
    const willing = person(true)
    await permit([...there, ...there], null, willing)
    expect(willing.asked).toEqual(['192.0.2.2 is not this machine. May load be sent there?'])
    await expect(permit(there, null, person(false))).rejects.toMatchObject({ code: 'E_REFUSED' })
    await expect(permit(there, null, person(null))).rejects.toMatchObject({ code: 'E_ANSWER_NEEDED', hints: ['--yes answers it'] })
    await permit(there, null, person(null, true))
    await permit([], 'anything', person(null))
  })

  test('gets nothing that has no rate, whatever --yes says, and nobody is asked first', async () => {
    for (const context of [person(true), person(true, true)]) {
      await expect(permit(there, unheld({ kind: 'closed' }), context)).rejects.toMatchObject({
        code: 'E_USAGE',
        message: expect.stringContaining('held to 50/s, and connections send as fast as they are answered'),
        hints: [expect.stringContaining('--rate 50/s'), expect.any(String)],
      })
      expect(context.asked).toEqual([])
    }
    const can = (tool: EngineTool, compares: boolean) => unheldEngine({ tool }, compares) === null
    expect([can('vegeta', false), can('k6', true), can('k6', false), can('locust', false), can('jmeter', false)]).toEqual([
      ...[true, true, false, false, false],
    ])
  })
})

describe('what a stranger bears', () => {
  const quiet = () => undefined

  test.each<[RateProfile]>([
    [{ kind: 'constant', ratePerSecond: 300 }],
    [{ kind: 'ramp', fromPerSecond: 10, toPerSecond: 60 }],
    [{ kind: 'sine', meanPerSecond: 40, amplitudePerSecond: 20, periodMs: 1000 }],
  ])('is 50/s at most: %j', (profile) => {
    const asked = settings({ model: { kind: 'paced', profile, arrivals: 'poisson' } })
    expect(heldLoad(asked).model).toMatchObject({ profile: { kind: 'constant', ratePerSecond: 50 } })
  })

  test('is what was asked for where that is less, and an engine is held like our own', () => {
    const asked = paced(50)
    expect(heldLoad(asked)).toBe(asked)
    const engine = { ratePerSecond: 500 } as EngineSettings
    expect(heldEngine(engine).ratePerSecond).toBe(50)
  })

  test('is lifted by --rate, and said otherwise', () => {
    const said: string[] = []
    const emit: Parameters<typeof spared>[3] = (event) => void said.push(String('message' in event ? event.message : ''))
    const asked = paced(300)
    expect(spared(asked, heldLoad, { isForeign: false, rateGiven: false }, emit)).toBe(asked)
    expect(spared(asked, heldLoad, { isForeign: true, rateGiven: true }, emit)).toBe(asked)
    expect(said).toEqual([])
    for (const rateGiven of [false, null])
      expect(spared(asked, heldLoad, { isForeign: true, rateGiven }, emit).model).toMatchObject({ profile: { ratePerSecond: 50 } })
    expect(said).toEqual([
      'held to 50/s: the target is not of this configuration, and no --rate was given',
      'held to 50/s: the target is not of this configuration',
    ])
    expect(spared(asked, heldLoad, { isForeign: false, rateGiven: null }, quiet)).toBe(asked)
  })
})

describe('a gate at a URL', () => {
  const FILE = [
    'loads:',
    '  fast: { rate: 300/s, duration: 60s, requests: [{ get: / }] }',
    '  closed: { connections: 5, requests: [{ get: / }] }',
    '  swarm: { engine: { locust: a.py } }',
    '  attack: { engine: { vegeta: a.txt, rate: 300/s } }',
    'gates:',
    '  g: { load: fast, at: "http://192.0.2.2", pass: [errors < 5%] }',
    '  c: { load: closed, at: "http://192.0.2.2", pass: [errors < 5%] }',
    '  s: { load: swarm, at: "http://192.0.2.2", pass: [errors < 5%] }',
    '  v: { load: attack, at: "http://192.0.2.2", pass: [errors < 5%] }',
    '  own: { load: closed, at: "http://127.0.0.1:1", pass: [errors < 5%] }',
    '',
  ].join('\n')

  test('of a stranger is asked about, refused where it has no rate, and planned with 50/s', async () => {
    const config = await configOf(FILE)
    const gates = Object.values(config.gates)
    expect(gates.filter((gate) => strangerOf(config, gate) !== null).map(({ name }) => name)).toEqual(['g', 'c', 's', 'v'])
    await expect(permitGates(config, ['own', 'g'], person(null))).rejects.toMatchObject({ code: 'E_ANSWER_NEEDED' })
    await expect(permitGates(config, ['g', 'c'], person(true, true))).rejects.toMatchObject({ code: 'E_USAGE' })
    await permitGates(config, ['own'], person(null))
    const willing = person(true)
    await permitGates(config, ['g', 'v'], willing)
    expect(willing.asked).toHaveLength(1)
    const planned = Object.fromEntries(planGates(config, ['g', 'c', 's', 'v', 'own'], new Map()).map((one) => [one.gate, one]))
    for (const name of ['c', 's']) expect(planned[name]?.problems.join()).toContain('held to 50/s')
    for (const name of ['g', 'v']) expect(planned[name]?.warnings.join()).toContain('held to 50/s')
    expect([...(planned.own?.problems ?? []), ...(planned.own?.warnings ?? [])].join()).not.toContain('50/s')
  })

  test('is planned with the rate that it is held to', async () => {
    const config = await configOf(FILE.replace('pass: [errors < 5%]', 'pass: [errors < 0.05%]'))
    // 300/s for 60 s would be 18,000 requests, enough; 50/s are 3,000.
    expect(planGates(config, ['g'], new Map())[0]?.problems.join()).toContain('at 50/s')
  })
})

describe('every command', () => {
  const URL_THERE = 'http://192.0.2.2/'
  const NEVER = new AbortController().signal

  /** A project of its own, whose loads have no data, and whose tool only says how it was called. */
  async function project(yes: boolean) {
    const cwd = await mkdtemp(join(tmpdir(), 'rollgate-strangers-'))
    onTestFinished(() => rm(cwd, { recursive: true, force: true }))
    const tool = join(cwd, 'vegeta')
    await writeFile(tool, '#!/bin/sh\necho "$@" >> "$(dirname "$0")/words"\nexit 1\n', { mode: 0o755 })
    await writeFile(join(cwd, 'targets.txt'), 'GET {{ target }}/\n')
    const rows = 'data: { items: { csv: missing.csv } }, requests: [{ get: "/{{ items.id }}" }]'
    const of = (load: string) => `{ load: ${load}, at: "${URL_THERE}", pass: [errors < 50%], on_invalid: { retry: 0 } }`
    await writeFile(
      join(cwd, 'rollgate.yml'),
      plus(
        [
          'loads:',
          `  paced: { rate: 300/s, duration: 10s, ${rows} }`,
          `  closed: { connections: 5, duration: 10s, ${rows} }`,
          `  attack: { engine: { vegeta: targets.txt, rate: 300/s, command: ${JSON.stringify(tool)} }, duration: 1s }`,
          '  swarm: { engine: { locust: a.py } }',
          `gates: { paced: ${of('paced')}, closed: ${of('closed')}, attack: ${of('attack')}, swarm: ${of('swarm')} }`,
          '',
        ].join('\n'),
      ),
    )
    const said: string[] = []
    const context: AppContext = {
      flags: { json: true, yes, input: false, verbose: false, quiet: true },
      ...{ cwd, env: { HOME: cwd, PATH: process.env.PATH }, version: '0', ask: null, signal: NEVER, stdout: () => undefined },
      renderers: [{ on: (event) => void said.push('message' in event ? String(event.message) : ''), end: async () => undefined }],
      control: { wish: null, because: null, asked: NEVER, hurry: NEVER },
    }
    return { context, said, words: join(cwd, 'words') }
  }

  const url = URL_THERE
  const LOADS: readonly LoadOptions[] = [
    { url },
    { url: 'http://127.0.0.1:1/', against: url },
    { url, findCapacity: {} },
    { url, from: ['web-1'] },
    { name: 'paced', url },
    { name: 'paced', url, from: ['web-1'] },
    { name: 'closed', url, ratePerSecond: 10 },
    { name: 'closed', url, findCapacity: {} },
    { name: 'attack', url },
  ]

  test('that loads a stranger asks, and sends nothing where nobody answers', async () => {
    const { context } = await project(false)
    for (const options of LOADS)
      await expect(runLoad(options, context), JSON.stringify(options)).rejects.toMatchObject({ code: 'E_ANSWER_NEEDED' })
    for (const name of ['paced', 'attack']) await expect(gate({ name }, context), name).rejects.toMatchObject({ code: 'E_ANSWER_NEEDED' })
  })

  test('refuses what has no rate to be held to, --yes or not', async () => {
    const { context } = await project(true)
    const wild: readonly LoadOptions[] = [
      { url, connections: 2 },
      { name: 'paced', url, connections: 2 },
      { name: 'closed', url },
      { name: 'swarm', url },
    ]
    for (const options of wild) await expect(runLoad(options, context), JSON.stringify(options)).rejects.toMatchObject({ code: 'E_USAGE' })
    for (const name of ['closed', 'swarm']) await expect(gate({ name }, context), name).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  test('holds the rest to 50/s, which only --rate lifts', async () => {
    const { context, said, words } = await project(true)
    const held = async (options: LoadOptions): Promise<string> => {
      said.length = 0
      await runLoad(options, context).catch(() => undefined)
      return said.join('\n')
    }
    expect(await held({ name: 'paced', url })).toMatch(/held to 50\/s[\s\S]*: 50\/s for 10 s on/)
    expect(await held({ name: 'paced', url, ratePerSecond: 300 })).toMatch(/^load \w+: 300\/s for 10 s on/)
    expect(await held({ name: 'paced', url, findCapacity: {} })).toContain('Up to 50/s')
    expect(await held({ name: 'paced', url, findCapacity: {}, ratePerSecond: 80 })).toContain('Up to 80/s')
    said.length = 0
    expect(await gate({ name: 'paced' }, context)).toMatchObject({ verdict: 'invalid' })
    expect(said.join('\n')).toContain('held to 50/s')
    await held({ name: 'attack', url })
    expect(await gate({ name: 'attack' }, context)).toMatchObject({ verdict: 'invalid' })
    const called = (await readFile(words, 'utf8')).split('\n').filter((line) => line.startsWith('attack'))
    expect(called.map((line) => /-rate=(\S+)/.exec(line)?.[1])).toEqual(['3000/1m', '3000/1m'])
  })
})
