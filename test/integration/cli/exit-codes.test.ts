// Every outcome of the table in docs/scripting.md, by real commands on a sandbox of real shells behind real SSH and a
// balancer: as text and with --json the same exit code, and the document fits its schema.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../../src/sandbox/fleet.ts'
import { type DemoProject, writeDemoProject } from '../../../src/sandbox/project.ts'
import { aPlace, bothWays, documentOf, type Place, run, start } from './cli.ts'

type Fleet = { readonly sandbox: Sandbox; readonly project: DemoProject; readonly place: Place; stop(): Promise<void> }

async function aFleet(hosts: number): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), 'rollgate-exit-'))
  const sandbox = await startSandbox({ hosts, directory, signal: new AbortController().signal })
  const project = await writeDemoProject(join(directory, 'project'), sandbox)
  await project.setProbe(false)
  const home = aPlace()
  const fleet = {
    sandbox,
    project,
    place: { ...home, directory: project.directory },
    async stop() {
      await sandbox.stop()
      home.remove()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  change(fleet, (text) => text.replace('healthy_for: 1s', 'healthy_for: 200ms'))
  return fleet
}

/** Edits the project's rollgate.yml. */
function change(fleet: Fleet, edit: (text: string) => string): void {
  writeFileSync(fleet.project.configFile, edit(readFileSync(fleet.project.configFile, 'utf8')))
}

/** Another rollgate.yml beside it, for one command. */
function variant(fleet: Fleet, name: string, edit: (text: string) => string): readonly [string, string] {
  const before = readFileSync(fleet.project.configFile, 'utf8')
  const after = edit(before)
  expect(after).not.toBe(before)
  writeFileSync(join(fleet.project.directory, name), after)
  return ['-c', name]
}

// Rollouts on the lab's real hosts show the same (test/e2e: exit-codes, commands, part3-operator); where there is no lab, and in
// the long form, they run here too.
const onLab = process.env.ROLLGATE_FULL !== '1' && process.platform === 'linux' && process.getuid?.() === 0
const testWithoutLab = (name: string, work: () => Promise<void>) =>
  test.skipIf(onLab)(onLab ? `${name} (on the lab: test/e2e; here with ROLLGATE_FULL=1)` : name, work)

const events = (text: string): readonly { readonly type: string; readonly seq: number }[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('a fleet that works', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await aFleet(2)
  })
  afterAll(() => fleet.stop())
  const cli = (args: readonly string[], expected: Parameters<typeof bothWays>[2]) => bothWays(args, fleet.place, expected)

  test('deploy: succeeded, 0; and again: unchanged, 0', async () => {
    const first = await run(['deploy', '--events', 'events.ndjson', '--json'], fleet.place)
    expect(first.code, first.stderr).toBe(0)
    const document = documentOf(first)
    expect(document).toMatchObject({ outcome: 'succeeded', hosts: [{ phase: 'serving' }, { phase: 'serving' }], minReadySeen: 0 })
    const told = events(readFileSync(join(fleet.place.directory, 'events.ndjson'), 'utf8'))
    expect(told.map((event) => event.seq)).toEqual(told.map((_, index) => index + 1))
    expect(told.map((event) => event.type)).toEqual(expect.arrayContaining(['rollout.opened', 'step.succeeded', 'rollout.closed']))
    await cli(['deploy'], { code: 0, outcome: 'unchanged' })
  })

  test('--events -: the events are on stdout, and what people read is on stderr', async () => {
    const { code, stdout, stderr } = await run(['restart', '--events', '-'], fleet.place)
    expect(code, stderr).toBe(0)
    expect(events(stdout).at(-1)?.seq).toBe(events(stdout).length)
    expect(stderr).toContain('succeeded')
  })

  test('plan: 0, and with --detailed-exitcode 9 when something would change', async () => {
    await cli(['plan', '--detailed-exitcode'], { code: 0, outcome: 'ok' })
    await fleet.project.setVersion('v2', 'good')
    await cli(['plan'], { code: 0, outcome: 'ok' })
    const { document, text } = await cli(['deploy', '--dry-run', '--detailed-exitcode', '--out', 'plan.json'], { code: 9, outcome: 'ok' })
    expect(document.hosts).toHaveLength(2)
    expect(text.stdout).toContain('web-1')
    expect(JSON.parse(readFileSync(join(fleet.place.directory, 'plan.json'), 'utf8'))).toMatchObject({ version: 1, intent: 'deploy' })
  })

  test('deploy --plan: a stored plan is carried out, and refused with 3 when it is stale', async () => {
    const done = await run(['deploy', '--plan', 'plan.json', '--json'], fleet.place)
    expect(done.code, done.stderr).toBe(0)
    await cli(['deploy', '--plan', 'plan.json'], { code: 3, error: 'E_PLAN_STALE', outcome: 'refused' })
    writeFileSync(join(fleet.place.directory, 'bad.json'), '{"version":1')
    await cli(['deploy', '--plan', 'bad.json'], { code: 2, error: 'E_USAGE', outcome: 'refused' })
  })

  test('status, check, releases, history: 0', async () => {
    const { document } = await cli(['status'], { code: 0, outcome: 'ok' })
    expect(document).toMatchObject({ hosts: [{ health: 'healthy' }, { health: 'healthy' }], unfinished: null, drift: [] })
    const checked = await cli(['check'], { code: 0, outcome: 'ok' })
    expect(checked.document.items).toEqual(expect.arrayContaining([expect.objectContaining({ id: 'ssh', level: 'ok', host: 'web-1' })]))
    await cli(['releases'], { code: 0, outcome: 'ok' })
    await cli(['history'], { code: 0, outcome: 'ok' })
  })

  test('exec: the words arrive as they are; 12 when the command fails on a host, 0 when not', async () => {
    const words = ['$(id)', 'a b', '"', "it's", '*', '--json', 'a b']
    const { document, text } = await cli(['exec', '--hosts', 'web-1', '--', 'printf', '%s\\n', ...words], { code: 0, outcome: 'ok' })
    expect(document).toMatchObject({ hosts: [{ name: 'web-1', exitCode: 0, stdout: `${words.join('\n')}\n` }] })
    expect(text.stdout).toBe(words.map((word) => `web-1 | ${word}\n`).join(''))
    await cli(['exec', '--', 'false'], { code: 12, error: 'E_EXEC_FAILED', outcome: 'failed' })
    await cli(['exec', '--', 'no-such-program'], { code: 12, error: 'E_EXEC_FAILED', outcome: 'failed' })
  })

  testWithoutLab('drain and enable: 0, and the balancer says so', async () => {
    await cli(['drain', 'web-2'], { code: 0, outcome: 'ok' })
    const { document } = await cli(['status'], { code: 0 })
    expect(JSON.stringify(document.drift)).toContain('web-2')
    const enabled = await cli(['enable', 'web-2'], { code: 0, outcome: 'ok' })
    expect(enabled.document).toMatchObject({ host: 'web-2', balancer: [{ state: 'ready', health: 'up' }] })
    await cli(['drain', 'web-7'], { code: 2, error: 'E_USAGE' })
  })

  test('logs: 0', async () => {
    await cli(['logs', '--lines', '5'], { code: 0, outcome: 'ok' })
  })

  test('logs -f ends well with Ctrl-C', async () => {
    const slow = variant(fleet, 'follow.yml', (text) => text.replace(/ {2}logs:.*/, '  logs: echo first; sleep 600'))
    const started = start(['logs', '-f', ...slow], fleet.place)
    await expect.poll(() => started.stdout(), { timeout: 120_000 }).toContain('first')
    started.child.kill('SIGINT')
    expect((await started.ended).code).toBe(0)
  })

  testWithoutLab('push: 0, and its release is deployed by name', async () => {
    await fleet.project.setVersion('v3', 'good')
    const { document } = await cli(['push'], { code: 0, outcome: 'ok' })
    const before = await run(['status', '--json'], fleet.place)
    expect(JSON.stringify(documentOf(before).hosts)).not.toContain(String(document.release))
    const deployed = await run(['deploy', '--release', String(document.release), '--json'], fleet.place)
    expect(documentOf(deployed)).toMatchObject({ outcome: 'succeeded', release: document.release })
    await cli(['deploy', '--release', 'r999-00000000'], { code: 3, error: 'E_NO_RELEASE', outcome: 'refused' })
  })

  test('rollback: 0', async () => {
    const { code, stderr } = await run(['rollback', '--json'], fleet.place)
    expect(code, stderr).toBe(0)
  })

  test('an artifact that is not there: refused, 3', async () => {
    await cli(['deploy', '--artifact', 'nowhere'], { code: 3, error: 'E_ARTIFACT', outcome: 'refused' })
    await cli(['plan', '--artifact', 'nowhere'], { code: 3, error: 'E_ARTIFACT', outcome: 'failed' })
  })

  test('a host that is not known: 2', async () => {
    await cli(['deploy', '--hosts', 'web-1,web-9'], { code: 2, error: 'E_USAGE', outcome: 'refused' })
    await cli(['status', '--roles', 'worker'], { code: 2, error: 'E_USAGE' })
  })

  testWithoutLab('nobody can be reached: 4, nothing changed', async () => {
    // Port 1 of loopback: nobody listens there.
    writeFileSync(join(fleet.place.directory, 'gone_config'), 'Host *\n  HostName 127.0.0.1\n  Port 1\n  User demo\n')
    const gone = variant(fleet, 'gone.yml', (text) => text.replace('config: ssh_config', 'config: gone_config'))
    for (const [command, outcome] of [
      ['deploy', 'refused'],
      ['status', 'failed'],
      ['check', 'failed'],
      ['push', 'failed'],
    ] as const)
      await cli([command, ...gone], { code: 4, ...(await codeOf(command)), outcome })
    await cli(['exec', ...gone, '--', 'true'], { code: 4, error: 'E_UNREACHABLE', outcome: 'failed' })
    async function codeOf(command: string): Promise<{ readonly error: string }> {
      return { error: command === 'deploy' || command === 'push' ? 'E_CONNECT_REFUSED' : 'E_UNREACHABLE' }
    }
  })

  testWithoutLab('a release that answers 500: undone, 5', async () => {
    await fleet.project.setVersion('v4', 'error')
    const quick = variant(fleet, 'quick.yml', (text) => text.replace('deadline: 6s', 'deadline: 2s'))
    const { document, text } = await cli(['deploy', ...quick, '--report', 'report'], {
      code: 5,
      error: 'E_UNHEALTHY',
      outcome: 'rolled-back',
    })
    expect(document.error).toMatchObject({ host: 'web-1' })
    expect(text.stderr).toContain('HTTP 500')
    const page = readFileSync(join(fleet.place.directory, 'report/report.html'), 'utf8')
    expect(page).toMatch(/<h1>.*ROLLED BACK<\/h1>/)
    expect(page).toContain('back: enabled')
    // The error's last word is true: the page can be made again.
    const again = /Log {3}rollgate report ([0-9a-f]{8})/.exec(text.stderr)?.[1] ?? ''
    const made = await run(['report', again, '--out', 'again.html', '--json'], fleet.place)
    expect(documentOf(made)).toMatchObject({ id: again, kind: 'rollout', verdict: 'fail', file: join(fleet.place.directory, 'again.html') })
    expect(readFileSync(join(fleet.place.directory, 'again.html'), 'utf8')).toMatch(/<h1>.*ROLLED BACK<\/h1>/)
    await fleet.project.setVersion('v5', 'good')
  })

  testWithoutLab('a probe that loses requests: undone, 7', async () => {
    const probed = variant(fleet, 'probed.yml', (text) => `${text}  probe: { url: "http://127.0.0.1:1/", rate: 50/s }\n`)
    await cli(['deploy', ...probed], { code: 7, error: 'E_PROBE_FAILED', outcome: 'rolled-back' })
  })

  testWithoutLab('halted half-way: partial, 6', async () => {
    const port = fleet.sandbox.hosts[0]?.appPort
    const halt = variant(fleet, 'halt.yml', (text) =>
      text.replace('rollout:', 'rollout:\n  on_failure: halt').replace('deadline: 6s', 'deadline: 2s'),
    )
    /** A release that starts on web-1 only: the canary is on it, and stays. */
    const half = async (version: string): Promise<void> => {
      await fleet.project.setVersion(version, 'good')
      const script = join(fleet.project.directory, 'app/bin/start')
      writeFileSync(script, readFileSync(script, 'utf8').replace('set -eu', `set -eu\n[ "$PORT" = ${port} ] || exit 1`))
    }
    await half('v7')
    const text = await run(['deploy', ...halt], fleet.place)
    expect(text.code, text.stderr).toBe(6)
    expect(text.stderr).toContain('web-2')
    await half('v8')
    const json = await run(['deploy', ...halt, '--json'], fleet.place)
    expect(json.code, json.stderr).toBe(6)
    const document = documentOf(json)
    expect(document).toMatchObject({ outcome: 'partial', next: expect.arrayContaining([expect.stringContaining('rollgate')]) })
    await fleet.project.setVersion('v9', 'good')
    expect((await run(['deploy'], fleet.place)).code).toBe(0)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s while it builds: cancelled, %i, nothing changed', async (signal, code) => {
    const slow = variant(fleet, 'slow.yml', (text) => text.replace('artifact:', 'artifact:\n  build: "echo building; sleep 600"'))
    for (const json of [[], ['--json']]) {
      const started = start(['deploy', '--rebuild', '--verbose', ...slow, ...json], fleet.place)
      await expect.poll(() => started.stderr(), { timeout: 120_000 }).toContain('building')
      started.child.kill(signal)
      const ended = await started.ended
      expect([ended.code, ended.signal], ended.stderr).toEqual([code, null])
      if (json.length > 0) expect(documentOf(ended)).toMatchObject({ outcome: 'cancelled' })
    }
  })
})

