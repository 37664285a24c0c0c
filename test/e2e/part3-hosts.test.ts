// Hosts, their disks, their clocks and their network fail in the middle of a rollout, under load. The fleet ends as
// docs/failures.md says, and no request is lost but those that a host which lost its power had in its hands.
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeOnLab, labDo, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { cutSsh, goOn, hang, hanging, healing, healSsh, lasting, powerCycle, untilHangs } from './helpers/faults.ts'
import { APP_UNIT, emptyFleet, fleet } from './helpers/fleet.ts'
import { givenUp, isReady, servers } from './helpers/haproxy.ts'
import { deployed, expectWhole, expectWholeAgain, told, useProject } from './helpers/suite.ts'
import { began, builder, full, killed, LEASE_ONLY, reach, repeat, useTrials } from './helpers/trials.ts'

const UNIT = APP_UNIT.replace(
  '[Install]',
  `ExecStartPre=/bin/sh -c '${hanging('start')}'\nExecStop=/bin/sh -c '${hanging('stop')}'\n[Install]`,
)
const HOOKS = { hooks: { before_activate: [{ name: 'look', run: hanging('hook'), on: 'host' }] } }

describeOnLab('a host fails', (lab) => {
  healing(async () => {
    suite.project.killAll()
    suite.project.configure(HOOKS)
    await emptyFleet(lab, UNIT)
    await deployed(suite.project, 'once more')
  })
  const suite = useProject(lab, 'part3-hosts', UNIT)
  const trials = useTrials(lab)
  let next: ReturnType<typeof builder> = () => {}
  const elsewhere = () => join(suite.project.home, '..', 'elsewhere')
  const everything = () => [...lab.hosts, lab.balancer].map((host) => host.address)

  beforeAll(async () => {
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

  describe.each(repeat(3))('run %i: power', (run) => {
    test('lost while a host is out of rotation, and there again: the rollout goes on from where it was', async () => {
      await trials.run('a host loses its power while it is drained, switched, restarted, proved; boots again', run, async () => {
        await Promise.all([hang('h1', 'hook'), hang('h2', 'stop'), hang('h3', 'start')])
        next('power', { kind: 'slow-start', startMs: 2500, only: 'h4' })
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h1', 'hook')
        await powerCycle('h1')
        await untilHangs(started, 'h2', 'stop')
        await powerCycle('h2')
        await untilHangs(started, 'h3', 'start')
        await powerCycle('h3')
        await reach(started, 'h4 is proved', began('h4', 'prove'))
        await powerCycle('h4')
        await succeeded(started)
      })
    })

    test('lost while it comes back, before its turn, and after it: only what it had in its hands is lost', async () => {
      await trials.run(
        'a host that serves loses its power, before its turn and after it, and one that comes back; boots again',
        run,
        async ({ away }) => {
          const loses = (name: string) => away(() => powerCycle(name, () => givenUp(lab, name)))
          await hang('h3', 'hook')
          next('power')
          const started = suite.project.start(['deploy'])
          await reach(started, 'h1 comes back', began('h1', 'enable'))
          await loses('h1')
          await untilHangs(started, 'h3', 'hook')
          await loses('h4')
          await untilAllBut(['h3'])
          await loses('h2')
          await untilAllBut(['h3'])
          await goOn('h3', 'hook')
          await succeeded(started)
        },
        { leastReady: 2 },
      )
    })
  })

  const untilAllBut = (names: readonly string[]) =>
    until(`HAProxy has all ready but ${names.join(', ')}`, async () =>
      (await servers(lab)).every((server) => names.includes(server.name) || (isReady(server) && !server.status.includes('/'))),
    )

  describe.each(repeat(3))('run %i: network', (run) => {
    test('cut for 3 s in each step of a host: the rollout goes on', async () => {
      await trials.run('the network of a host is cut for 3 s', run, async () => {
        next('cut')
        const started = suite.project.start(['deploy'])
        for (const [host, step] of [
          ['h1', 'drain'],
          ['h2', 'restart'],
          ['h3', 'prove'],
          ['h4', 'enable'],
        ] as const) {
          await reach(started, `${host} ${step}`, began(host, step))
          await labDo('cut', host)
          await lasting(3)
          await labDo('heal', host)
        }
        await succeeded(started)
      })
    })

    test('cut for longer than a host is waited for: the others go back, and `resume` ends it when it is there again', async () => {
      const [before] = await fleet(lab)
      // One more may go than is gone, or nobody could be taken back.
      suite.project.configure({ ...HOOKS, rollout: { min_ready: 2 } })
      await trials.run(
        'the network of a host is cut for 3 min: the others go back; later `resume`',
        run,
        async () => {
          await hang('h2', 'hook')
          next('cut long')
          const began = performance.now()
          // The quick form waits for seconds, the full one for as long as everybody's rollout does.
          const started = suite.project.start(['deploy'], full ? {} : { env: { ROLLGATE_PATIENCE_SECONDS: '5' } })
          await untilHangs(started, 'h2', 'hook')
          await labDo('cut', 'h2')
          const ended = await started.ended
          expect(ended.exitCode, ended.stderr).toBe(6)
          expect(ended.stderr).toContain('h2 is lost, and out of rotation: app/h2 MAINT')
          // It is out, whatever it runs; everybody else serves what they served.
          const seen = await servers(lab)
          expect(seen.filter((server) => !isReady(server)).map((server) => server.name)).toEqual(['h2'])
          expect((await fleet(lab)).filter((host) => host.host !== 'h2').map((host) => host.release)).toEqual(
            Array.from({ length: 3 }, () => before?.release),
          )
          if (full) await lasting(Math.max(0, 180 - (performance.now() - began) / 1000))
          await labDo('heal', 'h2')
          await goOn('h2', 'hook')
          const resumed = await suite.project.json(['resume'], { home: elsewhere() })
          expect(resumed.exitCode, told(resumed)).toBe(5)
          expect(resumed.document).toMatchObject({ outcome: 'rolled-back' })
          const after = await expectSettled()
          expect(after[0]?.release).toBe(before?.release)
        },
        { leastReady: 2 },
      )
      suite.project.configure(HOOKS)
    })

    test('cut to all hosts at once: it is ours, nothing is counted, and the rollout goes on when it is back', async () => {
      await trials.run('all hosts are cut off at once: our own network', run, async () => {
        await hang('h2', 'hook')
        next('our own')
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h2', 'hook')
        await cutSsh(everything())
        await goOn('h2', 'hook')
        // A dead connection is noticed after three missed answers; then everybody is asked once.
        await reach(started, 'it is told', () => started.stderr().includes('no host answers at all'))
        await healSsh()
        await succeeded(started)
        expect((await started.ended).events.some((event) => event.type === 'step.failed' || event.type === 'host.failed')).toBe(false)
      })
    })

    test('slow and lossy: the rollout takes longer, and that is all', async () => {
      await trials.run('100 ms of delay and 5 % loss to every host', run, async () => {
        next('lossy')
        for (const host of lab.hosts) {
          await labDo('delay', host.name, '100ms')
          await labDo('loss', host.name, '5%')
        }
        await succeeded(suite.project.start(['deploy']))
      })
    })
  })

  describe.each(repeat(3))('run %i: clocks and boots', (run) => {
    test('one that was booted since its lease was written, and one whose `date` is an hour ahead: another machine goes on', async () => {
      await trials.run(
        'kill -9, one host is booted again, another one’s `date` is 1 h ahead; `resume` from another machine',
        run,
        async () => {
          await mustInHost(
            'h2',
            `printf '#!/bin/sh\\nexec /usr/bin/date -d "+1 hour" "$@"\\n' > /usr/local/bin/date && chmod 755 /usr/local/bin/date`,
          )
          next('clock')
          const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
          await hang('h2', 'hook')
          await untilHangs(started, 'h2', 'hook')
          await killed(started)
          await goOn('h2', 'hook')
          // h2 is out of rotation: nobody misses it.
          await powerCycle('h2')
          const resumed = await suite.project.json(['resume'], { home: elsewhere(), env: LEASE_ONLY })
          expect(resumed.exitCode, told(resumed)).toBe(0)
          await expectSettled()
        },
      )
    })

    test('one that was booted while its operator lives: a second operator is refused, and the first goes on', async () => {
      await trials.run('a host is booted again under its lease: a second operator is refused, the first goes on', run, async () => {
        await hang('h1', 'hook')
        next('booted')
        const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
        await untilHangs(started, 'h1', 'hook')
        await powerCycle('h1')
        await hang('h2', 'hook')
        await untilHangs(started, 'h2', 'hook')
        const second = await suite.project.json(['deploy'], { home: elsewhere() })
        expect(second.exitCode, told(second)).toBe(10)
        await goOn('h2', 'hook')
        await succeeded(started)
      })
    })
  })

  describe.each(repeat(3))('run %i: disk', (run) => {
    test('full before staging: exit 3, and nobody is touched', async () => {
      await trials.run('the disk of a host is full before staging', run, async () => {
        const before = await fleet(lab)
        await labDo('fill-disk', 'h3')
        next('full before')
        const { exitCode, document, stderr } = await suite.project.json(['deploy'])
        expect(exitCode, stderr).toBe(3)
        expect(document).toMatchObject({ outcome: 'refused', error: { code: 'E_DISK', host: 'h3' } })
        expect((await fleet(lab)).map((host) => host.pid)).toEqual(before.map((host) => host.pid))
      })
    })

    test('full in the middle of staging: exit 3, and nobody is touched', async () => {
      await trials.run('the disk of a host fills up during staging', run, async () => {
        const before = await fleet(lab)
        next('full during', { kind: 'good', megabytes: 40 })
        await labDo('rate', 'h3', '100mbit')
        const started = suite.project.start(['deploy'])
        await reach(started, 'h3 is sent something', (events) =>
          events.some((event) => event.type === 'stage.progress' && event.host === 'h3'),
        )
        // Less than what is still to come; all of it would race with what comes.
        await labDo('fill-disk', 'h3', '4M')
        const ended = await started.ended
        expect(ended.exitCode, ended.stderr).toBe(3)
        expect((await fleet(lab)).map((host) => host.pid)).toEqual(before.map((host) => host.pid))
      })
    })

    test('full when its ledger is to be written: it is not touched, and the others go back', async () => {
      await trials.run('the disk of a host is full when its ledger is to be written', run, async () => {
        const before = await fleet(lab)
        await hang('h1', 'hook')
        next('full ledger')
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h1', 'hook')
        await labDo('fill-disk', 'h2')
        await goOn('h1', 'hook')
        const ended = await started.ended
        expect(ended.exitCode, ended.stderr).toBe(5)
        const after = await expectWhole(lab, before[0]?.release ?? 'none')
        expect(after.filter((host) => host.host !== 'h1').map((host) => host.pid)).toEqual(
          before.filter((host) => host.host !== 'h1').map((host) => host.pid),
        )
        await labDo('free-disk', 'h2')
        await closed()
      })
    })

    test('full when it is out of rotation: it goes on or comes back, and is never left there', async () => {
      await trials.run('the disk of a host fills up after it was drained', run, async () => {
        const before = await fleet(lab)
        await hang('h2', 'hook')
        next('full drained')
        const started = suite.project.start(['deploy'])
        await untilHangs(started, 'h2', 'hook')
        await labDo('fill-disk', 'h2')
        await goOn('h2', 'hook')
        const ended = await started.ended
        // The release is there already: what is left needs a few bytes, which may be there or not.
        expect([0, 5], ended.stderr).toContain(ended.exitCode)
        const opened = ended.events.find((event) => event.type === 'rollout.opened')
        await expectWhole(lab, (ended.exitCode === 0 ? opened?.release : before[0]?.release) ?? 'none')
        await labDo('free-disk', 'h2')
        await closed()
      })
    })
  })

  /** A host that had no room for the last line of a rollout still calls it open: whoever goes on closes it. */
  const closed = async () => {
    const { exitCode, document, stderr } = await suite.project.json(['resume'], { home: elsewhere() })
    expect([0, 5], told({ document, stderr })).toContain(exitCode)
    await expectSettled()
  }
})
