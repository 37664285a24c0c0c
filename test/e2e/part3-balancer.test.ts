// The balancer fails in the middle of a rollout, under load: it cannot be reached, it is reloaded or restarted and forgets
// every drain, one of two is gone, the operator is gone and only the timer on its host is left. What is stale never leads
// to a restart of a host in rotation. Names that begin with C are those of the conformance suite (balancers.md, section 9).
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StatusDocument } from '../../src/domain/document.ts'
import { describeOnLab, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { cutSsh, goOn, hang, hanging, healing, healSsh, untilHangs } from './helpers/faults.ts'
import { APP_UNIT, emptyFleet } from './helpers/fleet.ts'
import { isReady, serverView } from './helpers/haproxy.ts'
import { usualSettings } from './helpers/project.ts'
import { deployed, expectWholeAgain, told, useProject } from './helpers/suite.ts'
import { began, builder, killed, LEASE_ONLY, type Look, reach, repeat, TIMER_TOO, useTrials } from './helpers/trials.ts'

const UNIT = APP_UNIT.replace('[Install]', `ExecStartPre=/bin/sh -c '${hanging('start')}'\n[Install]`)
const HOOKS = { hooks: { before_activate: [{ name: 'look', run: hanging('hook'), on: 'host' }] } }
const AGAIN = 'is in rotation again, draining it once more'

/** Something of the kind was told about that host: while a step waits, or as a warning. */
const saysOf =
  (host: string, words: string): Look =>
  (events) =>
    events.some(
      (event) =>
        (event.type === 'step.waiting' && event.host === host && event.detail.includes(words)) ||
        (event.type === 'warning' && event.host === host && event.message.includes(words)),
    )

describeOnLab('the balancer fails', (lab) => {
  healing(async () => {
    suite.project.killAll()
    suite.project.configure(HOOKS)
    await emptyFleet(lab, UNIT)
    await deployed(suite.project, 'once more')
  })
  const suite = useProject(lab, 'part3-balancer', UNIT)
  const trials = useTrials(lab)
  let next: ReturnType<typeof builder> = () => {}
  const elsewhere = () => join(suite.project.home, '..', 'elsewhere')

  beforeAll(async () => {
    // What docs/balancers.md advises whoever reloads: without it HAProxy itself resets idle clients, whoever reloads it.
    const option = 'option idle-close-on-response'
    const file = '/etc/haproxy/haproxy.cfg'
    await mustInHost(
      'lb1',
      `grep -q '${option}' ${file} || sed -i 's/^defaults$/defaults\\n  ${option}/' ${file}; grep -q '${option}' ${file}; systemctl restart haproxy`,
    )
    suite.project.configure(HOOKS)
    await deployed(suite.project, 'first')
    next = builder(suite.project)
  })

  const expectSettled = () => expectWholeAgain(lab, suite.project, elsewhere())
  const succeeded = async (started: ReturnType<typeof suite.project.start>) => {
    const ended = await started.ended
    expect(ended.exitCode, ended.stderr).toBe(0)
    await expectSettled()
  }
  const resumed = async () => {
    const result = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
    expect(result.exitCode, told(result)).toBe(0)
    await expectSettled()
  }

  describe.each(repeat(3))('run %i', (run) => {
    test('its SSH is cut before the switch, for longer than its timer waits, and after it: drained once more, then on', async () => {
      await trials.run('the SSH of the balancer is cut, before the switch of one host and after that of another', run, async () => {
        await Promise.all([hang('h2', 'hook'), hang('h3', 'start')])
        next('ssh')
        const started = suite.project.start(['deploy'], { env: TIMER_TOO })
        await untilHangs(started, 'h2', 'hook')
        await cutSsh([lab.balancer.address])
        // Nobody's heart beats there: the timer brings the old process back, behind our back.
        await reach(started, 'the timer brought h2 back', async () => isReady(await serverView(lab, 'h2')))
        await goOn('h2', 'hook')
        await reach(started, 'it cannot be talked to', saysOf('h2', 'cannot be talked to'))
        await healSsh()
        await untilHangs(started, 'h3', 'start')
        expect(started.stderr()).toContain(AGAIN)
        await cutSsh([lab.balancer.address])
        await goOn('h3', 'start')
        await reach(started, 'it cannot be talked to at the end of h3', saysOf('h3', 'cannot be talked to'))
        await healSsh()
        await succeeded(started)
      })
    })

    test('reloaded while a host is drained, and while one comes back: nothing of it is believed', async () => {
      await trials.run('HAProxy is reloaded while a host is drained, and while another one comes back', run, async () => {
        const reload = () => mustInHost('lb1', 'systemctl reload haproxy')
        await hang('h2', 'hook')
        next('reloaded')
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h2', 'hook')
        await reload()
        await reach(started, 'HAProxy forgot the drain', async () => isReady(await serverView(lab, 'h2')))
        await goOn('h2', 'hook')
        await reach(started, 'h3 comes back', began('h3', 'enable'))
        await reload()
        await succeeded(started)
        expect(started.stderr()).toContain(AGAIN)
      })
    })

    test('restarted while a host is drained: lost is only what was in its own hands', async () => {
      await trials.run('HAProxy is restarted while a host is drained (its own connections break)', run, async ({ away }) => {
        await hang('h2', 'hook')
        next('restarted')
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h2', 'hook')
        await away(() => mustInHost('lb1', 'systemctl restart haproxy'))
        await reach(started, 'HAProxy forgot the drain', async () => isReady(await serverView(lab, 'h2')))
        await goOn('h2', 'hook')
        await succeeded(started)
        expect(started.stderr()).toContain(AGAIN)
      })
    })

    test('C25: of a pair one is gone when a host comes back: a person is told, and `resume` ends it', async () => {
      const second = { kind: 'haproxy', hosts: ['lb1'], socket: '/run/haproxy/second.sock', backend: 'app', drain: { deadline: '20s' } }
      suite.project.configure({ ...HOOKS, balancer: [usualSettings(lab).balancer, second] })
      await startSecond()
      try {
        await trials.run('C25: one of two balancers is gone when a host comes back; later `resume`', run, async () => {
          await hang('h2', 'start')
          next('pair')
          const started = suite.project.start(['deploy'], { env: { ROLLGATE_PATIENCE_SECONDS: '3' } })
          await untilHangs(started, 'h2', 'start')
          await stopSecond()
          await goOn('h2', 'start')
          const ended = await started.ended
          expect(ended.exitCode, ended.stderr).toBe(6)
          expect(ended.stderr).toContain('rollgate resume')
          await startSecond()
          const back = await suite.project.json(['resume'], { home: elsewhere() })
          expect(back.exitCode, told(back)).toBe(5)
          await expectSettled()
        })
      } finally {
        await stopSecond()
        suite.project.configure(HOOKS)
      }
    })

    test('C27: the operator is gone and the app is dead: the timer leaves it out, and `status` says so', async () => {
      await trials.run('C27: kill -9 while the app of a host is dead: the timer leaves it out; later `resume`', run, async () => {
        await hang('h2', 'start')
        next('dead')
        const started = suite.project.start(['deploy'], { env: TIMER_TOO })
        await untilHangs(started, 'h2', 'start')
        await killed(started)
        const status = await until(
          'the timer has looked',
          async () => {
            const { document } = await suite.project.json<StatusDocument>(['status'], { home: elsewhere() })
            return document.unfinished !== null && document.drift.some((each) => each.kind === 'orphaned') && document
            // It gives the app a minute to pass a check.
          },
          150_000,
        )
        expect(status.unfinished?.next.join('\n')).toContain('rollgate resume')
        expect(isReady(await serverView(lab, 'h2'))).toBe(false)
        await goOn('h2', 'start')
        await resumed()
      })
    })
  })

  /** Beside the first, on port 81: nobody's requests come through it, but every server is in it. */
  async function startSecond(): Promise<void> {
    await mustInHost(
      'lb1',
      `sed -e 's#/run/haproxy/admin.sock#/run/haproxy/second.sock#' -e '/9999/d' -e 's#bind :80$#bind :81#' /etc/haproxy/haproxy.cfg > /run/second.cfg
haproxy -f /run/second.cfg -D -p /run/second.pid`,
    )
  }
  async function stopSecond(): Promise<void> {
    await mustInHost(
      'lb1',
      '[ ! -s /run/second.pid ] || kill $(cat /run/second.pid) 2>/dev/null; rm -f /run/second.pid /run/haproxy/second.sock',
    )
  }
})
