// The other commands on real hosts: what they say is compared with what the hosts and HAProxy themselves say, and what
// only looks changes nothing.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type {
  BaseDocument,
  CheckDocument,
  ExecDocument,
  HandDocument,
  HistoryDocument,
  PlanDocument,
  PushDocument,
  ReleasesDocument,
  SetupDocument,
  StatusDocument,
} from '../../src/domain/document.ts'
import { describeOnLab, labDo, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { answering, fleet, running } from './helpers/fleet.ts'
import { servers, serverView, tellBalancer } from './helpers/haproxy.ts'
import { usualSettings } from './helpers/project.ts'
import { deployed, expectWhole, useProject } from './helpers/suite.ts'

const told = (result: { readonly document: unknown; readonly stderr: string }) =>
  `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`

describeOnLab('the commands', (lab) => {
  const suite = useProject(lab, 'commands')
  const names = lab.hosts.map((host) => host.name)
  const [h1 = '', h2 = ''] = names
  let release = ''
  let previous = ''

  beforeAll(async () => {
    previous = await deployed(suite.project, 'one')
    release = await deployed(suite.project, 'two')
  })

  test('status says of every host what it runs and what the balancer thinks', async () => {
    const result = await suite.project.json<StatusDocument>(['status'])
    expect(result.exitCode, told(result)).toBe(0)
    expect(
      result.document.hosts.map((host) => ({
        name: host.name,
        release: host.release,
        previous: host.previous,
        reachable: host.reachable,
        state: host.balancer.map(({ server, state, health, weight }) => ({ server, state, health, weight })),
      })),
    ).toEqual(
      lab.hosts.map((host) => ({
        name: host.name,
        release,
        previous,
        reachable: true,
        state: [{ server: host.name, state: 'ready', health: 'up', weight: 1 }],
      })),
    )
    expect(result.document).toMatchObject({ lock: null, unfinished: null, drift: [] })
    const text = await suite.project.text(['status'])
    expect(text.exitCode).toBe(0)
    for (const name of names) expect(text.stdout).toContain(name)
    expect(text.stdout).toContain(release)
  })

  test('status names what has drifted: a host on another release, one drained by hand', async () => {
    await mustInHost(h1, `ln -sfn releases/${previous} /srv/app/current && systemctl restart app`)
    await tellBalancer(lab, `set server app/${h2} state drain`)
    try {
      const result = await suite.project.json<StatusDocument>(['status'])
      expect(result.exitCode, told(result)).toBe(0)
      const about = result.document.drift.map((drift) => `${drift.host ?? ''} ${drift.message}`).join('\n')
      expect(about, told(result)).toContain(h2)
      expect(about).toMatch(/out of rotation.*by hand/)
      expect(result.document.hosts.find((host) => host.name === h1)?.release).toBe(previous)
    } finally {
      await tellBalancer(lab, `set server app/${h2} state ready`)
      await mustInHost(h1, `ln -sfn releases/${release} /srv/app/current && systemctl restart app`)
      await until(`${h1} is up again`, async () => (await serverView(lab, h1)).status === 'UP')
    }
  })

  test('status answers with a host powered off, exit 0, and names it', async () => {
    await labDo('kill', h2)
    try {
      const [result, check] = await Promise.all([
        suite.project.json<StatusDocument>(['status']),
        suite.project.json<CheckDocument>(['check']),
      ])
      expect(result.exitCode, told(result)).toBe(0)
      expect(result.document.hosts.find((host) => host.name === h2)).toMatchObject({ reachable: false })
      expect(check.exitCode, told(check)).toBe(4)
      expect(check.document.items.some((item) => item.host === h2 && item.level === 'problem')).toBe(true)
    } finally {
      await labDo('boot', h2)
      await until(`${h2} is up again`, async () => (await serverView(lab, h2)).status === 'UP')
    }
  })

  test('drain takes a host out and enable brings it back, as HAProxy says', async () => {
    const drain = await suite.project.json<HandDocument>(['drain', h1])
    expect(drain.exitCode, told(drain)).toBe(0)
    expect(drain.document).toMatchObject({ host: h1, changed: true })
    expect((await serverView(lab, h1)).status).toMatch(/^(DRAIN|MAINT)/)
    expect((await servers(lab)).filter((server) => server.status === 'UP')).toHaveLength(names.length - 1)
    const again = await suite.project.json<HandDocument>(['drain', h1])
    expect({ exitCode: again.exitCode, changed: again.document.changed }).toEqual({ exitCode: 0, changed: false })
    const enable = await suite.project.json<HandDocument>(['enable', h1])
    expect(enable.exitCode, told(enable)).toBe(0)
    expect((await serverView(lab, h1)).status).toBe('UP')
    const unknown = await suite.project.json<BaseDocument>(['drain', 'h77'])
    expect(unknown.document).toMatchObject({ exitCode: 2, error: { code: 'E_USAGE' } })
  })

  test('exec runs words on the selected hosts: output prefixed, exit 12 when it fails on one', async () => {
    const all = await suite.project.json<ExecDocument>(['exec', '--', 'hostname'])
    expect(all.document.hosts.map(({ name, exitCode, stdout }) => [name, exitCode, stdout.trim()])).toEqual(
      names.map((name) => [name, 0, name]),
    )
    const text = await suite.project.text(['exec', '--hosts', `${h1},${h2}`, '--', 'sh', '-c', 'echo "$(hostname)"; echo two'])
    expect(text.stdout.trim().split('\n').sort()).toEqual([`${h1} | ${h1}`, `${h1} | two`, `${h2} | ${h2}`, `${h2} | two`].sort())
    const failed = await suite.project.json<ExecDocument>(['exec', '--', 'sh', '-c', `test "$(hostname)" != ${h2}`])
    expect(failed.exitCode).toBe(12)
    expect(failed.document.hosts.map((host) => host.exitCode)).toEqual(names.map((name) => (name === h2 ? 1 : 0)))
  })

  test('logs shows the service’s lines of every host', async () => {
    const text = await suite.project.text(['logs', '--lines', '5'])
    expect(text.exitCode, text.stderr).toBe(0)
    for (const name of names) expect(text.stdout).toMatch(new RegExp(`^${name} .*app: listening on 8080`, 'm'))
  })

  test('logs -f goes on until Ctrl-C, and then ends well', async () => {
    const started = suite.project.start(['logs', '-f', '--hosts', h1, '--lines', '1'])
    await until('a line came', () => started.stdout().includes('\n'))
    await mustInHost(h1, 'systemctl restart app')
    await until('and one that was said since', () => started.stdout().includes('Stopping'))
    started.kill('SIGINT')
    const ended = await started.ended
    expect([0, 130], ended.stderr).toContain(ended.exitCode)
    await until(`${h1} is up again`, async () => (await serverView(lab, h1)).status === 'UP')
  })

  test('check finds nothing wrong with this fleet', async () => {
    const result = await suite.project.json<CheckDocument>(['check'])
    expect(
      result.document.items.filter((item) => item.level === 'problem'),
      told(result),
    ).toEqual([])
    expect(result.exitCode).toBe(0)
    expect(result.document.items.length).toBeGreaterThan(names.length * 3)
  })

  test('releases and history tell what was installed and what was done', async () => {
    const releases = await suite.project.json<ReleasesDocument>(['releases'])
    expect(releases.exitCode, told(releases)).toBe(0)
    for (const host of releases.document.hosts) {
      expect(host.current).toBe(release)
      expect(host.releases.map((each) => each.id).sort()).toEqual([previous, release].sort())
    }
    const history = await suite.project.json<HistoryDocument>(['history'])
    expect(history.exitCode, told(history)).toBe(0)
    expect(history.document.rollouts.map((each) => each.release)).toEqual(expect.arrayContaining([previous, release]))
    expect(history.document.rollouts.every((each) => each.outcome === 'succeeded')).toBe(true)
  })

  test('plan changes nothing, is stored, and a stale one is refused', async () => {
    const before = await fleet(lab)
    suite.project.build('planned')
    const file = join(suite.project.path, 'plan.json')
    const plan = await suite.project.json<PlanDocument>(['plan', '--out', file])
    expect(plan.exitCode, told(plan)).toBe(0)
    expect(plan.document.batches.flatMap((batch) => batch.hosts).sort()).toEqual(names)
    expect(await fleet(lab)).toEqual(before)
    expect(existsSync(file)).toBe(true)
    // Somebody else moves a host in between.
    await mustInHost(h1, `ln -sfn releases/${previous} /srv/app/current && systemctl restart app`)
    const stale = await suite.project.json(['deploy', '--plan', file])
    expect(stale.document, told(stale)).toMatchObject({ exitCode: 3, outcome: 'refused', error: { code: 'E_PLAN_STALE' } })
    await mustInHost(h1, `ln -sfn releases/${release} /srv/app/current && systemctl restart app`)
    await until(`${h1} is up again`, async () => (await serverView(lab, h1)).status === 'UP')
    const fresh = await suite.project.json<PlanDocument>(['plan', '--out', file])
    expect(fresh.exitCode, told(fresh)).toBe(0)
    const done = await suite.project.json(['deploy', '--plan', file])
    expect(done.exitCode, told(done)).toBe(0)
    previous = release
    release = String(done.document.release)
    await expectWhole(lab, release)
  })

  test('push stages everywhere and touches nothing; deploy --release rolls it out later', async () => {
    const before = await fleet(lab)
    suite.project.build('pushed')
    const push = await suite.project.json<PushDocument>(['push'])
    expect(push.exitCode, told(push)).toBe(0)
    const pushed = String(push.document.release)
    expect((await fleet(lab)).map(({ current, pid }) => ({ current, pid }))).toEqual(before.map(({ current, pid }) => ({ current, pid })))
    expect((await fleet(lab)).every((host) => host.installed.includes(pushed))).toBe(true)
    const deploy = await suite.project.json(['deploy', '--release', pushed])
    expect(deploy.exitCode, told(deploy)).toBe(0)
    previous = release
    release = pushed
    await expectWhole(lab, release)
  })

  test('rollback to a release by name, and one that is not there is refused', async () => {
    const back = await suite.project.json(['rollback', previous])
    expect(back.exitCode, told(back)).toBe(0)
    await expectWhole(lab, previous)
    const none = await suite.project.json(['rollback', 'r999-00000000'])
    expect(none.document, told(none)).toMatchObject({ exitCode: 3, error: { code: 'E_NO_RELEASE' } })
    await expectWhole(lab, previous)
  })

  test('only the chosen hosts are touched with --hosts', async () => {
    const before = await fleet(lab)
    const result = await suite.project.json(['restart', '--hosts', h2])
    expect(result.exitCode, told(result)).toBe(0)
    const after = await fleet(lab)
    expect(after.filter((host, index) => host.pid !== before[index]?.pid).map((host) => host.host)).toEqual([h2])
  })

  test('releases are pruned to keep, never the live one nor the way back', async () => {
    suite.project.configure({ release: { root: '/srv/app', keep: 2 } })
    const kept = [await deployed(suite.project, 'p1'), await deployed(suite.project, 'p2')]
    for (const host of await fleet(lab)) {
      expect([...host.installed].sort()).toEqual([...kept].sort())
      expect(host.current).toBe(kept[1])
    }
    const back = await suite.project.json(['rollback'])
    expect(back.exitCode, told(back)).toBe(0)
  })

  test('the environment file is for the service’s user alone', async () => {
    expect((await mustInHost(h1, 'stat -c "%a %U" "$(readlink -f /srv/app/current)/.rollgate.env"')).trim()).toBe('600 deploy')
  })
})

describeOnLab('setup and init', (lab) => {
  const suite = useProject(lab, 'setup')
  const names = lab.hosts.map((host) => host.name)
  const unit = 'app-new'

  afterAll(async () => {
    await Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `systemctl disable --now ${unit} 2> /dev/null; rm -rf /etc/systemd/system/${unit}.service /srv/new; systemctl daemon-reload`,
        ),
      ),
    )
  })

  test('setup makes root and unit from nothing, again changes nothing, and a deploy works', async () => {
    await Promise.all(names.map((host) => mustInHost(host, 'systemctl disable --now app')))
    suite.project.configure({
      ssh: { config: lab.sshConfig, user: 'admin' },
      hosts: {
        ...(usualSettings(lab).hosts as object),
        [lab.balancer.name]: { address: lab.balancer.address, roles: ['balancer'], user: 'deploy' },
      },
      release: { root: '/srv/new', shared: ['uploads'] },
      service: { unit, exec: '/usr/local/bin/node server.mjs' },
    })
    suite.project.build('one')
    const first = await suite.project.json<SetupDocument>(['setup', '--yes'])
    expect(first.exitCode, told(first)).toBe(0)
    expect(first.document.hosts.every((host) => host.changes.length > 0)).toBe(true)
    const second = await suite.project.json<SetupDocument>(['setup', '--yes'])
    expect(second.exitCode, told(second)).toBe(0)
    expect(second.document.hosts.map((host) => host.changes)).toEqual(names.map(() => []))
    const deploy = await suite.project.json(['deploy'])
    expect(deploy.exitCode, told(deploy)).toBe(0)
    for (const name of names) {
      expect((await answering(name))?.release).toBe(deploy.document.release)
      expect((await running(name, unit)).active).toBe('active')
    }
  })

  test('init from flags probes the fleet and writes a file that deploys', async () => {
    await Promise.all(names.map((host) => mustInHost(host, `systemctl disable --now ${unit} 2> /dev/null; systemctl enable app`)))
    const folder = join(suite.project.path, 'fresh')
    mkdirSync(join(folder, 'dist'), { recursive: true })
    const words = [
      'init',
      '--app',
      'shop',
      '--hosts',
      lab.hosts.map((host) => `${host.name}=${host.address}`).join(','),
      '--ssh-config',
      lab.sshConfig,
      '--artifact',
      'dist',
      '--root',
      '/srv/app',
      '--unit',
      'app',
      '--port',
      '8080',
      '--health-path',
      '/healthz',
      '--version-header',
      'x-release',
      '--balancer',
      'haproxy',
      '--balancer-host',
      `${lab.balancer.name}=${lab.balancer.address}`,
      '--backend',
      'app',
      '--yes',
    ]
    const init = await suite.project.json<BaseDocument>(words, { cwd: folder })
    expect(init.exitCode, told(init)).toBe(0)
    const file = join(folder, 'rollgate.yml')
    expect(statSync(file).isFile()).toBe(true)
    const again = await suite.project.json<BaseDocument>(words, { cwd: folder })
    expect(again.exitCode, told(again)).not.toBe(0)
    expect((await suite.project.json<BaseDocument>(['config', 'validate'], { cwd: folder })).exitCode).toBe(0)
    // Comments for people, and nothing of a secret.
    expect(readFileSync(file, 'utf8')).toMatch(/^#/m)
    writeFileSync(join(folder, 'dist', 'note.txt'), 'x')
    const plan = await suite.project.json<PlanDocument>(['plan'], { cwd: folder })
    expect(plan.exitCode, told(plan)).toBe(0)
    expect(Object.keys(usualSettings(lab).hosts as object).filter((name) => name !== lab.balancer.name)).toEqual(
      plan.document.batches.flatMap((batch) => batch.hosts).sort(),
    )
  })
})
