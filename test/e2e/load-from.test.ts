// Load from other hosts, and on one host's own app, on real machines: generators over SSH, targets by their own address and
// through HAProxy, a generator that is killed, one whose network is cut. Counted by HAProxy, never by us. The quick form has one
// of each kind; all of them with ROLLGATE_FULL=1.
import { beforeAll, expect, test } from 'vitest'
import type { CheckDocument, GateDocument, LoadDocument, PlanDocument } from '../../src/domain/document.ts'
import { describeOnLab, inHost, labDo, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { servers } from './helpers/haproxy.ts'
import { usualSettings } from './helpers/project.ts'
import { deployed, underLoad, useProject } from './helpers/suite.ts'

const FULL = process.env.ROLLGATE_FULL === '1'

describeOnLab('load on hosts and from hosts', (lab) => {
  const suite = useProject(lab, 'load-from')
  const [target = { name: 'none', address: '' }, generator = { name: 'none', address: '' }] = lab.hosts
  const entry = `http://${lab.balancer.address}/work`
  const load = (...words: string[]) => suite.project.json<LoadDocument>(['load', ...words])
  const balanced = async () => (await servers(lab)).reduce((sum, { requests }) => sum + requests, 0)
  /** Processes of ours there, by the words of their command. */
  const agents = async () => Number((await inHost(generator.name, "pgrep -fc 'Buffer.alloc\\(0\\)' || true")).stdout.trim())

  beforeAll(async () => {
    await deployed(suite.project, 'first')
  })

  test.runIf(FULL)('a host is loaded at its own address, which our SSH connection proves to be its', async () => {
    const { document, stderr } = await load('--at', target.name, '--rate', '40/s', '--duration', '3s')
    expect(document.targets, stderr).toMatchObject([{ name: 'target', offered: 120, done: 120, errors: {} }])
    expect(stderr).toContain(`${target.name}, directly`)
  })

  test('from another host, on a host and through the balancer: exactly the asked number, and nothing is left there', async () => {
    const direct = await load('--at', target.name, '--from', generator.name, '--rate', '100/s', '--duration', '3s')
    expect(direct.document.targets, direct.stderr).toMatchObject([{ offered: 300, done: 300, errors: {} }])
    expect(direct.stderr).toContain(`from ${generator.name}`)
    const before = await balanced()
    const from = lab.hosts.map(({ name }) => name).join(',')
    const through = await load('--url', entry, '--from', from, '--rate', '101/s', '--duration', '3s', '--yes')
    expect(through.document.targets, through.stderr).toMatchObject([{ offered: 303, done: 303, errors: {} }])
    expect((await balanced()) - before).toBe(303)
    expect(await agents()).toBe(0)
    const left = await inHost(generator.name, 'find /tmp /home/deploy -newer /proc/1 -name "*rollgate-generator*"')
    expect(left.stdout).toBe('')
  })

  test.runIf(FULL)('a generator that is killed makes the run INVALID, and nothing is sent any more', async () => {
    const started = suite.project.start([
      'load',
      '--url',
      entry,
      '--from',
      generator.name,
      '--rate',
      '50/s',
      '--duration',
      '120s',
      '--yes',
      '--json',
    ])
    const before = await balanced()
    await until('load comes', async () => (await balanced()) > before + 60)
    await inHost(generator.name, "pkill -KILL -f 'Buffer.alloc\\(0\\)'")
    const { exitCode, stdout } = await started.ended
    expect(exitCode).toBe(11)
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'invalid', reason: expect.stringMatching(/^the generator on .* was lost/) })
    expect(await agents()).toBe(0)
  })

  test('a generator whose network to us is cut stops by itself, and the run is INVALID', async () => {
    const started = suite.project.start([
      'load',
      '--url',
      entry,
      '--from',
      generator.name,
      '--rate',
      '50/s',
      '--duration',
      '120s',
      '--yes',
      '--json',
    ])
    const before = await balanced()
    await until('load comes', async () => (await balanced()) > before + 60)
    // Only the operator's side: it goes on reaching what it loads.
    const client = lab.balancer.address.replace(/\d+$/, '2')
    await mustInHost(generator.name, `ip route add blackhole ${client}/32`)
    try {
      await until('it has ended itself', async () => (await agents()) === 0)
      const count = await balanced()
      const { exitCode, stdout } = await started.ended
      expect(exitCode).toBe(11)
      expect(JSON.parse(stdout)).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('was lost') })
      // Nothing came after its end; and it was never 120 seconds of load.
      expect(await balanced()).toBe(count)
      expect(count - before).toBeLessThan(50 * 60)
    } finally {
      await mustInHost(generator.name, `ip route del blackhole ${client}/32`)
    }
  })

  test('a target is refused as its own generator, by name and by address; in the full form: a host that is down is an error before anything is sent', async () => {
    const byName = await load('--at', target.name, '--from', target.name, '--duration', '1s')
    expect(byName.document.error?.code).toBe('E_USAGE')
    const byAddress = await load('--url', `http://${target.address}:8080/work`, '--from', target.name, '--duration', '1s', '--yes')
    expect(byAddress.document.error).toMatchObject({ code: 'E_LOAD', host: target.name })
    if (!FULL) return
    await labDo('kill', generator.name)
    try {
      const before = await balanced()
      const down = await load('--url', entry, '--from', generator.name, '--duration', '1s', '--yes')
      expect(down.exitCode).toBe(4)
      expect(await balanced()).toBe(before)
    } finally {
      await labDo('boot', generator.name)
      await until('it serves again', async () => (await servers(lab)).every(({ status }) => status === 'UP'))
    }
  })

  test.runIf(FULL)('what a host was found to take warns in plan and check while more comes in than the others carry', async () => {
    const found = await load(
      '--at',
      target.name,
      '--find-capacity',
      '--rate',
      '20/s',
      '--max',
      '20/s',
      '--duration',
      '3s',
      '--threshold',
      'errors < 5%',
      // A tenth of it may be this machine's own delay: it is busy.
      '--threshold',
      'p95 < 5s',
    )
    expect(found.document.capacity, found.stderr).toMatchObject({ ratePerSecond: 20, atLeast: true })
    suite.project.build('second')
    const quiet = await suite.project.json<PlanDocument>(['plan'])
    expect(quiet.document.warnings ?? []).toEqual([])
    const { result } = await underLoad(lab, async () => ({
      plan: await suite.project.json<PlanDocument>(['plan']),
      check: await suite.project.json<CheckDocument>(['check']),
    }))
    const carried = 20 * (lab.hosts.length - 1)
    expect(result.plan.document.warnings).toEqual([
      expect.stringMatching(new RegExp(`carr(y|ies) about ${carried} requests/s, and \\d+/s come in now$`)),
    ])
    expect(result.check.document.items).toContainEqual(expect.objectContaining({ id: 'capacity', level: 'warning' }))
  })

  test.runIf(FULL)('the configuration may say from where, and a host that only sends is never deployed to', async () => {
    const settings = usualSettings(lab)
    const hosts = settings.hosts as Record<string, Record<string, unknown>>
    suite.project.configure({
      hosts: { ...hosts, [generator.name]: { ...hosts[generator.name], roles: ['generator'] } },
      loads: { work: { rate: '50/s', from: [generator.name], duration: '2s..2s', warmup: '0s..0s', requests: [{ get: '/work' }] } },
      gates: { smoke: { load: 'work', at: 'canary', when: 'serving', pass: ['errors < 20%'] } },
    })
    const { document, stderr } = await load('work', '--url', `http://${lab.balancer.address}/`)
    expect(document.targets, stderr).toMatchObject([{ offered: 100, done: 100 }])
    const plan = await suite.project.json<PlanDocument>(['plan'])
    expect(plan.document.hosts.map(({ name }) => name)).not.toContain(generator.name)
    const before = await balanced()
    const gate = await suite.project.json<GateDocument>(['gate', 'smoke', '--canary', target.name])
    expect(gate.document.targets, `${gate.stdout}${gate.stderr}`).toMatchObject([{ name: target.name, errors: {} }])
    expect(gate.document.targets[0]?.done).toBeGreaterThanOrEqual(100)
    expect(gate.stdout).not.toContain('null ms')
    expect(await balanced()).toBe(before)
    suite.project.configure()
  })
})
