// Other ways to run the app than one unit of the system: units of a plain user, two units, shell lines with a pid
// file, workers that no balancer knows, and the probe that watches the public entry while all this happens.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeOnLab, inHost, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { APP_UNIT, answering, asDeploy, running } from './helpers/fleet.ts'
import { servers, startSampler } from './helpers/haproxy.ts'
import { expectNothingLost, expectWhole, underLoad, useProject } from './helpers/suite.ts'

const WORKER_UNIT = `[Unit]
Description=A worker of the app
[Service]
User=deploy
WorkingDirectory=/srv/app/current
EnvironmentFile=-/srv/app/current/.rollgate.env
ExecStart=/usr/local/bin/node -e "setInterval(() => {}, 1000)"
Restart=on-failure
[Install]
WantedBy=multi-user.target
`

const told = (result: { readonly document: unknown; readonly stderr: string }) =>
  `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`

async function installWorker(host: string): Promise<void> {
  await mustInHost(host, 'cat > /etc/systemd/system/app-worker.service && systemctl daemon-reload', { stdin: WORKER_UNIT })
}
async function removeWorker(host: string): Promise<void> {
  await mustInHost(host, 'systemctl stop app-worker 2> /dev/null; rm -f /etc/systemd/system/app-worker.service && systemctl daemon-reload')
}

describeOnLab('units of a plain user', (lab) => {
  const suite = useProject(lab, 'user-units')
  const names = lab.hosts.map((host) => host.name)

  beforeAll(async () => {
    await Promise.all(
      names.map((host) =>
        asDeploy(
          host,
          'mkdir -p .config/systemd/user && cat > .config/systemd/user/web.service && systemctl --user daemon-reload && systemctl --user -q enable web',
          { stdin: APP_UNIT.replace('User=deploy\n', '').replace('multi-user', 'default') },
        ),
      ),
    )
    suite.project.configure({ service: { unit: 'web', scope: 'user' } })
  })
  afterAll(async () => {
    await Promise.all(names.map((host) => asDeploy(host, 'systemctl --user -q disable --now web; rm -f .config/systemd/user/web.service')))
  })

  test('are deployed to without sudo, and lose no request', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    suite.project.build('two')
    const watched = await underLoad(lab, () => suite.project.json(['deploy']))
    expect(watched.result.exitCode, told(watched.result)).toBe(0)
    expectNothingLost(lab, watched)
    for (const host of names) expect(await answering(host)).toMatchObject({ release: watched.result.document.release })
  })

  test('that crash are undone like any other', async () => {
    const before = await answering(names[0] ?? '')
    suite.project.build('bad', { kind: 'crash' })
    const result = await suite.project.json(['deploy'])
    expect(result.exitCode, told(result)).toBe(5)
    expect(result.document.error?.evidence?.join('\n'), told(result)).toMatch(/FATAL: cannot read the licence file/)
    for (const host of names) expect(await answering(host)).toEqual(before)
  })
})

describeOnLab('two units', (lab) => {
  const suite = useProject(lab, 'two-units')
  const names = lab.hosts.map((host) => host.name)

  beforeAll(async () => {
    await Promise.all(names.map(installWorker))
    suite.project.configure({ service: { unit: ['app', 'app-worker'] } })
  })
  afterAll(async () => {
    await Promise.all(names.map(removeWorker))
  })

  test('are both restarted on every host, and both run the new release', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    const before = await Promise.all(names.map((host) => running(host, 'app-worker')))
    suite.project.build('two')
    const second = await suite.project.json(['deploy'])
    expect(second.exitCode, told(second)).toBe(0)
    await expectWhole(lab, String(second.document.release))
    const after = await Promise.all(names.map((host) => running(host, 'app-worker')))
    expect(after.map((host) => host.release)).toEqual(names.map(() => second.document.release))
    expect(after.filter((host, index) => host.pid === before[index]?.pid)).toEqual([])
  })
})

describeOnLab('shell lines with a pid file', (lab) => {
  const suite = useProject(lab, 'command')
  const names = lab.hosts.map((host) => host.name)
  const stop =
    'test ! -f /srv/app/pid || { kill "$(cat /srv/app/pid)" 2> /dev/null; while kill -0 "$(cat /srv/app/pid)" 2> /dev/null; do sleep 0.05; done; rm -f /srv/app/pid; }'

  beforeAll(() => {
    suite.project.configure({
      service: {
        kind: 'command',
        // It inherits whatever output this shell has, and keeps it open: nobody may wait for that.
        start: 'node server.mjs & echo $! > /srv/app/pid',
        stop,
        status: 'test -f /srv/app/pid && kill -0 "$(cat /srv/app/pid)" && cat /srv/app/pid',
      },
    })
  })
  afterAll(async () => {
    await Promise.all(names.map((host) => asDeploy(host, stop)))
  })

  test('start, replace and restart the app without losing a request', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    suite.project.build('two')
    const watched = await underLoad(lab, async () => {
      const deploy = await suite.project.json(['deploy'])
      expect(deploy.exitCode, told(deploy)).toBe(0)
      return suite.project.json(['restart'])
    })
    expect(watched.result.exitCode, told(watched.result)).toBe(0)
    expectNothingLost(lab, watched)
    for (const host of names) expect((await answering(host))?.release).toMatch(/^r2-/)
  })

  test('that start a release which crashes are undone', async () => {
    const before = await Promise.all(names.map(answering))
    suite.project.build('bad', { kind: 'crash' })
    const result = await suite.project.json(['deploy'])
    expect(result.exitCode, told(result)).toBe(5)
    expect(await Promise.all(names.map(answering))).toEqual(before)
  })
})

