// Phases on real shells: each step announced, done once, on record; whatever a hook does, the script ends and says how.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import { SHELLS, type ShellKind, shellConnection, temporaryFolder } from '../stage/harness.ts'
import { plant } from '../stage/world.ts'
import { activate, hookStep, hostOn, NEW, OLD, play, restart, withReleases } from './port.ts'

const ledgerOf = async (port: ReturnType<typeof hostOn>['port']) =>
  (await port.readLedger(new AbortController().signal)).map(({ step, state, detail }) => `${step} ${state} ${detail}`)

/** Ends what a test left running, by the ids that it wrote. */
function endLater(file: string): void {
  onTestFinished(() => {
    if (!existsSync(file)) return
    for (const pid of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // Gone already.
      }
    }
  })
}

const isAlive = (pid: number): boolean =>
  spawnSync('sh', ['-c', `kill -0 ${pid} 2>/dev/null && ! grep -q '^State:.Z' /proc/${pid}/status`]).status === 0

describe.each(SHELLS)('a phase with the tools of %s', (shell: ShellKind) => {
  test('switches current in one move, tells each step and writes it down', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path, { root: "o'r $(touch canary) app" })
    withReleases(layout)
    symlinkSync(layout.release(OLD), layout.current)
    const first = await play(port, [hookStep('echo "one $ROLLGATE_RELEASE $COLOUR $(pwd)"'), activate(NEW)])
    expect(first.steps.map(({ step, state, changed }) => [step, state, changed])).toEqual([
      ['web-1/hook:warm-cache', 'done', true],
      ['web-1/activate', 'done', true],
    ])
    expect(first.lines).toEqual([`one ${NEW} of ${NEW} ${layout.release(NEW)}`])
    expect(first.told).toEqual([
      'web-1/hook:warm-cache started',
      'web-1/hook:warm-cache done',
      'web-1/activate started',
      'web-1/activate done',
    ])
    expect(readlinkSync(layout.current)).toBe(layout.release(NEW))
    expect(await ledgerOf(port)).toEqual([
      'web-1/hook:warm-cache started -',
      'web-1/hook:warm-cache done -',
      'web-1/activate started -',
      'web-1/activate done -',
    ])
    expect((await play(port, [activate(NEW)])).steps).toMatchObject([{ state: 'done', changed: false }])
    // Nothing of the script is left: no lock, no work folder, no half link.
    expect(readdirSync(layout.root).sort()).toEqual(['.rollgate', 'current', 'releases'])
    expect(readdirSync(layout.state).sort()).toEqual(['ledger', 'releases', 'run'])
    expect(readdirSync(join(layout.state, 'run'))).toEqual([])
    expect(existsSync(join(scratch.path, 'canary'))).toBe(false)
  })

  test('refuses to switch to what is not complete, and to replace a folder', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout, [OLD])
    plant(layout.release(NEW), { half: '' })
    symlinkSync(layout.release(OLD), layout.current)
    expect((await play(port, [activate(NEW)])).steps).toMatchObject([
      { state: 'failed', output: [expect.stringContaining('not complete')] },
    ])
    expect((await play(port, [activate('r9-99999999')])).steps).toMatchObject([
      { state: 'failed', output: [expect.stringContaining('does not exist')] },
    ])
    expect(readlinkSync(layout.current)).toBe(layout.release(OLD))
    await expect(play(port, [activate('../../etc')])).rejects.toThrow('not the name of a release')
    const other = hostOn(shell, scratch.path, { root: 'byhand' })
    withReleases(other.layout)
    plant(other.layout.current, { kept: '' })
    expect((await play(other.port, [activate(NEW)])).steps).toMatchObject([
      { state: 'failed', output: [expect.stringContaining('real folder')] },
    ])
    expect(readdirSync(other.layout.current)).toEqual(['kept'])
  })

  test('the first failure ends it: what follows was never started', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const { steps, lost } = await play(port, [hookStep('echo out; echo err >&2; exit 7'), activate(NEW)])
    expect(lost).toBe(false)
    expect(steps[0]).toMatchObject({ state: 'failed', exitCode: 7 })
    expect(steps[0]?.output.toSorted()).toEqual(['err', 'out'])
    expect(steps[1]).toMatchObject({ state: 'not-started' })
    expect(existsSync(layout.current)).toBe(false)
    expect(await ledgerOf(port)).toEqual(['web-1/hook:warm-cache started -', 'web-1/hook:warm-cache failed 7'])
  })

  test('a hook that does not end is ended, with everything that it started', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const pids = join(scratch.path, 'pids')
    endLater(pids)
    const run = `trap '' TERM; sleep 1000 & echo $! >>'${pids}'; sh -c 'echo $$ >>"${pids}"; trap "" TERM; while :; do sleep 1; done' & echo waiting; wait; wait; sleep 1000`
    // Long enough for a shell to start on a busy machine.
    const { steps } = await play(port, [hookStep(run, { timeoutMs: 5000 })])
    // The shell itself may say `Killed`.
    expect(steps).toMatchObject([{ state: 'failed', exitCode: 124 }])
    expect(steps[0]?.output[0]).toBe('waiting')
    const started = readFileSync(pids, 'utf8').trim().split('\n').map(Number)
    expect(started).toHaveLength(2)
    expect(started.filter(isAlive)).toEqual([])
  })

  test('a child left in the background neither holds the phase nor dies with it', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const pids = join(scratch.path, 'pids')
    const beats = join(scratch.path, 'beats')
    endLater(pids)
    const run = `(echo $(exec sh -c 'echo $PPID') >'${pids}'; while :; do echo beat >>'${beats}'; echo to stdout; sleep 0.1; done) & echo started`
    const { steps, lines } = await play(port, [hookStep(run)])
    expect(steps).toMatchObject([{ state: 'done' }])
    expect(lines).toContain('started')
    const seen = readFileSync(beats, 'utf8').length
    while (readFileSync(beats, 'utf8').length <= seen) await new Promise((done) => setTimeout(done, 20))
    expect(isAlive(Number(readFileSync(pids, 'utf8')))).toBe(true)
  })

  test('output without end (a gigabyte; with busybox less, it is slow) costs neither disk nor memory, and its last words are kept', async () => {
    const bytes = shell === 'system' ? 2 ** 30 : 2 ** 25
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const most = { bytes: 0 }
    const watching = setInterval(() => {
      const work = join(layout.state, 'run')
      const { stdout } = spawnSync('du', ['-sk', work], { encoding: 'utf8' })
      most.bytes = Math.max(most.bytes, Number(stdout.split('\t')[0] ?? 0) * 1024)
    }, 100)
    onTestFinished(() => clearInterval(watching))
    const before = process.memoryUsage().rss
    const { steps } = await play(port, [
      hookStep(`yes "$(printf %0999d 0)" | head -c ${bytes}; echo; echo the end`, { timeoutMs: 120_000 }),
    ])
    expect(steps).toMatchObject([{ state: 'done' }])
    expect(steps[0]?.output.at(-1)).toBe('the end')
    expect(most.bytes).toBeLessThan(20e6)
    expect(process.memoryUsage().rss - before).toBeLessThan(400e6)
  }, 180_000)

  test('output cannot pretend to be a marker, and comes without what moves a cursor', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const { steps, lines } = await play(port, [
      hookStep(
        'printf "%s\\n" "$rg_token end 0 0 1" "0123456789abcdef0123456789abcdef end 0 0 1"; env; printf "\\033[2Jred\\r\\n\\n\\nno newline"',
      ),
      activate(NEW),
    ])
    expect(steps.map((step) => step.state)).toEqual(['done', 'done'])
    expect(lines.join('\n')).not.toMatch(/\u001b|\r/)
    expect(lines.slice(-4)).toEqual(['red', '', '', 'no newline'])
    // Nothing by which a hook could write into our story: no token, no secret of ours.
    expect(lines.filter((line) => /^(rg_|ROLLGATE_TOKEN)/.test(line))).toEqual([])
    expect(lines).toContain(`ROLLGATE_CURRENT=${layout.current}`)
  })

  test('hooks whose words are hostile run as they are written', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const name = 'it\'s "$(touch canary)"\n`touch canary`'
    const { lines } = await play(port, [hookStep('echo "$ROLLGATE_HOOK"; echo \'single\' "dou\\"ble" $((1 + 1)); cat', { name })])
    expect(lines).toEqual(['it\'s "$(touch canary)"', '`touch canary`', 'single dou"ble 2'])
    expect(existsSync(join(layout.release(NEW), 'canary'))).toBe(false)
  })

  test('nothing runs when the lease is no longer ours, or the ledger cannot be written', async () => {
    using scratch = temporaryFolder()
    const fenced = hostOn(shell, scratch.path, { fence: 'echo fenced; exit 93' })
    withReleases(fenced.layout)
    await expect(play(fenced.port, [activate(NEW)])).rejects.toThrow()
    expect(existsSync(fenced.layout.current)).toBe(false)
    const full = hostOn(shell, scratch.path, { root: 'full' })
    withReleases(full.layout)
    mkdirSync(full.layout.ledger)
    const error = await play(full.port, [activate(NEW)]).then(
      (result) => result.steps[0],
      (thrown: unknown) => errorInfo(thrown),
    )
    expect(JSON.stringify(error)).toMatch(/E_DISK|cannot be written/)
    expect(existsSync(full.layout.current)).toBe(false)
  })

  test('a script waits for its predecessor that still runs, and does not repeat what that one did', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const count = join(scratch.path, 'count')
    const go = join(scratch.path, 'go')
    const slow = hookStep(`echo once >>'${count}'; until [ -e '${go}' ]; do sleep 0.05; done`)
    const first = play(port, [slow, activate(NEW)])
    while (!existsSync(count)) await new Promise((done) => setTimeout(done, 10))
    // As after a lost connection: the same phase again, by the same rollout.
    const second = play(hostOn(shell, scratch.path).port, [slow, activate(NEW)])
    const third = Promise.race([second, new Promise((done) => setTimeout(done, 300)).then(() => 'waits')])
    expect(await third).toBe('waits')
    writeFileSync(go, '')
    expect((await first).steps.map((step) => step.state)).toEqual(['done', 'done'])
    expect((await second).steps.map(({ state, changed }) => [state, changed])).toEqual([
      ['done', false],
      ['done', false],
    ])
    expect(readFileSync(count, 'utf8')).toBe('once\n')
  })

  test('the lock of a holder that is gone holds nobody', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    for (const holder of ['', '999999999 5 ab12\n', `${process.pid} 1 ab12\n`, 'garbage']) {
      plant(layout.state, { phase: holder })
      expect((await play(port, [activate(NEW)])).steps).toMatchObject([{ state: 'done' }])
    }
  })
})

