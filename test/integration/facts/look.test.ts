// The first look, asked of real shells: with the system's tools, with busybox's alone, and with tools that lie or are not
// there. It reads and never changes; what it cannot know it leaves out.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import { type Layout, layoutOf } from '../../../src/domain/layout.ts'
import { formatEntry } from '../../../src/domain/ledger-line.ts'
import type { ReleaseInfo } from '../../../src/domain/release.ts'
import { lookScript, roomScript } from '../../../src/facts/look.ts'
import { type Look, parseLook, parseRoom } from '../../../src/facts/parse-look.ts'
import { stdinScript } from '../../../src/util/shell.ts'
import { SHELLS, type ShellKind, shellConnection, temporaryFolder } from '../stage/harness.ts'
import { plant, seen } from '../stage/world.ts'

const ID = 'r7-0123abcd'
const INFO: ReleaseInfo = {
  version: 1,
  id: ID,
  counter: 7,
  hash: `0123abcd${'0'.repeat(56)}`,
  artifact: 'a'.repeat(64),
  bytes: 12,
  files: 3,
  by: 'ada@laptop',
  revision: { commit: 'c'.repeat(40), branch: 'main', dirty: true, author: 'Ä "da"', subject: "It's $(touch canary) \u001b[31mred" },
}

type Options = { readonly sudoUnits?: readonly string[]; readonly path?: string }

async function look(shell: ShellKind, scratch: string, layout: Layout, options: Options = {}): Promise<Look> {
  const environment = options.path === undefined ? {} : { PATH: options.path }
  const script = lookScript({ layout, sudoUnits: options.sudoUnits ?? [] })
  const result = await shellConnection(shell, scratch, { environment }).run(stdinScript(script))
  expect(result.stderr).toBe('')
  return parseLook(result.stdout, 'web-1')
}

function installed(layout: Layout, info: ReleaseInfo = INFO, outcome?: string): void {
  plant(layout.release(info.id), { 'server.js': '' })
  mkdirSync(join(layout.state, 'releases'), { recursive: true })
  writeFileSync(layout.info(info.id), `${JSON.stringify(info)}\n`)
  if (outcome !== undefined) writeFileSync(layout.outcome(info.id), `${outcome}\n`)
}

