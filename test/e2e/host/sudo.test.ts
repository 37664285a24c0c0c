// sudo that wants a password: asked once for the whole fleet, in no argument and no environment on any host; without a
// terminal an error with the lines that are missing.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deploy } from '../../../src/app/deploy.ts'
import { describeOnLab, mustInHost } from '../../helpers/lab.ts'
import { running } from '../helpers/fleet.ts'
import { useProject } from '../helpers/suite.ts'
import { inProcess } from './in-process.ts'

const PASSWORD = `it's "$(touch /tmp/canary)" s3cr3t`

describeOnLab('sudo that wants a password', (lab) => {
  const suite = useProject(lab, 'sudo')
  const names = lab.hosts.map((host) => host.name)
  beforeAll(async () => {
    await Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `id carol >/dev/null 2>&1 || useradd -m -s /bin/sh -G systemd-journal carol
cat | chpasswd
install -d -m 700 -o carol -g carol /home/carol/.ssh
install -m 600 -o carol -g carol /home/deploy/.ssh/authorized_keys /home/carol/.ssh/authorized_keys
printf 'Defaults:carol !lecture\\ncarol ALL=(root) /usr/bin/systemctl start app, /usr/bin/systemctl stop app, /usr/bin/systemctl restart app\\n' >/etc/sudoers.d/carol
chmod 440 /etc/sudoers.d/carol && visudo -cq
mkdir -p /srv/carol && chown carol:carol /srv/carol
sed -i 's#/srv/app#/srv/carol#; s#User=deploy#User=carol#' /etc/systemd/system/app.service; sed -i 's#/srv/app#/srv/carol#g' /etc/systemd/system/app.service; systemctl daemon-reload`,
          { stdin: `carol:${PASSWORD}` },
        ),
      ),
    )
    suite.project.configure({ ssh: { config: lab.sshConfig, user: 'carol' }, release: { root: '/srv/carol', keep: 3 }, balancer: null })
    suite.project.build('one')
  })
  afterAll(async () => {
    await Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `: >/tmp/watch-end; systemctl stop app; pkill -KILL -u carol; while pgrep -u carol >/dev/null; do sleep 0.1; done; userdel -r carol 2>/dev/null; rm -rf /etc/sudoers.d/carol /srv/carol /tmp/watch*`,
        ),
      ),
    )
  })

  test('without a terminal is refused before anything is touched, with the sudoers lines', async () => {
    const result = await suite.project.json(['deploy'])
    expect(result.exitCode).toBe(3)
    expect(result.document).toMatchObject({
      outcome: 'refused',
      error: { code: 'E_SUDO', message: expect.stringContaining('no terminal') },
    })
    expect(result.document.error?.hints).toContain(
      'carol ALL=(root) NOPASSWD: /usr/bin/systemctl start app, /usr/bin/systemctl stop app, /usr/bin/systemctl restart app, /usr/bin/systemctl reload app',
    )
    expect(await mustInHost('h1', 'ls /srv/carol/releases 2>/dev/null; true')).toBe('')
  })

  test('is asked for once, tried on every host, and shown to nobody', async () => {
    // Whatever any process of the host shows of itself while the deploy runs.
    await Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `rm -f /tmp/watch*; nohup sh -c 'while [ ! -e /tmp/watch-end ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -a "s3cr[3]t"; done >/tmp/watched; : >/tmp/watch-done' >/dev/null 2>&1 &`,
        ),
      ),
    )
    const { context, questions, events } = inProcess(suite.project, [PASSWORD])
    const document = await deploy({}, context)
    expect(document, JSON.stringify(document)).toMatchObject({ exitCode: 0, outcome: 'succeeded' })
    expect(questions).toEqual([`sudo password of carol on ${names.join(', ')}`])
    for (const host of names) {
      await mustInHost(host, ': >/tmp/watch-end; until [ -e /tmp/watch-done ]; do sleep 0.1; done')
      expect(await mustInHost(host, 'cat /tmp/watched')).toBe('')
      expect(await running(host)).toMatchObject({ active: 'active' })
      expect(await mustInHost(host, `grep -rla s3cr3t /srv/carol /home/carol /tmp 2>/dev/null; ls /tmp/canary 2>/dev/null; true`)).toBe('')
      expect(await mustInHost(host, 'journalctl --no-pager | grep -c s3cr3t || true')).toBe('0\n')
    }
    expect(JSON.stringify([events, document])).not.toContain('s3cr3t')
  })

  test('that is wrong is asked for again, and after three times refused', async () => {
    suite.project.build('two')
    const wrong = inProcess(suite.project, ['no', 'neither', PASSWORD])
    expect(await deploy({}, wrong.context)).toMatchObject({ exitCode: 0 })
    expect(wrong.questions).toHaveLength(3)
    suite.project.build('three')
    const never = inProcess(suite.project, ['no', 'neither', 'nor this'])
    const document = await deploy({}, never.context)
    expect(document).toMatchObject({ exitCode: 3, error: { code: 'E_SUDO', message: expect.stringContaining('refuses the password') } })
    for (const host of names) expect(await running(host)).toMatchObject({ active: 'active' })
  })

  test('does not help a login that may not drive the unit', async () => {
    suite.project.configure({
      ssh: { config: lab.sshConfig, user: 'carol' },
      release: { root: '/srv/carol', keep: 3 },
      balancer: null,
      service: { unit: 'ssh' },
    })
    const { context } = inProcess(suite.project, [PASSWORD])
    const document = await deploy({}, context)
    expect(document).toMatchObject({ exitCode: 3, error: { code: 'E_SUDO', message: expect.stringContaining('does not allow') } })
    expect(JSON.stringify(document.error)).toContain('systemctl restart ssh')
  })
})
