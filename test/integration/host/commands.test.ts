// The commands that look at hosts or run something there, on a fleet of real shells.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { deploy } from '../../../src/app/deploy.ts'
import { exec } from '../../../src/app/exec.ts'
import { logs } from '../../../src/app/logs.ts'
import { history, releases } from '../../../src/app/releases.ts'
import { rollback } from '../../../src/app/rollback.ts'
import { setup } from '../../../src/app/setup.ts'
import { plant, seen } from '../stage/world.ts'
import { startFleet, version } from './fleet.ts'

describe('exec', () => {
  test('runs words on every host, no shell looks at them, and lines begin with the name of the host', async () => {
    const fleet = await startFleet(3)
    const context = fleet.context()
    const document = await exec({ argv: ['printf', '%s\\n', '$HOME $(touch canary)', "it's", ''] }, context)
    expect(document).toMatchObject({ exitCode: 0, outcome: 'ok' })
    expect([...context.lines].sort()).toEqual(
      ['web-1', 'web-2', 'web-3'].flatMap((name) => [`${name} | `, `${name} | $HOME $(touch canary)`, `${name} | it's`]),
    )
    expect(document.hosts.map((host) => host.stdout)).toEqual(Array(3).fill("$HOME $(touch canary)\nit's\n\n"))
    expect(existsSync(join(fleet.folder(0), 'canary'))).toBe(false)
  })

  test('ends with 12 when it failed on a host, and tells the others all the same', async () => {
    const fleet = await startFleet(3)
    writeFileSync(join(fleet.folder(1), 'bad'), '')
    const context = fleet.context()
    const document = await exec({ argv: ['sh', '-c', 'echo out; echo err >&2; [ ! -e bad ] || exit 3'] }, context)
    expect(document).toMatchObject({
      exitCode: 12,
      outcome: 'failed',
      error: { code: 'E_EXEC_FAILED', message: expect.stringContaining('1 of 3 hosts: web-2 (exit 3)') },
    })
    expect(document.hosts.map((host) => host.exitCode)).toEqual([0, 3, 0])
    expect(context.lines).toHaveLength(3)
    expect(context.events.filter((event) => event.type === 'output')).toHaveLength(3)
  })

  test('tells a host that cannot be reached from one where it failed', async () => {
    const fleet = await startFleet(2)
    fleet.configure({ hosts: { 'web-1': { address: 'web-1' }, gone: { address: '127.0.0.1', port: 1 } } })
    const document = await exec({ argv: ['echo', 'here'] }, fleet.context())
    expect(document).toMatchObject({ exitCode: 4, error: { code: 'E_UNREACHABLE' } })
    expect(document.hosts).toMatchObject([
      { name: 'web-1', stdout: 'here\n' },
      { name: 'gone', error: { code: 'E_CONNECT_REFUSED' } },
    ])
  })

  test('shows nothing that could move a cursor; as JSON nothing is shown and everything kept', async () => {
    const fleet = await startFleet(1)
    const argv = ['printf', 'a\\tb \\033[31mred\\033[0m \\033]0;title\\007\\n']
    const context = fleet.context()
    await exec({ argv }, context)
    expect(context.lines).toEqual(['web-1 | a\tb red '])
    const json = fleet.context({ json: true })
    expect((await exec({ argv }, json)).hosts[0]?.stdout).toContain('\u001b[31mred')
    expect(json.lines).toEqual([])
  })

  test('only hosts that are selected', async () => {
    const fleet = await startFleet(2)
    expect((await exec({ argv: ['true'], hosts: ['web-2'] }, fleet.context())).hosts.map((host) => host.name)).toEqual(['web-2'])
    await expect(exec({ argv: ['true'], hosts: ['web-9'] }, fleet.context())).rejects.toMatchObject({ code: 'E_USAGE' })
  })
})

describe('logs', () => {
  const service = (more: object = {}) => ({ kind: 'command', start: './bin/start', stop: './bin/stop', status: './bin/status', ...more })

  test('are those of the service, prefixed, as many as asked for', async () => {
    const fleet = await startFleet(2)
    for (const index of [0, 1])
      writeFileSync(join(fleet.folder(index), 'app.log'), Array.from({ length: 60 }, (_, at) => `line ${at} of ${index + 1}\n`).join(''))
    fleet.configure({ service: service({ logs: 'tail -n "$ROLLGATE_LINES" "$HOME/app.log"; echo "since=$ROLLGATE_SINCE"' }) })
    expect(await deploy({}, fleet.context())).toMatchObject({ exitCode: 0 })
    const context = fleet.context()
    expect(await logs({ lines: 2, since: '10m' }, context)).toMatchObject({ exitCode: 0 })
    expect(context.lines.filter((line) => line.startsWith('web-1'))).toEqual([
      'web-1 | line 58 of 1',
      'web-1 | line 59 of 1',
      'web-1 | since=10m',
    ])
    expect(context.lines).toHaveLength(6)
  })

  test('follow until they are interrupted, which is no failure', async () => {
    const fleet = await startFleet(2)
    fleet.configure({ service: service({ logs: undefined, start: 'echo started $ROLLGATE_RELEASE; ./bin/start' }) })
    expect(await deploy({}, fleet.context())).toMatchObject({ exitCode: 0 })
    const stop = new AbortController()
    const context = fleet.context({ interrupt: stop.signal })
    const following = logs({ follow: true }, context)
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) await new Promise((done) => setTimeout(done, 10))
    }
    await until(() => context.lines.filter((line) => line.includes('started r1-')).length === 2)
    for (const index of [0, 1]) writeFileSync(join(fleet.on(index).state, 'logs/service.log'), 'later\n', { flag: 'a' })
    await until(() => context.lines.filter((line) => line.endsWith('| later')).length === 2)
    stop.abort()
    expect(await following).toMatchObject({ exitCode: 0, outcome: 'ok' })
  })

  test('that cannot be had say why, host by host', async () => {
    const fleet = await startFleet(2)
    fleet.configure({ service: service() })
    expect(await logs({}, fleet.context())).toMatchObject({
      exitCode: 12,
      error: { message: expect.stringContaining('web-1 (nothing was started here yet)') },
    })
    expect(await logs({ since: '1h' }, fleet.context())).toMatchObject({
      exitCode: 12,
      error: { message: expect.stringContaining('no times') },
    })
    fleet.configure({ service: { kind: 'none' } })
    await expect(logs({}, fleet.context())).rejects.toMatchObject({ code: 'E_USAGE' })
  })
})