describe.each(SHELLS)('a look with the tools of %s', (shell) => {
  test('tells what the system is', async () => {
    using scratch = temporaryFolder()
    const seenNow = await look(shell, scratch.path, layoutOf(join(scratch.path, 'app')))
    expect(seenNow.system).toEqual({
      os: 'Linux',
      kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
      arch: execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim(),
      user: execFileSync('id', ['-un'], { encoding: 'utf8' }).trim(),
      uid: process.getuid?.(),
      hostname: hostname(),
    })
    expect(seenNow.bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    expect(seenNow.uptimeMs).toBeGreaterThan(0)
    expect(Math.abs((seenNow.clockSeconds ?? 0) - Date.now() / 1000)).toBeLessThan(60)
    expect(seenNow.addresses.every((address) => !address.startsWith('127.'))).toBe(true)
    expect(seenNow.tools.tar).toBe(shell === 'busybox' ? 'busybox' : 'gnu')
    expect(seenNow.tools.sha256sum).toBe(true)
    const free = statfsSync(scratch.path)
    // Others use the disk meanwhile.
    expect(Math.abs((seenNow.disk?.freeBytes ?? 0) - free.bavail * free.bsize)).toBeLessThan(5e9)
    expect(seenNow.disk?.freeInodes === null || (seenNow.disk?.freeInodes ?? 0) > 0).toBe(true)
    expect(seenNow.disk?.tempFreeBytes).toBeGreaterThan(0)
    expect(readdirSync(scratch.path).filter((name) => name !== 'busybox-bin')).toEqual([])
  })

  test('tells a root of ours: releases with their records, the current one, the ledger', async () => {
    using scratch = temporaryFolder()
    const layout = layoutOf(join(scratch.path, "o'r r$(touch canary)t"))
    installed(layout, INFO, 'succeeded')
    installed(layout, { ...INFO, id: 'r8-0123abcd', counter: 8 })
    installed(layout, { ...INFO, id: 'r9-0123abcd', counter: 9 }, 'failed')
    symlinkSync(layout.release(ID), layout.current)
    const entry = { version: 1, at: 5, epoch: 3, rollout: 'ab12', step: 'web-1/restart', state: 'started', detail: '-' } as const
    writeFileSync(layout.ledger, `${formatEntry(entry)}torn 1\t`)
    const before = seen(layout.root)
    const found = await look(shell, scratch.path, layout)
    expect(found.root).toEqual({ kind: 'usable', adopted: false, writable: true })
    expect(found.current).toBe(ID)
    expect(found.releases.map(({ id, outcome }) => [id, outcome]).sort()).toEqual([
      [ID, 'succeeded'],
      ['r8-0123abcd', 'staged'],
      ['r9-0123abcd', 'failed'],
    ])
    const first = found.releases.find((release) => release.id === ID)
    expect(first).toMatchObject({ ...INFO, revision: { ...INFO.revision, subject: "It's $(touch canary) red" } })
    expect(Math.abs((first?.installedAt ?? 0) - Date.now() / 1000)).toBeLessThan(120)
    expect(found.ledger).toEqual([entry])
    expect(found.foreignReleases).toEqual([])
    expect(seen(layout.root)).toEqual(before)
    expect(existsSync(join(scratch.path, 'canary'))).toBe(false)
  })

  test('knows Capistrano, folders, files and links that lead elsewhere from one another', async () => {
    using scratch = temporaryFolder()
    const at = (name: string) => layoutOf(join(scratch.path, name))
    expect((await look(shell, scratch.path, at('missing/deep'))).root).toEqual({ kind: 'missing', parentWritable: true })
    writeFileSync(join(scratch.path, 'file'), '')
    expect((await look(shell, scratch.path, at('file'))).root).toMatchObject({ kind: 'unusable' })
    plant(at('byhand').current, { 'server.js': '' })
    expect((await look(shell, scratch.path, at('byhand'))).root).toEqual({ kind: 'current-is-folder' })

    const capistrano = at('capistrano')
    plant(capistrano.release('20240101120000'), { a: '' })
    plant(capistrano.release('20240201120000'), { a: '' })
    plant(capistrano.shared, { log: '/' })
    symlinkSync(capistrano.release('20240201120000'), capistrano.current)
    expect(await look(shell, scratch.path, capistrano)).toMatchObject({
      root: { kind: 'usable', adopted: true },
      current: '20240201120000',
      foreignReleases: ['20240101120000', '20240201120000'],
      releases: [],
    })

    const relative = at('relative')
    plant(relative.release('one'), { a: '' })
    symlinkSync('releases/one', relative.current)
    expect((await look(shell, scratch.path, relative)).current).toBe('one')

    const elsewhere = at('elsewhere')
    plant(elsewhere.releases, {})
    symlinkSync(scratch.path, elsewhere.current)
    expect((await look(shell, scratch.path, elsewhere)).root).toEqual({
      kind: 'unusable',
      detail: expect.stringContaining('not in releases'),
    })

    const dangling = at('dangling')
    plant(dangling.releases, {})
    symlinkSync(dangling.release('gone'), dangling.current)
    expect(await look(shell, scratch.path, dangling)).toMatchObject({ root: { kind: 'usable' }, current: null })
  })

  test('believes no record that is none of ours, and refuses one of a newer version', async () => {
    using scratch = temporaryFolder()
    const layout = layoutOf(join(scratch.path, 'app'))
    installed(layout)
    const records = join(layout.state, 'releases')
    for (const [name, text] of Object.entries({
      'r1-00000001': '{"version":1}',
      'r2-00000002': 'no json',
      'r3-00000003': JSON.stringify({ ...INFO, id: 'r4-00000004' }),
      'r5-00000005': JSON.stringify({ ...INFO, id: 'r5-00000005', hash: '../../etc' }),
      'r6-00000006': JSON.stringify({ ...INFO, id: 'r6-00000006', counter: -1 }),
      'new\nline': JSON.stringify(INFO),
    })) {
      plant(layout.release(name), { a: '' })
      writeFileSync(join(records, `${name}.json`), text)
    }
    writeFileSync(join(records, 'r8-00000008.json'), JSON.stringify({ ...INFO, id: 'r8-00000008' })) // and no folder
    expect((await look(shell, scratch.path, layout)).releases.map((release) => release.id)).toEqual([ID])
    installed(layout, { ...INFO, id: 'r9-00000009', version: 2 } as unknown as ReleaseInfo)
    const error = errorInfo(await look(shell, scratch.path, layout).catch((thrown: unknown) => thrown))
    expect(error).toMatchObject({ code: 'E_STATE_VERSION', exitCode: 3, hints: ['update rollgate on this machine'] })
  })

  test('asks for the room alone as well', async () => {
    using scratch = temporaryFolder()
    const { stdout } = await shellConnection(shell, scratch.path).run(stdinScript(roomScript(layoutOf(join(scratch.path, 'not/there')))))
    expect(parseRoom(stdout)).toMatchObject({ freeBytes: expect.any(Number), tempFreeBytes: expect.any(Number) })
    expect(parseRoom('free 12\n')).toBeNull()
  })
})

describe('sudo, as a look finds it', () => {
  /** A sudo that answers as told; it says what it was asked. */
  async function asked(scratch: string, sudo: string, units: readonly string[]) {
    plant(join(scratch, 'bin'), {
      sudo: `x:#!/bin/sh\n${sudo}\n`,
      id: 'x:#!/bin/sh\n[ "$1" = -u ] && echo 1000 || exec /usr/bin/id "$@"\n',
    })
    const { sudo: verdict } = await look('system', scratch, layoutOf(join(scratch, 'app')), {
      sudoUnits: units,
      path: `${join(scratch, 'bin')}:${process.env.PATH}`,
    })
    return verdict
  }

  test.each([
    ['a rule without a password', 'printf "Sudoers entry:\\n    Options: !authenticate\\n    Commands:\\n"', 'ok'],
    ['a rule that wants one', '[ "$2" = -ll ] && printf "Sudoers entry:\\n    Commands:\\n"; exit 0', 'password'],
    ['an old sudo that allows it', 'exit 0', 'ok'],
    ['nothing without a password', 'echo "sudo: a password is required" >&2; exit 1', 'password'],
    ['other rights, not these', 'case "$*" in *-ll*) exit 1;; esac; exit 0', 'denied'],
  ])('%s: %s', async (_name, sudo, verdict) => {
    using scratch = temporaryFolder()
    expect(await asked(scratch.path, sudo, ['shop'])).toBe(verdict)
  })

  test('is never asked to run anything, and not at all where it is not needed', async () => {
    using scratch = temporaryFolder()
    const log = join(scratch.path, 'log')
    expect(await asked(scratch.path, `echo "$*" >>'${log}'; exit 0`, ['shop', "o'dd@1"])).toBe('ok')
    const words = readFileSync(log, 'utf8').trim().split('\n')
    expect(words.every((line) => line.startsWith('-n -ll systemctl '))).toBe(true)
    expect(words).toContain("-n -ll systemctl restart o'dd@1")
    expect(await asked(scratch.path, 'exit 1', [])).toBe('unneeded')
  })
})

test('a host with nothing but a shell and a few tools still answers', async () => {
  using scratch = temporaryFolder()
  const bin = join(scratch.path, 'bin')
  mkdirSync(bin)
  for (const tool of ['sh', 'cat', 'date', 'uname', 'id', 'cut', 'tr', 'sed', 'head', 'tail', 'awk', 'df']) {
    writeFileSync(join(bin, tool), `#!/bin/sh\nexec /usr/bin/${tool} "$@"\n`)
    chmodSync(join(bin, tool), 0o755)
  }
  const script = lookScript({ layout: layoutOf(join(scratch.path, 'app')), sudoUnits: ['shop'] }).replace(
    'PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin',
    'PATH=$PATH',
  )
  const { stdout } = await shellConnection('system', scratch.path, { environment: { PATH: bin } }).run(stdinScript(script))
  const found = parseLook(stdout, 'web-1')
  expect(found.tools).toEqual({
    tar: 'missing',
    zstd: false,
    gzip: false,
    sha256sum: false,
    systemctl: false,
    systemdRun: false,
    setsid: false,
  })
  expect(found.root).toMatchObject({ kind: 'missing' })
})
