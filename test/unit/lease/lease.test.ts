// The lease's scripts, run for real by the shells of this machine.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import { layoutOf } from '../../../src/domain/layout.ts'
import type { LeasePort, LeaseRequest } from '../../../src/domain/lease.ts'
import type { Clock } from '../../../src/domain/ports.ts'
import { parseLease } from '../../../src/drivers/lease/lease.ts'
import { acquireScript, fenceText, LEASE_ROOT_EXIT, readScript, refreshScript, releaseScript } from '../../../src/drivers/lease/script.ts'
import { holdFleet } from '../../../src/execute/lease.ts'

const SHELLS = [['sh'], ['bash'], ['dash'], ['busybox', 'sh']].filter(
  ([name = '', ...rest]) => spawnSync(name, [...rest, '-c', 'exit 0']).status === 0,
)

function request(rollout: string, extra: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    holder: `ada@${rollout}`,
    rollout,
    command: 'deploy',
    commit: null,
    token: `t-${rollout}`,
    ttlMs: 60_000,
    force: false,
    ...extra,
  }
}

function aRoot(): ReturnType<typeof layoutOf> {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate lease $(x)-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return layoutOf(folder)
}

describe.each(SHELLS.map((words) => ({ shell: words.join(' '), words })))('the lease under $shell', ({ words }) => {
  const run = (script: string): { readonly out: string; readonly status: number | null } => {
    const [name = 'sh', ...rest] = words
    const { stdout, status } = spawnSync(name, [...rest, '-s'], { input: script, encoding: 'utf8' })
    return { out: stdout.trim(), status }
  }

  test('is taken once: the second operator is told who holds it', () => {
    const layout = aRoot()
    expect(run(acquireScript(layout, request('aa', { holder: 'Ada Lovelace@lap top', commit: 'abc123' }))).out).toBe('taken 1')
    const held = parseLease(run(acquireScript(layout, request('bb'))).out)
    expect(held).toMatchObject({ epoch: 1, holder: 'Ada Lovelace@lap top', rollout: 'aa', command: 'deploy', commit: 'abc123', live: true })
    expect(held?.leftMs).toBeGreaterThan(50_000)
    expect(held?.heartbeatAgeMs).toBeLessThan(10_000)
  })

  test('of the same process is taken again with a higher epoch, and the old epoch is fenced', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    expect(run(`${fenceText(layout, 1)}echo went on`)).toEqual({ out: 'went on', status: 0 })
    expect(run(acquireScript(layout, request('aa'))).out).toBe('taken 2')
    const fenced = run(`${fenceText(layout, 1)}echo went on`)
    expect(fenced.status).toBe(95)
    expect(fenced.out).not.toContain('went on')
    expect(run(`${fenceText(layout, 2)}echo went on`).out).toBe('went on')
    expect(run(refreshScript(layout, 1, 60_000)).out).toBe('lost')
    expect(run(refreshScript(layout, 2, 60_000)).out).toBe('kept')
  })

  test('of the same rollout in another process is held as any other', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    expect(run(acquireScript(layout, request('aa', { token: 'another' }))).out).toMatch(/^held /)
  })

  test('of a root that cannot be a folder is refused, told apart from a full disk', () => {
    const { root } = aRoot()
    writeFileSync(join(root, 'file'), '')
    symlinkSync('/nowhere/at all', join(root, 'link'))
    for (const name of ['file', 'file/shop', 'link', 'link/shop'])
      expect({ name, status: run(acquireScript(layoutOf(join(root, name)), request('aa'))).status }).toEqual({
        name,
        status: LEASE_ROOT_EXIT,
      })
    expect(readdirSync(root).sort()).toEqual(['file', 'link'])
  })

  test('given back is free, and its epoch goes on from there', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    run(releaseScript(layout, 1))
    expect(parseLease(run(readScript(layout)).out)).toMatchObject({ live: false, epoch: 1 })
    expect(run(acquireScript(layout, request('bb'))).out).toBe('taken 2')
    // Too late: it is no longer the first one's to give back.
    run(releaseScript(layout, 1))
    expect(parseLease(run(readScript(layout)).out)).toMatchObject({ live: true, rollout: 'bb' })
  })

  test('of another boot, expired or damaged is no lease', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    const file = `${layout.lease}.1`
    const whole = readFileSync(file, 'utf8')
    writeFileSync(file, whole.replace(/^(.*\n.*\n.*\n).*\n/, '$1another-boot\n'))
    expect(run(acquireScript(layout, request('bb'))).out).toBe('taken 2')
    writeFileSync(`${layout.lease}.2`, whole.replace(/^\d+/, '0000000008'))
    expect(run(acquireScript(layout, request('cc'))).out).toBe('taken 3')
    writeFileSync(`${layout.lease}.3`, 'x\n$(touch /nowhere)\n')
    expect(run(acquireScript(layout, request('dd'))).out).toBe('taken 4')
    expect(readdirSync(layout.state)).toEqual(['lease.4'])
  })

  test('of a host that was booted again is ours with the next heartbeat, unless somebody took it meanwhile', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    const file = `${layout.lease}.1`
    const booted = (): void => writeFileSync(file, readFileSync(file, 'utf8').replace(/^(.*\n.*\n.*\n).*\n/, '$1another-boot\n'))
    booted()
    expect(parseLease(run(readScript(layout)).out)).toMatchObject({ live: false })
    expect(run(refreshScript(layout, 1, 60_000)).out).toBe('kept')
    expect(parseLease(run(readScript(layout)).out)).toMatchObject({ live: true, epoch: 1, rollout: 'aa', holder: 'ada@aa' })
    expect(run(acquireScript(layout, request('bb'))).out).toMatch(/^held 1 /)
    expect(run(acquireScript(layout, request('aa'))).out).toBe('taken 2')
    expect(readdirSync(layout.state)).toEqual(['lease.2'])
    expect(run(refreshScript(layout, 1, 60_000)).out).toBe('lost')
  })

  test('of a live heartbeat is taken over only by force', () => {
    const layout = aRoot()
    run(acquireScript(layout, request('aa')))
    expect(run(acquireScript(layout, request('bb', { force: true }))).out).toBe('taken 2')
    expect(run(`${fenceText(layout, 1)}echo went on`).status).toBe(95)
  })

  test('cannot be taken where the state folder cannot be made', () => {
    const layout = aRoot()
    writeFileSync(layout.state, 'a file')
    expect(run(acquireScript(layout, request('aa'))).status).toBe(LEASE_ROOT_EXIT)
  })

  test('there is none before the first', () => {
    expect(run(readScript(aRoot())).out).toBe('none')
  })
})