describe('a rollout that waits for a person', () => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await aFleet(2)
    change(fleet, (text) => text.replace('    - deploy: 50%', '    - approve: Ship to everyone?'))
    expect((await run(['deploy', '--json'], fleet.place)).code).toBe(8)
    expect((await run(['promote'], fleet.place)).code).toBe(0)
    await fleet.project.setVersion('v2', 'good')
  })
  afterAll(() => fleet.stop())

  testWithoutLab('paused, 8; whoever comes meanwhile: locked, 10; taken back, 0', async () => {
    for (const json of [[], ['--json']]) {
      const paused = await run(['deploy', '--yes', ...json], fleet.place)
      expect(paused.code, paused.stderr).toBe(8)
      if (json.length > 0) expect(documentOf(paused)).toMatchObject({ outcome: 'paused' })
      if (json.length === 0) {
        for (const command of ['deploy', 'rollback', 'restart'])
          await bothWays([command], fleet.place, { code: 10, error: 'E_LOCKED', outcome: 'refused' })
        const { document } = await bothWays(['status'], fleet.place, { code: 0 })
        expect(JSON.stringify(document.unfinished)).toContain('rollgate abort')
      }
      const aborted = await run(['abort', ...json], fleet.place)
      expect(aborted.code, aborted.stderr).toBe(0)
    }
    await bothWays(['promote'], fleet.place, { code: 3, error: 'E_REFUSED', outcome: 'refused' })
    await bothWays(['resume'], fleet.place, { code: 0, outcome: 'unchanged' })
  })

  testWithoutLab('SIGTERM while a host is in hand: it is finished first, and undone where the policy says so, 143', async () => {
    const undo = variant(fleet, 'undo.yml', (text) =>
      text.replace('rollout:', 'rollout:\n  on_interrupt: undo').replace('healthy_for: 200ms', 'healthy_for: 3s'),
    )
    for (const json of [[], ['--json']]) {
      const before = documentOf(await run(['status', '--json'], fleet.place))
      const started = start(['deploy', ...undo, ...json], fleet.place)
      await expect.poll(() => started.stderr(), { timeout: 120_000 }).toContain('restarted')
      started.child.kill('SIGTERM')
      const ended = await started.ended
      expect([ended.code, ended.signal], ended.stderr).toEqual([143, null])
      expect(ended.stderr).toMatch(/finishing web-\d, at most \d+ s/)
      expect(ended.stderr).toContain('on_interrupt: undo')
      if (json.length > 0) expect(documentOf(ended)).toMatchObject({ outcome: 'cancelled' })
      const after = documentOf(await run(['status', '--json'], fleet.place))
      expect(after.hosts).toEqual(before.hosts)
      expect(after).toMatchObject({ unfinished: null, drift: [] })
    }
  })
})
