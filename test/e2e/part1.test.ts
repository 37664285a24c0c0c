// The promise of the whole tool: deploy, rollback, restart and a canary that fails and is undone, each while users come
// through HAProxy without a pause, to an app that dies at once on SIGTERM: 0 failed requests, and never fewer servers
// ready than `min_ready`, in HAProxy's own statistics. Once each by default; ROLLGATE_FULL=1 does each ten times and
// writes what it saw to test/results/part1.json.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeOnLab } from '../helpers/lab.ts'
import { fleet } from './helpers/fleet.ts'
import { type CliResult, usualSettings } from './helpers/project.ts'
import { deployed, expectNothingLost, expectWhole, underLoad, useProject, type Watched } from './helpers/suite.ts'

const full = process.env.ROLLGATE_FULL === '1'
const runs = Array.from({ length: full ? 10 : 1 }, (_, index) => index + 1)

type Row = {
  readonly what: string
  readonly run: number
  readonly requests: number
  readonly failed: number
  readonly classes: Readonly<Record<string, number>>
  readonly slowestMs: number
  readonly leastReady: number
  readonly seconds: number
  readonly exitCode: number
}
const rows: Row[] = []

describeOnLab('no request is lost', (lab) => {
  const suite = useProject(lab, 'part1')
  let release = ''
  let previous = ''

  const record = (what: string, run: number, { result, load, looked }: Watched<CliResult & { readonly seconds: number }>) =>
    rows.push({
      what,
      run,
      requests: load.requests,
      failed: load.failed,
      classes: load.classes,
      slowestMs: load.slowestMs,
      leastReady: looked.leastReady,
      seconds: Math.round(result.seconds * 10) / 10,
      exitCode: result.exitCode,
    })
  const rollout = async (what: string, run: number, words: readonly string[]) => {
    const watched = await underLoad(lab, async () => {
      const began = performance.now()
      const result = await suite.project.json(words)
      return { ...result, seconds: (performance.now() - began) / 1000 }
    })
    record(what, run, watched)
    return watched
  }
  const told = ({ document, stderr }: CliResult) => `${JSON.stringify(document.error, null, 2)}\n${stderr}`

  beforeAll(async () => {
    // The canary fails when it is over; a good one needs a part of it on a busy machine.
    suite.project.configure({ health: { ...(usualSettings(lab).health as object), deadline: '10s' } })
    previous = await deployed(suite.project, 'first')
    release = await deployed(suite.project, 'second')
    expect(release).not.toBe(previous)
  })

  describe.each(runs)('run %i', (run) => {
    test('deploy', async () => {
      suite.project.build(`deploy ${run}`)
      const watched = await rollout('deploy', run, ['deploy'])
      expect(watched.result.exitCode, told(watched.result)).toBe(0)
      expectNothingLost(lab, watched)
      previous = release
      release = String(watched.result.document.release)
      expect(watched.result.document).toMatchObject({ outcome: 'succeeded' })
      expect(watched.result.document.minReadySeen).toBeGreaterThanOrEqual(lab.hosts.length - 1)
      expect(watched.load.releases[release]).toBeGreaterThan(0)
      await expectWhole(lab, release)
    })

    test('restart', async () => {
      const before = await fleet(lab)
      const watched = await rollout('restart', run, ['restart'])
      expect(watched.result.exitCode, told(watched.result)).toBe(0)
      expectNothingLost(lab, watched)
      const after = await expectWhole(lab, release)
      expect(after.filter((host, index) => host.pid === before[index]?.pid)).toEqual([])
    })

    test('a failing canary is undone', async () => {
      suite.project.build(`canary ${run}`, { kind: 'error' })
      const before = await fleet(lab)
      const watched = await rollout('canary undone', run, ['deploy'])
      expect(watched.result.exitCode, told(watched.result)).toBe(5)
      expectNothingLost(lab, watched)
      expect(watched.result.document).toMatchObject({ outcome: 'rolled-back', error: { code: 'E_UNHEALTHY' } })
      const after = await expectWhole(lab, release)
      // Only the canary was ever touched.
      expect(after.filter((host, index) => host.pid !== before[index]?.pid)).toHaveLength(1)
    })

    test('rollback', async () => {
      const watched = await rollout('rollback', run, ['rollback'])
      expect(watched.result.exitCode, told(watched.result)).toBe(0)
      expectNothingLost(lab, watched)
      const back = String(watched.result.document.release)
      expect(back).not.toBe(release)
      // Later there are several good ones that are older; which of them it is, is not what is asked here.
      if (run === 1) expect(back).toBe(previous)
      release = back
      await expectWhole(lab, release)
    })
  })

  afterAll(() => {
    if (!full || rows.length === 0) return
    const folder = fileURLToPath(new URL('../results/', import.meta.url))
    const git = (...words: readonly string[]) => execFileSync('git', words, { encoding: 'utf8', cwd: folder }).trim()
    mkdirSync(folder, { recursive: true })
    const table = {
      what: 'ROLLGATE_FULL=1 npm test -- e2e/part1',
      commit: git('rev-parse', 'HEAD'),
      date: new Date().toISOString(),
      hosts: lab.hosts.length,
      runs: rows,
    }
    writeFileSync(`${folder}part1.json`, `${JSON.stringify(table, null, 2)}\n`)
  })
})
