// Which release runs, where no answer names one: the process was started by the restart after the switch, and runs from
// the release's folder, also where it belongs to another user than the login.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RolloutDocument } from '../../../src/domain/document.ts'
import { describeOnLab, mustInHost } from '../../helpers/lab.ts'
import { APP_UNIT, running } from '../helpers/fleet.ts'
import { usualSettings } from '../helpers/project.ts'
import { useProject } from '../helpers/suite.ts'

const told = (result: { readonly document: unknown; readonly stderr: string }) =>
  `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`

describeOnLab('a service of another user', (lab) => {
  const names = lab.hosts.map((host) => host.name)
  const suite = useProject(lab, 'proof', APP_UNIT.replace('User=deploy', 'User=nobody').replace('EnvironmentFile=-', 'EnvironmentFile='))
  const { health, ...usual } = usualSettings(lab) as { health: Record<string, unknown> }
  beforeAll(() => {
    const { version: _version, ...check } = health
    suite.project.configure({ ...usual, health: check, balancer: null })
  })
  afterAll(() => Promise.all(names.map((host) => mustInHost(host, 'systemctl stop app'))))

  test('is proved by the folder that it runs from', async () => {
    suite.project.build('one')
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, told(first)).toBe(0)
    suite.project.build('two')
    const second = await suite.project.json(['deploy'])
    expect(second.exitCode, told(second)).toBe(0)
    expect(await running(names[0] ?? '')).toMatchObject({ release: second.document.release, current: second.document.release })
  })

  test('that runs from a fixed folder, whatever current says, is found out and undone', async () => {
    const before = await running(names[0] ?? '')
    await Promise.all(
      names.map((host) =>
        mustInHost(
          host,
          `sed -i 's#^WorkingDirectory=.*#WorkingDirectory=/srv/app/releases/${before.release}#' /etc/systemd/system/app.service && systemctl daemon-reload`,
        ),
      ),
    )
    suite.project.build('three')
    const result = await suite.project.json<RolloutDocument>(['deploy'])
    expect(result.exitCode, told(result)).toBe(5)
    expect(result.document.error).toMatchObject({
      code: 'E_WRONG_RELEASE',
      message: expect.stringContaining(`runs from /srv/app/releases/${before.release}`),
    })
    expect(await running(names[0] ?? '')).toMatchObject({ current: before.release, active: 'active' })
  })
})
