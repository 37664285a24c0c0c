// The demo as somebody new runs it: three rollouts under traffic, no request lost, nothing left behind.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aPlace, documentOf, run, start } from './cli.ts'

/** Its temporary folder is in ours: what it leaves can be seen. */
function aDesk() {
  const place = aPlace()
  const temporary = join(place.directory, 'tmp')
  mkdirSync(temporary)
  return { place, env: { TMPDIR: temporary }, left: () => readdirSync(temporary).filter((name) => name.startsWith('rollgate-')) }
}

test('shows a first deploy, a rolling one without a lost request, and a slow release that its load gate stops and undoes', async () => {
  const { place, env, left } = aDesk()
  try {
    const result = await run(['demo', '--hosts', '2', '--json'], place, { env, measures: true })
    expect(result.code, result.stderr).toBe(0)
    const document = documentOf(result)
    expect(document).toMatchObject({
      outcome: 'ok',
      rollouts: [
        { outcome: 'succeeded', failed: 0 },
        { outcome: 'succeeded', failed: 0, requests: expect.any(Number) },
        { outcome: 'rolled-back', failed: 0, requests: expect.any(Number) },
      ],
    })
    expect(result.stderr).toMatch(/gate canary \(isolated\): PASS/)
    expect(result.stderr).toMatch(/E_GATE_FAILED/)
    expect(result.stderr).toMatch(/slow [\d.]+ % \([\d.]+ to [\d.]+\), allowed < 1 %: FAIL at look/)
    expect(left()).toEqual([])
  } finally {
    place.remove()
  }
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in the middle of it: the host in hand is finished, everything is taken away, %i', async (signal, code) => {
  const { place, env, left } = aDesk()
  try {
    const started = start(['demo', '--hosts', '2'], place, { env })
    await expect.poll(() => started.stderr(), { timeout: 120_000 }).toContain('roll out')
    started.child.kill(signal)
    const ended = await started.ended
    expect([ended.code, ended.signal], ended.stderr).toEqual([code, null])
    expect(left()).toEqual([])
  } finally {
    place.remove()
  }
})
