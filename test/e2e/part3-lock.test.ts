// The lock on fleets that are not as the rollout knew them: hosts were added and taken away, one is down, another
// environment of the same app lives on the same hosts. Under load; whatever happens, nobody loses a request.
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { StatusDocument } from '../../src/domain/document.ts'
import { describeOnLab, labDo, mustInHost } from '../helpers/lab.ts'
import { goOn, hang, hanging, healing, untilHangs } from './helpers/faults.ts'
import { emptyFleet, fleet } from './helpers/fleet.ts'
import { givenUp } from './helpers/haproxy.ts'
import { usualSettings } from './helpers/project.ts'
import { deployed, expectWholeAgain, told, useProject } from './helpers/suite.ts'
import { builder, killed, LEASE_ONLY, useTrials } from './helpers/trials.ts'

const HOOKS = { hooks: { before_activate: [{ name: 'look', run: hanging('hook'), on: 'host' }] } }
describeOnLab('the lock of a fleet that changes', (lab) => {
  healing(async () => {
    suite.project.killAll()
    await emptyFleet(lab)
    suite.project.configure(HOOKS)
    await deployed(suite.project, 'once more')
  })
  const suite = useProject(lab, 'part3-lock')
  const trials = useTrials(lab)
  let next: ReturnType<typeof builder> = () => {}
  const elsewhere = () => join(suite.project.home, '..', 'elsewhere')
  /** The usual hosts but these. */
  const without = (...names: readonly string[]) => ({
    ...HOOKS,
    hosts: Object.fromEntries(Object.entries(usualSettings(lab).hosts ?? {}).filter(([name]) => !names.includes(name))),
  })

  beforeAll(async () => {
    suite.project.configure(HOOKS)
    await deployed(suite.project, 'first')
    next = builder(suite.project)
  })

  const expectSettled = () => expectWholeAgain(lab, suite.project, elsewhere())

  test('a host was added and one taken away since: still locked, `resume` ends what was begun, the next deploy takes the new host along', async () => {
    await trials.run(
      'kill -9, then a host is added and another taken out of the configuration; `resume` from another machine',
      1,
      async () => {
        suite.project.configure(without('h4'))
        await hang('h2', 'hook')
        next('changed')
        const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
        await untilHangs(started, 'h2', 'hook')
        await killed(started)
        await goOn('h2', 'hook')
        // h1 has the new release already, h4 has never heard of it.
        suite.project.configure(without('h1'))
        const refused = await suite.project.json(['deploy'], { home: elsewhere(), env: LEASE_ONLY })
        expect(refused.exitCode, told(refused)).toBe(10)
        const resumed = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
        expect(resumed.exitCode, told(resumed)).toBe(0)
        const [one, two, three, four] = await fleet(lab)
        expect([one?.release, two?.release, three?.release]).toEqual(Array.from({ length: 3 }, () => resumed.document.release))
        expect(four?.release).not.toBe(resumed.document.release)
        suite.project.configure(HOOKS)
        next('all of them')
        const all = await suite.project.json(['deploy'], { home: elsewhere() })
        expect(all.exitCode, told(all)).toBe(0)
        await expectSettled()
      },
    )
  })

  test('one host is down when another machine takes over: it is named and nothing is touched, and once it is back `resume` ends the rollout', async () => {
    await trials.run(
      'kill -9 while another host is down; `resume` from another machine, before it is back and after',
      1,
      async ({ away }) => {
        await hang('h2', 'hook')
        next('down')
        const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
        await untilHangs(started, 'h2', 'hook')
        await killed(started)
        await away(async () => {
          await labDo('kill', 'h4')
          await givenUp(lab, 'h4')
        })
        await goOn('h2', 'hook')
        const pids = () => Promise.all(['h1', 'h2', 'h3'].map((name) => mustInHost(name, 'systemctl show -p MainPID --value app')))
        const before = await pids()
        const refused = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
        expect(refused.exitCode, told(refused)).toBe(4)
        expect(told(refused)).toContain('h4')
        expect(await pids()).toEqual(before)
        await labDo('boot', 'h4')
        const resumed = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
        expect(resumed.exitCode, told(resumed)).toBe(0)
        await expectSettled()
      },
      { leastReady: 2 },
    )
  })

  test('another environment on the same hosts is another fleet: neither waits for the other, nor takes its timers away', async () => {
    await trials.run('two environments of one app on the same hosts, at the same time', 1, async () => {
      const staging = {
        release: { root: '/srv/staging' },
        service: { kind: 'none' },
        health: { command: 'true' },
        balancer: { kind: 'none' },
      }
      suite.project.configure({ ...HOOKS, environments: { production: {}, staging: { ...staging, hooks: { before_activate: [] } } } })
      await Promise.all(lab.hosts.map(({ name }) => mustInHost(name, 'install -d -o deploy -g deploy /srv/staging')))
      await hang('h2', 'hook')
      next('both')
      const started = suite.project.start(['deploy', '-e', 'production'])
      await untilHangs(started, 'h2', 'hook')
      const timers = () => mustInHost('lb1', 'find /home/deploy/.rollgate/timers -name "entry.*" | wc -l')
      expect(Number(await timers())).toBe(1)
      const other = await suite.project.json(['deploy', '-e', 'staging'], { home: elsewhere() })
      expect(other.exitCode, told(other)).toBe(0)
      expect(Number(await timers())).toBe(1)
      const mine = await suite.project.json<StatusDocument>(['status', '-e', 'production'], { home: elsewhere() })
      expect(mine.document.lock).not.toBeNull()
      const theirs = await suite.project.json<StatusDocument>(['status', '-e', 'staging'], { home: elsewhere() })
      expect(theirs.document.lock).toBeNull()
      await goOn('h2', 'hook')
      const ended = await started.ended
      expect(ended.exitCode, ended.stderr).toBe(0)
      suite.project.configure(HOOKS)
      await expectSettled()
    })
  })
})
