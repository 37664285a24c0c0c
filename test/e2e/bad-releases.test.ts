// Releases that are broken in every way we could think of: each must be stopped at the first host, that host restored
// and proven, exit 5, and the error must name the cause with what was seen. The other hosts are never touched.
import { beforeAll, expect, test } from 'vitest'
import { describeOnLab } from '../helpers/lab.ts'
import { fleet } from './helpers/fleet.ts'
import type { Variant } from './helpers/release.ts'
import { deployed, expectWhole, useProject } from './helpers/suite.ts'

type Case = { readonly name: string; readonly variant: Variant; readonly code: string; readonly says: RegExp; readonly evidence: RegExp }

const CASES: readonly Case[] = [
  {
    name: 'crashes at start',
    variant: { kind: 'crash' },
    code: 'E_SERVICE_EXITED',
    says: /exit(ed)?\b.*3|code 3/,
    evidence: /FATAL: cannot read the licence file/,
  },
  {
    name: 'crashes a moment after it listens',
    variant: { kind: 'late-crash' },
    code: 'E_SERVICE_EXITED',
    says: /exit(ed)?\b.*4|code 4/,
    evidence: /listening on 8080/,
  },
  { name: 'hangs and never listens', variant: { kind: 'hang' }, code: 'E_UNHEALTHY', says: /refused/, evidence: /variant hang/ },
  { name: 'answers 500', variant: { kind: 'error' }, code: 'E_UNHEALTHY', says: /500/, evidence: /boom: the database is away/ },
  {
    name: 'answers with the old version',
    variant: { kind: 'old-version' },
    code: 'E_WRONG_RELEASE',
    says: /r0-00000000/,
    evidence: /r0-00000000/,
  },
  { name: 'listens on the wrong port', variant: { kind: 'wrong-port' }, code: 'E_UNHEALTHY', says: /refused/, evidence: /8099/ },
]

describeOnLab('a release that', (lab) => {
  const suite = useProject(lab, 'bad')
  let release = ''

  beforeAll(async () => {
    suite.project.configure({
      health: {
        http: { port: 8080, path: '/healthz' },
        version: { header: 'x-release' },
        interval: '200ms',
        healthy_for: '1s',
        deadline: '5s',
      },
    })
    release = await deployed(suite.project, 'good')
  })

  test.each(CASES)('$name is stopped at the first host and undone, with the cause', async ({ variant, code, says, evidence }) => {
    const before = await fleet(lab)
    suite.project.build(`bad ${variant.kind}`, variant)
    const { exitCode, document, stderr } = await suite.project.json(['deploy'])
    const told = `${JSON.stringify(document, null, 2)}\n${stderr}`
    expect(exitCode, told).toBe(5)
    expect(document, told).toMatchObject({ exitCode: 5, outcome: 'rolled-back', error: { code } })
    expect(`${document.error?.message}\n${document.error?.why ?? ''}\n${document.error?.evidence?.join('\n') ?? ''}`).toMatch(says)
    expect(document.error?.evidence?.join('\n'), told).toMatch(evidence)
    const after = await expectWhole(lab, release)
    const touched = after.filter((host, index) => host.pid !== before[index]?.pid).map((host) => host.host)
    expect(touched).toEqual([document.error?.host])
  })

  test('is slow to start is waited for', async () => {
    suite.project.build('slow start', { kind: 'slow-start', startMs: 2500 })
    const { exitCode, document } = await suite.project.json(['deploy'])
    expect(exitCode, JSON.stringify(document.error, null, 2)).toBe(0)
    await expectWhole(lab, String(document.release))
  })
})
