// setup on real hosts: what needs root through sudo, a unit that systemd takes, and nothing the second time.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { logs } from '../../../src/app/logs.ts'
import type { SetupDocument } from '../../../src/domain/document.ts'
import { describeOnLab, inHost, mustInHost } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import { usualSettings } from '../helpers/project.ts'
import { useProject } from '../helpers/suite.ts'
import { inProcess } from './in-process.ts'

const told = (result: { readonly document: unknown; readonly stderr: string }) =>
  `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`
const ROOT = '/srv/deep/er/shop'

describeOnLab('setup', (lab) => {
  const suite = useProject(lab, 'setup')
  const names = lab.hosts.map((host) => host.name)
  const clean = () =>
    Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `systemctl stop app shop app-set-up 2>/dev/null; systemctl -q disable shop 2>/dev/null; rm -rf /srv/deep /etc/systemd/system/shop.service /etc/systemd/system/app-set-up.service; systemctl daemon-reload; systemctl reset-failed
runuser -u admin -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user -q disable --now shop-user 2>/dev/null; loginctl disable-linger admin; rm -rf /home/admin/.config/systemd /home/admin/app; true`,
        ),
      ),
    )
  beforeAll(clean)
  afterAll(clean)
  const asAdmin = (over: object = {}) => ({
    ssh: { config: lab.sshConfig, user: 'admin' },
    release: { root: ROOT, keep: 3, shared: ['uploads'] },
    service: { unit: 'shop', exec: 'node server.mjs --title "50% of $HOME"' },
    balancer: null,
    ...over,
  })

  test('makes root, shared folders and the unit through sudo, and then a deploy by the same login works', async () => {
    suite.project.configure(asAdmin())
    suite.project.build('one')
    const first = await suite.project.json<SetupDocument>(['setup'])
    expect(first.exitCode, told(first)).toBe(0)
    expect(first.document.hosts[0]?.changes.join('\n')).toMatch(/folder \/srv\/deep\/er\/shop for admin[\s\S]*unit shop[\s\S]*enabled shop/)
    const unit = await mustInHost(
      'h1',
      'cat /etc/systemd/system/shop.service; stat -c "%U %a" /etc/systemd/system/shop.service; systemd-analyze verify shop.service 2>&1',
    )
    expect(unit).toContain('User=admin')
    expect(unit).toContain('root 644')
    expect(unit).not.toMatch(/Failed|Unknown|ignor/i)
    const deploy = await suite.project.json(['deploy'])
    expect(deploy.exitCode, told(deploy)).toBe(0)
    const environ = await mustInHost(
      'h1',
      "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID shop)/environ; tr '\\0' ' ' </proc/$(systemctl show -P MainPID shop)/cmdline; readlink /proc/$(systemctl show -P MainPID shop)/cwd",
    )
    expect(environ).toContain(`ROLLGATE_RELEASE=${deploy.document.release}`)
    expect(environ).toContain('node server.mjs --title 50% of /home/admin')
    expect(environ).toContain(`${ROOT}/releases/${deploy.document.release}`)
  })

  test('does nothing the second time', async () => {
    const again = await suite.project.json<SetupDocument>(['setup'])
    expect(again.exitCode, told(again)).toBe(0)
    expect(again.document.hosts.map((host) => host.changes)).toEqual(names.map(() => []))
  })

  test('renews a unit of its own when the settings change, and says what that needs', async () => {
    suite.project.configure(asAdmin({ service: { unit: 'shop', exec: 'node server.mjs --other' } }))
    const changed = await suite.project.json<SetupDocument>(['setup'])
    expect(changed.document.hosts[0], told(changed)).toMatchObject({
      changes: [expect.stringContaining('unit shop')],
      notes: expect.arrayContaining([expect.stringContaining('rollgate restart')]),
    })
    expect(await mustInHost('h1', 'systemctl is-active shop')).toBe('active\n')
  })

  test('leaves a unit alone that somebody wrote, and says so', async () => {
    const before = await mustInHost('h1', 'cat /etc/systemd/system/app.service')
    suite.project.configure(asAdmin({ service: { unit: 'app', exec: 'node server.mjs' } }))
    const result = await suite.project.json<SetupDocument>(['setup'])
    expect(result.document.hosts[0], told(result)).toMatchObject({ changes: [], notes: [expect.stringContaining('left as it is')] })
    expect(await mustInHost('h1', 'cat /etc/systemd/system/app.service')).toBe(before)
  })

  test('by a login without rights says exactly what needs root, and does the rest', async () => {
    suite.project.configure({
      release: { root: '/srv/app', keep: 3, shared: ['uploads'] },
      service: { unit: 'app-set-up', exec: 'node server.mjs' },
    })
    const result = await suite.project.json<SetupDocument>(['setup'])
    expect(result.exitCode, told(result)).toBe(3)
    expect(result.document.hosts[0]?.error).toMatchObject({
      code: 'E_SUDO',
      message: expect.stringContaining('the unit /etc/systemd/system/app-set-up.service'),
    })
    expect(result.document.hosts[0]?.changes.join('\n')).toContain('/srv/app/shared/uploads')
    suite.project.configure({ release: { root: '/srv/nobody/app', keep: 3 } })
    expect((await suite.project.json<SetupDocument>(['setup'])).document.hosts[0]?.error?.message).toContain(
      'the folder /srv/nobody/app, for deploy',
    )
  })

  test('makes user units run without a session, and a deploy drives them without sudo', async () => {
    suite.project.configure(
      asAdmin({
        release: { root: '/home/admin/app', keep: 3 },
        service: { unit: 'shop-user', scope: 'user', exec: 'exec node server.mjs' },
      }),
    )
    await Promise.all(names.map((host) => mustInHost(host, 'systemctl stop shop')))
    await mustInHost('h1', 'rm -f /var/lib/systemd/linger/admin')
    const result = await suite.project.json<SetupDocument>(['setup'])
    expect(result.exitCode, told(result)).toBe(0)
    expect(result.document.hosts[0]?.changes.join('\n')).toMatch(/lingering for admin[\s\S]*unit shop-user[\s\S]*enabled shop-user/)
    const deploy = await suite.project.json(['deploy'])
    expect(deploy.exitCode, told(deploy)).toBe(0)
    expect((await inHost('h1', 'cat /home/admin/.config/systemd/user/shop-user.service')).stdout).not.toContain('User=')
    await until('the process runs without any session', async () => {
      const { stdout } = await inHost(
        'h1',
        `pgrep -u admin -f server.mjs | head -n 1 | xargs -I{} sh -c "tr '\\\\0' '\\\\n' </proc/{}/environ" | grep ROLLGATE_RELEASE`,
      )
      return stdout.trim() === `ROLLGATE_RELEASE=${deploy.document.release}`
    })
    const again = await suite.project.json<SetupDocument>(['setup'])
    expect(
      again.document.hosts.map((host) => host.changes),
      told(again),
    ).toEqual(names.map(() => []))
  })

  test('and logs say when a login may not read the journal', async () => {
    suite.project.configure(asAdmin())
    const { context } = inProcess(suite.project, null)
    const lines: string[] = []
    await logs({ lines: 5 }, { ...context, stdout: (line) => lines.push(line) })
    expect(lines.join('\n')).toContain('group systemd-journal')
    suite.project.configure({ ...usualSettings(lab) })
    const deploy: string[] = []
    await logs({ lines: 5 }, { ...context, stdout: (line) => deploy.push(line) })
    expect(deploy.join('\n')).not.toContain('group systemd-journal')
  })
})