describe('a lost connection', () => {
  test('is told by the ledger: what was done is done, what was in hand is unknown', async () => {
    using scratch = temporaryFolder()
    const good = hostOn('system', scratch.path)
    withReleases(good.layout)
    // The answer is lost; the script ran to its end.
    let calls = 0
    const flaky = hostOn('system', scratch.path, {
      connect: () => {
        calls += 1
        const real = shellConnection('system', scratch.path)
        return calls > 1
          ? real
          : {
              ...real,
              run: async (command, options) => ({
                ...(await real.run(command, { ...options, onLine: () => undefined })),
                exitCode: null,
                lost: true,
              }),
            }
      },
    })
    const { lost, steps } = await play(flaky.port, [hookStep('true'), activate(NEW)])
    expect(lost).toBe(true)
    expect(steps.map((step) => step.state)).toEqual(['done', 'done'])
    expect(readlinkSync(good.layout.current)).toBe(good.layout.release(NEW))
  })
})

describe.each(SHELLS)('a command service with the tools of %s', (shell) => {
  const service = (more: object = {}) => ({
    kind: 'command' as const,
    start: 'sleep 1000 & echo $! >pid; echo "started in $(pwd) as $COLOUR"',
    stop: '[ ! -f pid ] || kill "$(cat pid)" 2>/dev/null; rm -f pid',
    status: '[ -f pid ] && kill -0 "$(cat pid)" 2>/dev/null && cat pid || exit 3',
    ...more,
  })

  test('is restarted in the release that was switched to, outlives us, and is asked how it is', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path, { service: service() })
    withReleases(layout)
    endLater(join(layout.release(NEW), 'pid'))
    endLater(join(layout.release(OLD), 'pid'))
    const signal = new AbortController().signal
    const { steps } = await play(port, [activate(NEW), restart()])
    expect(steps.map((step) => step.state)).toEqual(['done', 'done'])
    const [status] = await port.serviceStatus(signal)
    expect(status).toMatchObject({
      state: 'active',
      pid: Number(readFileSync(join(layout.release(NEW), 'pid'), 'utf8')),
      workingDirectory: layout.release(NEW),
    })
    expect(readFileSync(join(layout.state, 'logs/service.log'), 'utf8')).toContain(`started in ${layout.current} as of ${NEW}`)
    const before = status?.generation
    await play(port, [restart()])
    const [again] = await port.serviceStatus(signal)
    expect(again?.generation).not.toBe(before)
    expect((await play(port, [{ id: 'web-1/stop', host: 'web-1', kind: 'stop' }])).steps).toMatchObject([{ state: 'done' }])
    expect(await port.serviceStatus(signal)).toMatchObject([{ state: 'inactive', pid: null }])
  })

  test('that cannot be started says why, in its own words', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path, { service: service({ start: 'echo port 8080 is taken >&2; exit 3' }) })
    withReleases(layout)
    const { steps } = await play(port, [activate(NEW), restart()])
    expect(steps[1]).toMatchObject({ state: 'failed', exitCode: 3, output: ['port 8080 is taken'] })
    const evidence = await port.evidence(new AbortController().signal)
    expect(evidence.join('\n')).toContain('service: port 8080 is taken')
    expect(evidence.join('\n')).toContain('service is inactive')
  })
})