test.each([60_000, 8_000, 7_001, 4_000.5])('the heartbeat of a lease of %d ms goes on, whatever its parts are', async (ttlMs) => {
  const beats = new Map<string, number>()
  const enough = Promise.withResolvers<void>()
  const port = (host: string): LeasePort => ({
    host,
    acquire: async () => ({ kind: 'taken', epoch: 1 }),
    async refresh(epoch, asked, signal) {
      expect({ epoch, asked, aborted: signal.aborted }).toEqual({ epoch: 1, asked: ttlMs, aborted: false })
      beats.set(host, (beats.get(host) ?? 0) + 1)
      if ([...beats.values()].every((count) => count >= 3) && beats.size === 2) enough.resolve()
      return true
    },
    release: async () => undefined,
    read: async () => null,
  })
  let now = 0
  const clock: Clock = {
    now: () => now,
    async sleep(ms, signal) {
      await new Promise((done) => setImmediate(done))
      if (signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted')
      now += ms
    },
  }
  const hold = await holdFleet([port('b'), port('a')], request('aa', { ttlMs }), {
    clock,
    signal: new AbortController().signal,
    refreshMs: ttlMs / 4,
    policy: { kind: 'refuse' },
    waiting: () => undefined,
  })
  await enough.promise
  expect(hold.lost.aborted).toBe(false)
  await hold.release()
})

test('of thirty operators at the same moment exactly one takes it, again and again', async () => {
  const layout = aRoot()
  for (let round = 1; round <= 3; round += 1) {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => shell(acquireScript(layout, request(`r${round}x${index}`)))))
    const taken = answers.filter((answer) => answer.startsWith('taken'))
    expect(taken).toEqual([`taken ${round}`])
    expect(answers.filter((answer) => answer.startsWith('held'))).toHaveLength(29)
    await shell(releaseScript(layout, round))
  }
})

function shell(script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-s'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', () => resolve(out.trim()))
    child.stdin.end(script)
  })
}
