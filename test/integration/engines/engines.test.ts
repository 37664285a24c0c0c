// Load tools that are installed here, run by us against a server that counts: what the import says beside what the server saw.

import { readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EngineSettings } from '../../../src/domain/engine.ts'
import { DEFAULT_CONFIDENCE } from '../../../src/domain/gate.ts'
import { type EngineOptions, runEngine } from '../../../src/drivers/engine/run.ts'
import { judgeImport } from '../../../src/gate/imports.ts'
import { ownFolder } from '../../helpers/folders.ts'
import { loadTool, missing } from '../../helpers/load-tools.ts'
import { clauses } from '../../unit/load/imports/helpers.ts'

vi.setConfig({ testTimeout: 120_000 })

/** How long each release takes. */
const delays = { new: 20, old: 20 }
const fails = { every: 20 }
const seen = { requests: 0, failed: 0, byHost: new Map<string, number>() }
let server: Server
let site = ''
let folder = ''
beforeAll(async () => {
  folder = await ownFolder()
  server = createServer((request, response) => {
    seen.requests += 1
    const arm = request.url?.startsWith('/old') === true ? 'old' : 'new'
    seen.byHost.set(arm, (seen.byHost.get(arm) ?? 0) + 1)
    if (seen.requests % fails.every === 0) {
      seen.failed += 1
      response.statusCode = 500
    }
    setTimeout(() => response.end('ok'), delays[arm])
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // It listens on a port.
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  seen.requests = 0
  seen.failed = 0
  seen.byHost.clear()
})

async function scriptOf(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

const settingsOf = (tool: EngineSettings['tool'], path: string, command: string, more: Partial<EngineSettings> = {}): EngineSettings => ({
  ...{ name: 'big', tool, path, command, args: [], workers: 0, ratePerSecond: null, duration: { atLeastMs: 3_000, atMostMs: 3_000 } },
  ...more,
})

const run = (settings: EngineSettings, more: Partial<EngineOptions> = {}) =>
  runEngine({
    ...{ settings, target: site, against: null, env: process.env, signal: new AbortController().signal },
    ...{ clauses: clauses('errors < 50%'), confidence: DEFAULT_CONFIDENCE },
    ...more,
  })

/** What was under way when it ended reached the server, and is in no result: at most one request of each user. */
function expectCounted(reading: { readonly requests: number; readonly failures: number }, users: number): void {
  expect(reading.requests).toBeLessThanOrEqual(seen.requests)
  expect(reading.requests).toBeGreaterThanOrEqual(seen.requests - users)
  expect(reading.failures).toBeLessThanOrEqual(seen.failed)
  expect(reading.failures).toBeGreaterThanOrEqual(seen.failed - users)
}

const leftovers = async (): Promise<readonly string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith('rollgate-engine-'))

const vegeta = loadTool('vegeta')
describe.skipIf(vegeta === null)(`vegeta${missing('vegeta', vegeta)}`, () => {
  const settings = async (more: Partial<EngineSettings> = {}) =>
    settingsOf('vegeta', await scriptOf('targets.txt', 'GET {{ target }}/a\n\nGET {{ target }}/b\n'), vegeta ?? '', {
      ratePerSecond: 40,
      ...more,
    })

  test('sends what was asked for, and its result is what the server counted', async () => {
    const before = await leftovers()
    const { reading, evidence, exitCode } = await run(await settings())
    expect(exitCode).toBe(0)
    expect({ requests: reading.requests, failures: reading.failures }).toEqual({ requests: seen.requests, failures: seen.failed })
    expect(seen.requests).toBe(120)
    expect(evidence).toMatchObject({ format: 'vegeta', level: 'A', distrust: [] })
    expect(judgeImport('big', evidence).verdict).toBe('pass')
    expect(await leftovers()).toEqual(before)
  })

  test('two releases at once are told apart', async () => {
    const path = await scriptOf('pair.txt', 'GET {{ target }}/x\n')
    const { evidence } = await run(await settings({ path }), { target: `${site}/new`, against: `${site}/old` })
    expect(evidence.capabilities.hasArms).toBe(true)
    const of = (target: string) => evidence.slices.filter((slice) => slice.target === target).reduce((sum, slice) => sum + slice.offered, 0)
    expect([of('canary'), of('baseline')]).toEqual([seen.byHost.get('new'), seen.byHost.get('old')])
  })

  const isFull = process.env.ROLLGATE_FULL === '1'
  test.skipIf(!isFull)(
    `an equal release passes and one that is 30 % slower fails, by the requests of vegeta${isFull ? '' : ' (SKIPPED: only with ROLLGATE_FULL=1)'}`,
    async () => {
      fails.every = Number.POSITIVE_INFINITY
      const path = await scriptOf('ab.txt', 'GET {{ target }}/x\n')
      const more = { path, ratePerSecond: 60, duration: { atLeastMs: 75_000, atMostMs: 75_000 } }
      const judged = async (newMs: number) => {
        delays.new = newMs
        const { evidence } = await run(await settings(more), {
          ...{ target: `${site}/new`, against: `${site}/old`, clauses: clauses('p50 <= baseline + 10%') },
          confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' },
        })
        return judgeImport('big', evidence)
      }
      const [equal, slower] = [await judged(delays.old), await judged(delays.old * 1.3)]
      delays.new = delays.old
      fails.every = 20
      expect([equal.verdict, slower.verdict], `${equal.reason}; ${slower.reason}`).toEqual(['pass', 'fail'])
    },
    400_000,
  )

  test('an interrupt ends it at once, with everything it started', async () => {
    const stop = new AbortController()
    const running = run(await settings({ duration: { atLeastMs: 60_000, atMostMs: 60_000 } }), { signal: stop.signal })
    await vi.waitFor(() => expect(seen.requests).toBeGreaterThan(3), { timeout: 30_000 })
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED' })
    const after = seen.requests
    // Nobody is left to send: a new request would be the first of the next half second.
    await new Promise((done) => setTimeout(done, 500))
    expect(seen.requests).toBe(after)
  })

  test('a list of targets that it refuses is no measurement, and its own words say why', async () => {
    const { evidence } = await run(await settings({ path: await scriptOf('bad.txt', 'FETCH nowhere\n') }))
    expect(judgeImport('big', evidence).verdict).toBe('invalid')
    expect(evidence.distrust.join()).toMatch(/vegeta said: .*bad/)
  })
})

/** A machine that is too busy starts Locust so late that its load is too short, and then it is INVALID: measured again. */
async function untilLongEnough(measure: () => ReturnType<typeof run>): ReturnType<typeof run> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await measure()
    if (attempt === 4 || !found.evidence.distrust.some((reason) => reason.startsWith('it ended after'))) return found
    seen.requests = 0
    seen.failed = 0
  }
}

