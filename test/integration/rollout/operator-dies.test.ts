// The operator's machine dies in the middle of a rollout, under load. Another machine, with an empty home folder, goes on
// or takes it back; or nobody does, and the dead-man timer brings the drained host back. No request is lost.
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Stamped } from '../../../src/domain/event.ts'
import { until } from '../sandbox/helpers.ts'
import { aFleet, stepBegan, stepEnded } from './world.ts'

const SHORT = { ROLLGATE_LEASE_SECONDS: '6', ROLLGATE_DEAD_MAN_SECONDS: '5' }
const LONG = { ROLLGATE_LEASE_SECONDS: '6', ROLLGATE_DEAD_MAN_SECONDS: '600' }
const PATIENCE = { timeout: 180_000 }

const everyMoment: readonly (readonly [string, (event: Stamped) => boolean])[] = [
  ['while the canary drains', stepBegan('web-1/drain')],
  ['after the canary was drained', stepEnded('web-1/drain')],
  ['in the middle of the restart', stepBegan('web-1/restart')],
  ['while the canary is proven', stepBegan('web-1/prove')],
  ['while it comes back', stepBegan('web-1/enable')],
  ['between two hosts', stepEnded('web-1/enable')],
]

// Each run of CI tries one of them, ROLLGATE_FULL=1 all: the end-to-end suite kills on real hosts as well.
const isFull = process.env.ROLLGATE_FULL === '1'
const moments = isFull ? everyMoment : everyMoment.filter((_, index) => index === 2)

// The lab's real hosts show the others too (test/e2e/part3-operator): here they run where there is no lab, and in the long form.
const onLab = !isFull && process.platform === 'linux' && process.getuid?.() === 0

describe('kill -9', () => {
  test.skipIf(onLab).each(moments)('%s: another machine resumes, and every host is on the new release', PATIENCE, async (_when, seen) => {
    const world = await aFleet(2, LONG)
    const traffic = world.traffic()
    await world.start('ada', 'deploy').killWhen(seen)

    const blocked = await world.run('bob', 'deploy')
    expect(blocked).toMatchObject({ exitCode: 10, document: { outcome: 'refused', error: { code: 'E_LOCKED' } } })
    const resumed = await world.run('bob', 'resume')
    expect(resumed, resumed.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })

    const status = await world.run('bob', 'status')
    const hosts = status.document.hosts as readonly { readonly release: string; readonly phase: string }[]
    expect(new Set(hosts.map((host) => host.release.replace(/-.*/, '')))).toEqual(new Set(['r2']))
    expect(status.document).toMatchObject({ lock: null, unfinished: null, drift: [] })
    const lost = await traffic.stop()
    expect(lost).toMatchObject({ failed: 0 })
    expect(lost.requests).toBeGreaterThan(10)
  })

  test.skipIf(onLab)('abort from another machine takes everything back, with exit 0', PATIENCE, async () => {
    const world = await aFleet(2, LONG)
    const traffic = world.traffic()
    await world.start('ada', 'deploy').killWhen(stepBegan('web-2/drain'))
    const aborted = await world.run('bob', 'abort')
    expect(aborted, aborted.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'rolled-back' } })
    const status = await world.run('bob', 'status')
    const hosts = status.document.hosts as readonly { readonly release: string }[]
    expect(hosts.map((host) => host.release.replace(/-.*/, ''))).toEqual(['r1', 'r1'])
    expect(status.document).toMatchObject({ lock: null, unfinished: null })
    expect(await traffic.stop()).toMatchObject({ failed: 0 })
    expect(await world.run('bob', 'resume')).toMatchObject({ exitCode: 0, document: { outcome: 'unchanged' } })
    expect(await world.run('bob', 'promote')).toMatchObject({ exitCode: 3 })
  })

  test('with nobody to take it up, the timer brings the healthy host back, and says so', PATIENCE, async () => {
    const world = await aFleet(2, SHORT)
    const traffic = world.traffic()
    await world.start('ada', 'deploy').killWhen(stepEnded('web-1/restart'))
    expect(await world.status('web-1')).not.toBe('UP')
    await until(async () => (await world.status('web-1')) === 'UP')
    expect(await traffic.stop()).toMatchObject({ failed: 0 })
    const status = await world.run('bob', 'status')
    const drift = status.document.drift as readonly { readonly kind: string; readonly message: string }[]
    expect(drift.map(({ kind }) => kind)).toContain('self-restored')
    expect(await world.run('bob', 'resume')).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
  })

  test.skipIf(onLab)('a host that is not healthy stays out, whatever the timer does', PATIENCE, async () => {
    const world = await aFleet(2, SHORT)
    await world.project.setVersion('v3', 'error')
    await world.start('ada', 'deploy').killWhen(stepEnded('web-1/restart'))
    await until(async () => {
      const { document } = await world.run('bob', 'status')
      const drift = (document.drift ?? []) as readonly { readonly kind: string }[]
      return drift.some(({ kind }) => kind === 'orphaned')
    })
    expect(await world.status('web-1')).toBe('MAINT')
    const aborted = await world.run('bob', 'abort')
    expect(aborted, aborted.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'rolled-back' } })
    expect(await world.status('web-1')).toBe('UP')
  })
})

describe('two operators', () => {
  test.skipIf(onLab)('the second one is told who holds the lock; with --wait-lock it waits', PATIENCE, async () => {
    const world = await aFleet(2, LONG)
    // Long enough for two commands on a busy machine, between two hosts.
    const { configFile } = world.project
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace(/- deploy: 1 .*/, '- deploy: 1\n    - pause: 25s'))
    const first = world.start('ada', 'deploy')
    await until(() => first.events().some(stepBegan('web-1/drain')))
    const second = await world.run('bob', 'deploy')
    expect(second).toMatchObject({ exitCode: 10, document: { error: { code: 'E_LOCKED', host: 'web-1' } } })
    expect(await world.run('bob', 'resume')).toMatchObject({ exitCode: 10 })
    const waiting = await world.run('bob', 'restart', '--wait-lock', '5m')
    expect(waiting, waiting.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
    expect(await first.ended).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
  })

  test.skipIf(onLab)('a holder that was suspended is refused at its next step once the lock was taken away', PATIENCE, async () => {
    const world = await aFleet(2, LONG)
    const first = world.start('ada', 'deploy')
    await until(() => first.events().some(stepBegan('web-1/prove')))
    first.child.kill('SIGSTOP')
    expect(await world.run('bob', 'lock', 'release')).toMatchObject({ exitCode: 2, document: { error: { code: 'E_ANSWER_NEEDED' } } })
    expect(await world.run('bob', 'lock', 'release', '--confirm', 'demo')).toMatchObject({ exitCode: 0, document: { released: true } })
    expect(await world.run('bob', 'lock')).toMatchObject({ document: { lock: null, unfinished: null } })
    first.child.kill('SIGCONT')
    expect(await first.ended).toMatchObject({ exitCode: 10, document: { outcome: 'refused', error: { code: 'E_LOCKED' } } })
    const after = await world.run('bob', 'deploy')
    expect(after, after.stderr).toMatchObject({ exitCode: 0, document: { outcome: 'succeeded' } })
  })
})
