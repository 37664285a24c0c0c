// Deploying what is there already, another environment of the same build, and fleets that are not of one mind: nothing
// is restarted without need, and whatever the hosts were on, they end on the same release.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeOnLab, labDo, mustInHost } from '../helpers/lab.ts'
import { emptyHost, fleet, running, untilAllReady } from './helpers/fleet.ts'
import { deployed, expectWhole, useProject } from './helpers/suite.ts'

describeOnLab('converging', (lab) => {
  const suite = useProject(lab, 'converge')
  let release = ''

  beforeAll(async () => {
    release = await deployed(suite.project, 'one')
  })

  test('the same deploy again restarts nothing and exits 0', async () => {
    const before = await fleet(lab)
    const { exitCode, document } = await suite.project.json(['deploy'])
    expect({ exitCode, outcome: document.outcome, release: document.release }).toEqual({ exitCode: 0, outcome: 'unchanged', release })
    expect(await fleet(lab)).toEqual(before)
  })

  test('another environment value alone is a new release of the same artifact, without a build', async () => {
    const counter = join(suite.project.path, 'builds')
    writeFileSync(counter, '')
    const settings = (note: string) => ({
      artifact: { path: 'dist', build: 'echo built >> builds' },
      release: { root: '/srv/app', keep: 3, env: { NOTE: note } },
    })
    suite.project.configure(settings('first'))
    const first = await suite.project.json(['deploy'])
    expect(first.exitCode, JSON.stringify(first.document.error)).toBe(0)
    const builds = () => mustInHost(lab.hosts[0]?.name ?? '', 'curl -s http://127.0.0.1:8080/healthz')
    expect(JSON.parse(await builds())).toMatchObject({ note: 'first', release: first.document.release })
    const built = readFileSync(counter, 'utf8')

    suite.project.configure(settings('second "quoted" $HOME `x`'))
    const second = await suite.project.json(['deploy'])
    expect(second.exitCode, JSON.stringify(second.document.error)).toBe(0)
    expect(second.document.outcome).toBe('succeeded')
    expect(second.document.release).not.toBe(first.document.release)
    expect(readFileSync(counter, 'utf8')).toBe(built)
    expect(JSON.parse(await builds())).toMatchObject({ note: 'second "quoted" $HOME `x`', release: second.document.release })
    release = String(second.document.release)
    await expectWhole(lab, release)
  })

  test('a replaced, empty host is brought to the release of the others; they are not restarted', async () => {
    const [, replaced] = lab.hosts
    if (replaced === undefined) throw new Error('two hosts at least')
    await labDo('reset', replaced.name)
    await emptyHost(replaced.name)
    const before = await fleet(lab)
    const { exitCode, document, stderr } = await suite.project.json(['deploy'])
    expect(exitCode, `${JSON.stringify(document.error, null, 2)}\n${stderr}`).toBe(0)
    await untilAllReady(lab)
    const after = await expectWhole(lab, release)
    expect(after.filter((host, index) => host.pid !== before[index]?.pid).map((host) => host.host)).toEqual([replaced.name])
  })

  test('a host on another release is brought back to it by deploy', async () => {
    const host = lab.hosts[2]?.name ?? ''
    const previous = (await running(host)).installed.find((id) => id !== release)
    await mustInHost(host, `ln -sfn releases/${previous} /srv/app/current && systemctl restart app`)
    const { exitCode, document } = await suite.project.json(['deploy'])
    expect(exitCode, JSON.stringify(document.error, null, 2)).toBe(0)
    await expectWhole(lab, release)
  })

  test('rollback brings a mixed fleet to one older release, empty host included', async () => {
    const next = await deployed(suite.project, 'two')
    const [first, replaced] = lab.hosts
    if (first === undefined || replaced === undefined) throw new Error('two hosts at least')
    await mustInHost(first.name, `ln -sfn releases/${release} /srv/app/current && systemctl restart app`)
    await labDo('reset', replaced.name)
    await emptyHost(replaced.name)
    const { exitCode, document, stderr } = await suite.project.json(['rollback'])
    expect(exitCode, `${JSON.stringify(document.error, null, 2)}\n${stderr}`).toBe(0)
    await untilAllReady(lab)
    const after = await fleet(lab)
    expect([...new Set(after.map((host) => host.current))]).toEqual([release])
    expect(next).not.toBe(release)
    await expectWhole(lab, release)
  })
})