const locust = loadTool('locust')
describe.skipIf(locust === null)(`Locust${missing('locust', locust)}`, () => {
  const script = (more = ''): string => `
import os, signal
from locust import FastHttpUser, task, constant_throughput, events
class Shop(FastHttpUser):
    wait_time = constant_throughput(10)
    @task
    def page(self):
        self.client.get("/page")
${more}
`
  const settings = async (name: string, text: string, more: Partial<EngineSettings> = {}) =>
    settingsOf('locust', await scriptOf(name, text), locust ?? '', { args: ['-u', '4', '-r', '4'], ...more })

  test('alone: its result is what the server counted', async () => {
    const one = await settings('one.py', script())
    const { reading, evidence, exitCode } = await untilLongEnough(() => run(one))
    expect(seen.requests).toBeGreaterThan(0)
    expectCounted(reading, 4)
    // Locust says 1 for failed requests: the clauses judge those.
    expect(exitCode).toBe(reading.failures > 0 ? 1 : 0)
    expect(evidence.distrust).toEqual([])
  })

  test('with workers of its own', async () => {
    const two = await settings('two.py', script(), { workers: 2 })
    const { reading, evidence } = await untilLongEnough(() => run(two))
    expectCounted(reading, 4)
    expect(evidence.distrust).toEqual([])
    expect(judgeImport('big', evidence).verdict).toBe('pass')
  })

  test('with every worker dead it says 0, and we say invalid', async () => {
    const dies = `
@events.init.add_listener
def later(environment, **kwargs):
    import gevent
    from locust.runners import WorkerRunner
    if isinstance(environment.runner, WorkerRunner):
        gevent.spawn_later(2.5, lambda: os.kill(os.getpid(), signal.SIGKILL))
`
    const { evidence } = await run(await settings('dies.py', script(dies), { workers: 2 }))
    expect(judgeImport('big', evidence).verdict).toBe('invalid')
    expect(evidence.distrust.join()).toContain('2 of 2 workers of locust were killed')
  })

  test('a script that is broken is no measurement, and leaves no worker behind', async () => {
    const { evidence, exitCode } = await run(await settings('broken.py', 'this is no python\n', { workers: 2 }))
    expect(exitCode).not.toBe(0)
    expect(judgeImport('big', evidence).verdict).toBe('invalid')
    expect(seen.requests).toBe(0)
  })
})

