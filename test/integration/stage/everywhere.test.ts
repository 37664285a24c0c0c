// The whole of staging on a fleet: every host at once, before anything that serves is touched, or exit 3.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { deploy, push } from '../../../src/app/deploy.ts'
import { rollback } from '../../../src/app/rollback.ts'
import type { PushDocument } from '../../../src/domain/document.ts'
import { startFleet, type TestContext, version } from '../host/fleet.ts'
import { plant } from './world.ts'

const notes = (document: PushDocument): readonly string[] => document.hosts.map((host) => host.note)
const current = (root: { readonly current: string }): string | null =>
  existsSync(root.current) ? readFileSync(join(root.current, '.rollgate.env'), 'utf8') : null
const staged = (context: TestContext): number => context.events.filter((event) => event.type === 'stage.done').length

describe('push', () => {
  test('stages the same release on every host and starts nothing', async () => {
    const fleet = await startFleet(3)
    const first = await push({}, fleet.context())
    expect(first).toMatchObject({ exitCode: 0, outcome: 'ok', release: expect.stringMatching(/^r1-[0-9a-f]{8}$/) })
    expect(notes(first)).toEqual(Array(3).fill(expect.stringContaining('sent')))
    for (const index of [0, 1, 2]) {
      expect(readdirSync(fleet.on(index).releases)).toEqual([first.release])
      expect(existsSync(fleet.on(index).current)).toBe(false)
    }
    expect(await fleet.sandbox.processes()).toEqual([])
    const again = await push({}, fleet.context())
    expect(again.release).toBe(first.release)
    expect(notes(again)).toEqual(Array(3).fill('complete already'))
  })

  test('names every host where it could not be staged, and leaves the others complete for the next try', async () => {
    const fleet = await startFleet(3)
    for (const index of [0, 2]) plant(fleet.on(index).root, { releases: 'a file is in the way' })
    const document = await push({}, fleet.context())
    expect(document).toMatchObject({ exitCode: 3, outcome: 'failed' })
    expect(document.error?.evidence?.join('\n')).toMatch(/web-1: E_ROOT[\s\S]*web-3: E_ROOT/)
    expect(readdirSync(fleet.on(1).releases)).toHaveLength(1)
    for (const index of [0, 2]) rmSync(fleet.on(index).releases)
    expect(await push({}, fleet.context())).toMatchObject({ exitCode: 0 })
  })

  test('takes another environment for another release, without a build and without sending the archive', async () => {
    const fleet = await startFleet(2)
    fleet.write('build.sh', 'echo built >>"$HOME/builds"\n')
    const settings = (colour: string) => ({
      artifact: { build: 'sh build.sh', path: 'app' },
      release: { root: fleet.sandbox.releaseRoot, keep: 3, env: { COLOUR: colour, TOKEN: `\${secret.TOKEN}` } },
      secrets: { TOKEN: { env: 'THE_TOKEN' } },
    })
    const env = { THE_TOKEN: 'tr1cky"$value' }
    fleet.configure(settings('red'))
    const first = await push({}, fleet.context({ env }))
    fleet.configure(settings('blue'))
    const second = await push({}, fleet.context({ env }))
    expect([first.built, second.built]).toEqual([true, false])
    expect(second.release).toMatch(/^r2-/)
    expect(notes(second)).toEqual(Array(2).fill(expect.stringContaining('nothing was sent')))
    const file = join(fleet.on(1).release(String(second.release)), '.rollgate.env')
    expect(readFileSync(file, 'utf8')).toContain('COLOUR="blue"\nTOKEN="tr1cky\\"\\$value"\n')
    // The same settings again are the same release as before.
    fleet.configure(settings('red'))
    expect((await push({}, fleet.context({ env }))).release).toBe(first.release)
    // A changed secret is another release, and its value is nowhere in what was told.
    const third = fleet.context({ env: { THE_TOKEN: 'another' } })
    expect((await push({}, third)).release).toMatch(/^r3-/)
    expect(JSON.stringify(third.events)).not.toContain('another')
  })

  test('removes old releases first when there is little room, and refuses with what is missing when that is not enough', async () => {
    const fleet = await startFleet(2)
    const settings = (keep: number) => fleet.configure({ release: { root: fleet.sandbox.releaseRoot, keep } })
    settings(5)
    const releases: string[] = []
    for (const name of ['v1', 'v2', 'v3']) {
      version(fleet, name, { 'big.bin': randomBytes(4_000_000).toString('latin1') })
      releases.push(String((await push({}, fleet.context())).release))
    }
    for (const index of [0, 1]) {
      for (const id of releases) writeFileSync(fleet.on(index).outcome(id), 'succeeded\n')
      symlinkSync(fleet.layout.release(String(releases[2])).replace(fleet.layout.root, fleet.on(index).root), fleet.on(index).current)
    }
    // A df that counts what the releases take of a disk of so many kilobytes; inodes are the real ones.
    const tools = mkdtempSync(join(tmpdir(), 'rollgate-df-'))
    onTestFinished(() => rmSync(tools, { recursive: true }))
    plant(tools, {
      df: `x:#!/bin/sh
case $1 in *i*) exec /bin/df "$@";; esac
used=$(du -sk "$HOME/app/releases" 2>/dev/null | cut -f 1)
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\ndisk 1 %s %s 50%% /\\n' "$used" "$(($(cat '${tools}/size') - used))"
`,
    })
    vi.stubEnv('PATH', `${tools}:${process.env.PATH}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    version(fleet, 'v4', { 'big.bin': randomBytes(4_000_000).toString('latin1') })

    // Room for three, the spare 16 MB, and nothing for a fourth: an old one has to go, but none may.
    writeFileSync(join(tools, 'size'), String(36_000))
    const refused = await push({}, fleet.context())
    expect(refused).toMatchObject({ exitCode: 3, error: { code: 'E_DISK', message: expect.stringContaining('MB free') } })
    expect(refused.error?.evidence?.join('\n')).toMatch(/web-1: E_DISK[\s\S]*web-2: E_DISK/)
    for (const index of [0, 1]) expect(readdirSync(fleet.on(index).releases).sort()).toEqual(releases)

    // With a smaller keep the oldest goes first; the live one and the one before it stay.
    settings(1)
    const context = fleet.context()
    const made = await push({}, context)
    expect(made, JSON.stringify(made)).toMatchObject({ exitCode: 0 })
    expect(JSON.stringify(context.events)).toContain(`removed ${releases[0]} to make room`)
    for (const index of [0, 1]) expect(readdirSync(fleet.on(index).releases).sort()).toEqual([...releases.slice(1), made.release])

    writeFileSync(join(tools, 'size'), String(25_000))
    version(fleet, 'v5')
    expect(await push({}, fleet.context())).toMatchObject({ exitCode: 3, error: { code: 'E_DISK' } })
  })
})

describe('a release that this machine did not build', () => {
  test('comes from a host that has it: deploy --release from another machine, to a host that was replaced', async () => {
    const fleet = await startFleet(3)
    const first = await deploy({}, fleet.context())
    expect(first).toMatchObject({ exitCode: 0, outcome: 'succeeded' })
    // A host of the fleet was replaced by an empty one, and the operator sits elsewhere, without the artifact.
    process.kill(Number(readFileSync(join(fleet.folder(1), 'app.pid'), 'utf8')))
    for (const path of ['app', 'app.pid']) rmSync(join(fleet.folder(1), path), { recursive: true, force: true })
    rmSync(join(fleet.project, 'app'), { recursive: true })
    const elsewhere = fleet.context({ home: join(fleet.folder(0), '..', 'other-home') })
    const again = await deploy({ release: String(first.release) }, elsewhere)
    expect(again, JSON.stringify(again)).toMatchObject({ exitCode: 0, outcome: 'succeeded', release: first.release })
    expect(current(fleet.on(1))).toBe(current(fleet.on(0)))
    expect(staged(elsewhere)).toBe(1)
  })

  test('a rollback reaches hosts that never had the release', async () => {
    const fleet = await startFleet(2)
    const first = await deploy({}, fleet.context())
    version(fleet, 'v2')
    const second = await deploy({}, fleet.context())
    expect([first.exitCode, second.exitCode]).toEqual([0, 0])
    for (const path of [
      fleet.on(1).release(String(first.release)),
      fleet.on(1).info(String(first.release)),
      fleet.on(1).outcome(String(first.release)),
    ])
      rmSync(path, { recursive: true })
    const back = await rollback({}, fleet.context())
    expect(back, JSON.stringify(back)).toMatchObject({ exitCode: 0, outcome: 'succeeded', release: first.release })
    expect(current(fleet.on(1))).toContain(String(first.release))
    expect(existsSync(fleet.on(1).info(String(first.release)))).toBe(true)
  })

  test('that nobody has whole is refused, with the reason of each host', async () => {
    const fleet = await startFleet(2)
    const { release } = await push({}, fleet.context())
    const id = String(release)
    for (const path of [fleet.on(1).release(id), fleet.on(1).info(id)]) rmSync(path, { recursive: true })
    writeFileSync(join(fleet.on(0).release(id), 'server.mjs'), 'changed')
    const refused = await deploy({ release: id }, fleet.context())
    expect(refused).toMatchObject({ exitCode: 3, outcome: 'refused', error: { code: 'E_NO_RELEASE' } })
    expect(JSON.stringify(refused.error)).toContain('server.mjs')
    expect(existsSync(fleet.on(0).current)).toBe(false)
    expect(await deploy({ release: 'r9-99999999' }, fleet.context())).toMatchObject({ exitCode: 3, error: { code: 'E_NO_RELEASE' } })
  })
})

describe('an interrupt while a release is staged', () => {
  test('stops at once, leaves what serves untouched, and the next run ends it', async () => {
    const fleet = await startFleet(2)
    const first = await deploy({}, fleet.context())
    version(fleet, 'v2', { 'big.bin': 'x'.repeat(5_000_000) })
    const stop = new AbortController()
    const context = fleet.context({ interrupt: stop.signal })
    const watching = {
      ...context,
      renderers: [{ on: (event: { type: string }) => event.type === 'stage.progress' && stop.abort(), end: async () => undefined }],
    }
    const document = await deploy({}, watching)
    expect(document).toMatchObject({ exitCode: 130, outcome: 'cancelled' })
    expect(current(fleet.on(0))).toContain(String(first.release))
    for (const index of [0, 1]) expect(readdirSync(fleet.on(index).releases).filter((name) => name.startsWith('r2'))).toEqual([])
    expect(await deploy({}, fleet.context())).toMatchObject({ exitCode: 0, outcome: 'succeeded' })
  })
})