describe('releases and history', () => {
  test('tell what is installed where, and what was done, as the hosts remember it', async () => {
    const fleet = await startFleet(2)
    plant(fleet.on(0).releases, { '20240101120000/server.js': 'of another tool' })
    expect(await releases({}, fleet.context())).toMatchObject({
      exitCode: 0,
      hosts: [{ current: null, releases: [{ id: '20240101120000', outcome: 'adopted' }] }, { releases: [] }],
    })
    const first = await deploy({}, fleet.context())
    version(fleet, 'v2')
    const second = await deploy({}, fleet.context())
    const back = await rollback({}, fleet.context())
    expect([first, second, back].map((document) => document.exitCode)).toEqual([0, 0, 0])
    const listed = await releases({}, fleet.context())
    expect(listed.hosts[1]).toMatchObject({
      current: first.release,
      releases: [
        { id: second.release, outcome: 'succeeded', by: expect.stringMatching(/^ada@/) },
        { id: first.release, outcome: 'succeeded' },
      ],
    })
    const told = await history({}, fleet.context())
    expect(told.rollouts.map(({ intent, release, outcome }) => [intent, release, outcome])).toEqual([
      ['rollback', first.release, 'succeeded'],
      ['deploy', second.release, 'succeeded'],
      ['deploy', first.release, 'succeeded'],
    ])
    expect((await history({ limit: 1 }, fleet.context())).rollouts).toHaveLength(1)
  })
})

describe('setup', () => {
  test('makes folders and shared ones, says what it did, and the second time nothing', async () => {
    const fleet = await startFleet(2)
    fleet.configure({ release: { root: fleet.sandbox.releaseRoot, keep: 3, shared: ['uploads', '.env', 'var/cache/'] } })
    const first = await setup({}, fleet.context())
    expect(first).toMatchObject({ exitCode: 0, outcome: 'ok' })
    expect(first.hosts[0]?.changes.join('\n')).toMatch(/folder .*\/app\/releases[\s\S]*folder .*\/shared\/uploads/)
    expect(first.hosts[0]?.notes.join('\n')).toContain('shared/.env does not exist')
    expect(seen(fleet.on(0).root)).toMatchObject({
      '.rollgate': '/ 700',
      releases: '/ 755',
      'shared/uploads': '/ 755',
      'shared/var/cache': '/ 755',
    })
    const again = await setup({}, fleet.context())
    expect(again.hosts.map((host) => host.changes)).toEqual([[], []])
    expect(await deploy({}, fleet.context())).toMatchObject({ exitCode: 0 })
  })

  test('--adopt makes a release of a current that is a folder, and a rollback goes back to it', async () => {
    const fleet = await startFleet(1)
    mkdirSync(fleet.on(0).root)
    const app = readFileSync(join(fleet.project, 'app/server.mjs'), 'utf8')
    plant(fleet.on(0).current, {
      'server.mjs': app,
      'bin/start': `x:${readFileSync(join(fleet.project, 'app/bin/start'), 'utf8')}`,
      'bin/stop': `x:${readFileSync(join(fleet.project, 'app/bin/stop'), 'utf8')}`,
      'bin/status': `x:${readFileSync(join(fleet.project, 'app/bin/status'), 'utf8')}`,
    })
    expect(await deploy({}, fleet.context())).toMatchObject({
      exitCode: 3,
      error: { code: 'E_ROOT', hints: expect.arrayContaining([expect.stringContaining('setup --adopt')]) },
    })
    expect((await setup({}, fleet.context())).hosts[0]?.notes.join()).toContain('setup --adopt')
    const adopted = await setup({ adopt: true }, fleet.context())
    expect(adopted.hosts[0]?.changes.join()).toContain('releases/adopted-1')
    expect(await deploy({}, fleet.context())).toMatchObject({ exitCode: 0 })
    const back = await rollback({}, fleet.context())
    expect(back, JSON.stringify(back)).toMatchObject({ exitCode: 0, release: 'adopted-1' })
    expect(await setup({ adopt: true }, fleet.context())).toMatchObject({ exitCode: 0, hosts: [{ changes: [] }] })
  })

  test('says what is in the way, host by host, and does the rest', async () => {
    const fleet = await startFleet(2)
    mkdirSync(fleet.on(1).root)
    symlinkSync('/nowhere', fleet.on(1).releases)
    const document = await setup({}, fleet.context())
    expect(document).toMatchObject({ exitCode: 3, outcome: 'failed', error: { code: 'E_SETUP' } })
    expect(document.hosts).toMatchObject([{ name: 'web-1' }, { name: 'web-2', error: { message: expect.stringContaining('no folder') } }])
    expect(existsSync(fleet.on(0).releases)).toBe(true)
    rmSync(fleet.on(1).releases)
    expect(await setup({}, fleet.context())).toMatchObject({ exitCode: 0 })
  })
})