const jmeter = loadTool('jmeter')
describe.skipIf(jmeter === null)(`JMeter${missing('jmeter', jmeter)}`, () => {
  /** Two threads, each with 30 requests. */
  const plan = `<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="2.8"><hashTree>
<TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="plan" enabled="true"><elementProp name="TestPlan.user_defined_variables" elementType="Arguments"><collectionProp name="Arguments.arguments"/></elementProp></TestPlan>
<hashTree>
<ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="users" enabled="true">
 <stringProp name="ThreadGroup.on_sample_error">continue</stringProp>
 <elementProp name="ThreadGroup.main_controller" elementType="LoopController"><boolProp name="LoopController.continue_forever">false</boolProp><stringProp name="LoopController.loops">30</stringProp></elementProp>
 <stringProp name="ThreadGroup.num_threads">2</stringProp><stringProp name="ThreadGroup.ramp_time">0</stringProp>
</ThreadGroup><hashTree>
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="page" enabled="true">
 <elementProp name="HTTPsampler.Arguments" elementType="Arguments"><collectionProp name="Arguments.arguments"/></elementProp>
 <stringProp name="HTTPSampler.path">\${__P(rollgate.target)}/page</stringProp>
 <stringProp name="HTTPSampler.method">GET</stringProp><boolProp name="HTTPSampler.use_keepalive">true</boolProp>
</HTTPSamplerProxy><hashTree/></hashTree></hashTree></hashTree></jmeterTestPlan>
`

  test('its result is what the server counted, and its exit code shows that it is whole', async () => {
    const { reading, evidence, exitCode } = await run(settingsOf('jmeter', await scriptOf('shop.jmx', plan), jmeter ?? ''))
    expect(exitCode).toBe(0)
    expect(seen.requests).toBe(60)
    expect({ requests: reading.requests, failures: reading.failures }).toEqual({ requests: 60, failures: seen.failed })
    expect(evidence).toMatchObject({
      format: 'jmeter',
      level: 'A',
      distrust: [],
      capabilities: { isClosedModel: true, canCountErrors: true },
    })
  })

  test('a plan that is none is no measurement', async () => {
    const { evidence } = await run(settingsOf('jmeter', await scriptOf('none.jmx', '<no plan>'), jmeter ?? ''))
    expect(judgeImport('big', evidence).verdict).toBe('invalid')
    expect(seen.requests).toBe(0)
  })
})

describe('whatever the tool', () => {
  test('a program that is not there is said by name', async () => {
    const path = await scriptOf('t.txt', 'GET {{ target }}/\n')
    await expect(run(settingsOf('vegeta', path, 'no-such-program-here', { ratePerSecond: 1 }))).rejects.toMatchObject({
      code: 'E_LOAD',
      message: expect.stringContaining('no-such-program-here cannot be started'),
    })
  })

  test('a script that is not there, and a comparison that the tool cannot make', async () => {
    await expect(run(settingsOf('k6', join(folder, 'nowhere.js'), 'k6'))).rejects.toMatchObject({ code: 'E_LOAD' })
    const path = await scriptOf('p.jmx', '')
    await expect(run(settingsOf('jmeter', path, 'jmeter'), { against: site })).rejects.toMatchObject({ code: 'E_LOAD' })
  })

  test('a program that does nothing, and one that fails, are no measurement', async () => {
    const path = await scriptOf('plan.jmx', '')
    for (const command of ['true', 'false']) {
      const { evidence } = await run(settingsOf('jmeter', path, command))
      expect(judgeImport('big', evidence).verdict).toBe('invalid')
      expect(evidence.distrust.join()).toContain('results.jtl: there is no such file')
    }
  })
})
