// Hooks and units that do not behave, under load: a hook that hangs, one that leaves a child behind, one that prints a
// gigabyte, a unit that does not stop, and sudo that wants a password just when somebody else goes on. What a host may do
// wrong holds up neither the rollout nor its way back, and no request is lost.
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeOnLab, inHost, mustInHost } from '../helpers/lab.ts'
import { goOn, hang, hanging, healing, untilHangs } from './helpers/faults.ts'
import { APP_UNIT, emptyFleet, fleet } from './helpers/fleet.ts'
import { deployed, expectWholeAgain, told, useProject } from './helpers/suite.ts'
import { builder, killed, LEASE_ONLY, repeat, useTrials } from './helpers/trials.ts'

/** Its stop hangs where it is told to; systemd gives up on it after two seconds. */
const UNIT = APP_UNIT.replace('[Install]', `ExecStop=/bin/sh -c '${hanging('stop')}'\nTimeoutStopSec=2\n[Install]`)
const LOUD = `case $ROLLGATE_HOST in
h1) sleep 3001 & echo 'left a child behind';;
h2) yes 'a line that is printed again and again' | head -c 1000000000; echo 'the last line';;
esac`
const hook = (run: string, timeout = '60s') => ({ hooks: { before_activate: [{ name: 'look', run, on: 'host', timeout }] } })

describeOnLab('what runs on a host does not behave', (lab) => {
  healing(async () => {
    suite.project.killAll()
    suite.project.configure()
    await sudoWants('NOPASSWD')
    await emptyFleet(lab, UNIT)
    await deployed(suite.project, 'once more')
  })
  const suite = useProject(lab, 'part3-service', UNIT)
  const trials = useTrials(lab)
  let next: ReturnType<typeof builder> = () => {}
  const elsewhere = () => join(suite.project.home, '..', 'elsewhere')
  const sudoWants = (what: 'PASSWD' | 'NOPASSWD') =>
    mustInHost('h2', `sed -i -E 's/(NO)?PASSWD:/${what}:/' /etc/sudoers.d/lab && visudo -cq`)

  beforeAll(async () => {
    await sudoWants('NOPASSWD')
    await deployed(suite.project, 'first')
    next = builder(suite.project)
  })

  const expectSettled = (release?: string) => expectWholeAgain(lab, suite.project, elsewhere(), release)

  describe.each(repeat(3))('run %i', (run) => {
    test('a hook that leaves a child behind, one that prints a gigabyte, and a stop that hangs hold nobody up', async () => {
      suite.project.configure(hook(LOUD))
      await trials.run('a hook leaves a child behind, another one prints 1 GB, the stop of a unit hangs', run, async () => {
        await hang('h3', 'stop')
        next('loud')
        const { exitCode, document, stderr } = await suite.project.json(['deploy'])
        expect(exitCode, told({ document, stderr })).toBe(0)
        await goOn('h3', 'stop')
        await expectSettled(String(document.release))
        // Nobody's output was waited for, and nobody's child was ended.
        expect((await inHost('h1', 'pkill -x -f "sleep 3001"')).exitCode).toBe(0)
        expect(await mustInHost('h2', 'find /srv/app/.rollgate -size +1M')).toBe('')
      })
    })

    test('a hook that hangs is ended with all that it started, and the host comes back as it was', async () => {
      suite.project.configure(hook('echo "before it hangs"; sleep 3002 & sleep 3002', '2s'))
      await trials.run('a hook hangs: it is ended at its timeout, and the rollout taken back', run, async () => {
        const before = await fleet(lab)
        next('hanging')
        const result = await suite.project.json(['deploy'])
        expect(result.exitCode, told(result)).toBe(5)
        expect(result.document).toMatchObject({ outcome: 'rolled-back', error: { code: 'E_HOOK', host: 'h1' } })
        expect(told(result)).toContain('did not end within 2 s')
        expect(result.document.error?.evidence?.join('\n')).toContain('before it hangs')
        expect((await inHost('h1', 'pgrep -x -f "sleep 3002"')).exitCode).toBe(1)
        await expectSettled(before[0]?.release ?? 'none')
      })
    })

    test('sudo wants a password where somebody goes on without a terminal: refused, untouched, and possible later', async () => {
      suite.project.configure(hook(hanging('hook')))
      await trials.run('sudo wants a password when another machine resumes: refused; `abort` later', run, async () => {
        const before = await fleet(lab)
        await hang('h2', 'hook')
        next('sudo')
        const started = suite.project.start(['deploy'], { env: LEASE_ONLY })
        await untilHangs(started, 'h2', 'hook')
        await killed(started)
        await goOn('h2', 'hook')
        await sudoWants('PASSWD')
        const pids = (await fleet(lab)).map((host) => host.pid)
        for (const command of ['resume', 'abort']) {
          const refused = await suite.project.json([command], { home: elsewhere(), env: LEASE_ONLY })
          expect(refused.exitCode, told(refused)).toBe(3)
          expect(refused.document).toMatchObject({ outcome: 'refused', error: { code: 'E_SUDO', host: 'h2' } })
        }
        expect((await fleet(lab)).map((host) => host.pid)).toEqual(pids)
        await sudoWants('NOPASSWD')
        const aborted = await suite.project.json(['abort'], { home: elsewhere(), env: LEASE_ONLY })
        expect(aborted.exitCode, told(aborted)).toBe(0)
        await expectSettled(before[0]?.release ?? 'none')
      })
    })
  })
})