describeOnLab('workers without a balancer', (lab) => {
  const suite = useProject(lab, 'workers')
  const web = lab.hosts.slice(0, 2).map((host) => host.name)
  const workers = lab.hosts.slice(2).map((host) => host.name)

  beforeAll(async () => {
    await Promise.all(workers.map(installWorker))
    suite.project.configure({
      hosts: {
        ...Object.fromEntries(
          lab.hosts.map((host) => [host.name, { address: host.address, roles: [web.includes(host.name) ? 'web' : 'worker'] }]),
        ),
        [lab.balancer.name]: { address: lab.balancer.address, roles: ['balancer'] },
      },
      roles: {
        worker: { service: { unit: 'app-worker' }, health: { command: 'systemctl is-active app-worker' }, balancer: { kind: 'none' } },
      },
    })
  })
  afterAll(async () => {
    await Promise.all(workers.map(removeWorker))
  })

  test('get the release and a restart, and the balancer is never asked to move them', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    suite.project.build('two')
    const sampler = startSampler(lab)
    const second = await suite.project.json(['deploy'])
    await sampler.stop()
    expect(second.exitCode, told(second)).toBe(0)
    const seen = await Promise.all([...web.map((host) => running(host)), ...workers.map((host) => running(host, 'app-worker'))])
    expect(seen.map((host) => host.release)).toEqual(lab.hosts.map(() => second.document.release))
    const statuses = sampler.samples.flatMap((sample) => sample.servers.filter((server) => workers.includes(server.name)))
    expect(statuses.length).toBeGreaterThan(20)
    expect(statuses.filter((server) => /^(DRAIN|MAINT)/.test(server.status))).toEqual([])
    const view = await servers(lab)
    expect(view.filter((server) => web.includes(server.name)).map((server) => server.status)).toEqual(['UP', 'UP'])
    expect(view.filter((server) => workers.includes(server.name)).every((server) => server.status.startsWith('DOWN'))).toBe(true)
  })

  test('that fail are stopped and undone like web hosts', async () => {
    suite.project.configure({
      hosts: Object.fromEntries(
        lab.hosts.filter((host) => workers.includes(host.name)).map((host) => [host.name, { address: host.address, roles: ['worker'] }]),
      ),
      balancer: null,
      roles: {
        worker: {
          service: { unit: 'app-worker' },
          health: { command: 'test ! -e variant-is-bad', version: { command: 'echo r0-wrong' }, deadline: '4s' },
        },
      },
    })
    const before = await Promise.all(workers.map((host) => running(host, 'app-worker')))
    suite.project.build('three')
    const result = await suite.project.json(['deploy'])
    expect(result.document, told(result)).toMatchObject({ error: { code: 'E_WRONG_RELEASE' } })
    const after = await Promise.all(workers.map((host) => running(host, 'app-worker')))
    expect(after.map((host) => host.release)).toEqual(before.map((host) => host.release))
  })
})

describeOnLab('the probe', (lab) => {
  const suite = useProject(lab, 'probe')
  const rollout = (url: string, more: object = {}) => ({
    rollout: { steps: [{ deploy: 1 }, { deploy: '100%' }], probe: { url, rate: '20/s', ...more } },
  })

  test('through the public entry sees nothing of a rollout', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    suite.project.configure(rollout(`http://${lab.balancer.address}/healthz`))
    suite.project.build('two')
    const result = await suite.project.json(['deploy'])
    expect(result.exitCode, told(result)).toBe(0)
    expect(result.document.probe).toMatchObject({ failed: 0 })
    expect(result.document.probe?.sent).toBeGreaterThan(40)
    expect(result.document.probe?.worstGapMs).toBeLessThan(5000)
  })

  describe('that goes to one host, past the balancer,', () => {
    test('sees its restart: the rollout is undone, exit 7', async () => {
      const first = lab.hosts[0]
      const before = await running(first?.name ?? '')
      suite.project.configure(rollout(`http://${first?.address}:8080/healthz`))
      suite.project.build('three')
      const result = await suite.project.json(['deploy'])
      expect(result.exitCode, told(result)).toBe(7)
      expect(result.document).toMatchObject({ outcome: 'rolled-back', error: { code: 'E_PROBE_FAILED' } })
      expect(result.document.probe?.failed).toBeGreaterThan(0)
      await until('everybody is back', async () => (await running(first?.name ?? '')).release === before.release)
      await expectWhole(lab, String(before.release))
      expect((await inHost(first?.name ?? '', 'ls -A /srv/app/releases')).stdout).not.toContain('.staging')
    })
  })
})
