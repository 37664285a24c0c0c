// A release that this machine never built goes from a host that has it to one that lacks it.
import { createHash } from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import { layoutOf } from '../../../src/domain/layout.ts'
import { fetchRelease } from '../../../src/drivers/stage/fetch.ts'
import { stageRelease } from '../../../src/drivers/stage/stage.ts'
import { SHELLS, type ShellKind, shellConnection, temporaryFolder, toolsOf } from './harness.ts'
import { plant, seen, type Tree, world } from './world.ts'

const APP: Tree = {
  'server.js': 'listen()',
  'bin/run': 'x:#!/bin/sh\n',
  logs: '/',
  latest: '-> server.js',
  'new\nline': 'a',
  '-rf': 'b',
  '..odd': 'c',
  '.hidden/file': 'd',
  'config/app.yml': 'of the artifact',
  'public/big': 'x'.repeat(300_000),
}

function fleet(scratch: string, shell: ShellKind) {
  const first = world(scratch, 'one/shop')
  const second = layoutOf(join(scratch, 'two/shop'))
  const host = (options = {}) => shellConnection(shell, scratch, options)
  const signal = new AbortController().signal
  return {
    first,
    second,
    host,
    fetch: (info: Parameters<typeof fetchRelease>[0]['info'], name = 'fetched') =>
      fetchRelease({ connection: host(), layout: first.layout, info, tools: toolsOf(shell), scratch: join(scratch, name), signal }),
    put: (info: Parameters<typeof fetchRelease>[0]['info'], shipment: Parameters<typeof stageRelease>[0]['shipment'], layout = second) =>
      stageRelease({
        connection: host(),
        layout,
        info,
        shared: [],
        shipment,
        keepDamaged: true,
        tools: toolsOf(shell),
        signal,
        retryAfterMs: [],
      }),
  }
}

describe.each(SHELLS)('from host to host with the tools of %s', (shell) => {
  test('the copy is the same release: files, environment, links, record', async () => {
    using scratch = temporaryFolder()
    const { first, second, host, fetch, put } = fleet(scratch.path, shell)
    const packed = await first.artifact(plant(join(scratch.path, 'dist'), APP))
    const info = first.infoOf(packed)
    const shared = ['uploads', '.env', 'config/app.yml', 'var/Makefile']
    await first.stage(host(), packed, { shell, shared, env: { TOKEN: 'a"b\n$c' } })
    const original = seen(first.layout.release(info.id))
    // The app wrote something into its release since; it does not travel.
    plant(first.layout.release(info.id), { 'cache/entry': 'later', 'tmp.sock-like': 'x' })
    linkSync(join(first.layout.release(info.id), 'server.js'), join(first.layout.release(info.id), 'a-hard-link'))
    symlinkSync('/etc/passwd', join(first.layout.release(info.id), 'absolute'))
    rmSync(join(first.layout.shared, 'var/Makefile'), { recursive: true })
    writeFileSync(join(first.layout.shared, 'var/Makefile'), '') // a file, though its name looks like a folder's

    const fetched = await fetch(info)
    expect(await put(info, async () => fetched)).toMatchObject({ state: 'staged' })
    const copy = seen(second.release(info.id))
    const moved = Object.fromEntries(
      Object.entries(original).map(([name, what]) => [name, what.replace(`-> ${first.layout.root}/`, `-> ${second.root}/`)]),
    )
    expect(copy).toEqual(moved)
    expect(readFileSync(second.info(info.id), 'utf8')).toBe(readFileSync(first.layout.info(info.id), 'utf8'))
    expect(existsSync(join(second.shared, 'uploads'))).toBe(true)
    expect(existsSync(join(second.shared, 'var/Makefile'))).toBe(false)
    // And it counts as whole, also when asked again, and can be fetched from in its turn.
    expect(await put(info, () => Promise.reject(new Error('nothing has to be sent')))).toMatchObject({ state: 'already' })
  })

  test('a copy that was changed is not taken, and says what differs', async () => {
    using scratch = temporaryFolder()
    const { first, host, fetch } = fleet(scratch.path, shell)
    const packed = await first.artifact(plant(join(scratch.path, 'dist'), APP))
    const info = first.infoOf(packed)
    await first.stage(host(), packed, { shell })
    writeFileSync(join(first.layout.release(info.id), 'server.js'), 'hot fix')
    const error = errorInfo(await fetch(info).catch((thrown: unknown) => thrown))
    expect(error).toMatchObject({ code: 'E_NO_RELEASE', exitCode: 3 })
    expect(error.evidence?.join('\n')).toContain('server.js')

    writeFileSync(join(first.layout.release(info.id), 'server.js'), 'listen()')
    const manifest = readFileSync(first.layout.manifest(info.id), 'utf8')
    writeFileSync(first.layout.manifest(info.id), manifest.replace(/^f .*server\.js\n/m, ''))
    expect(errorInfo(await fetch(info, 'again').catch((thrown: unknown) => thrown))).toMatchObject({
      evidence: ['its manifest was changed'],
    })
  })

  test('a damaged copy stays until there is something to put in its place', async () => {
    using scratch = temporaryFolder()
    const { first, second, host, fetch, put } = fleet(scratch.path, shell)
    const packed = await first.artifact(plant(join(scratch.path, 'dist'), APP))
    const info = first.infoOf(packed)
    await first.stage(host(), packed, { shell })
    const fetched = await fetch(info)
    await put(info, async () => fetched)
    writeFileSync(join(second.release(info.id), 'server.js'), 'hot fix')
    await expect(put(info, () => Promise.reject(new Error('nobody has it')))).rejects.toThrow('nobody has it')
    expect(readFileSync(join(second.release(info.id), 'server.js'), 'utf8')).toBe('hot fix')
    expect(await put(info, async () => fetched)).toMatchObject({ state: 'staged', note: expect.stringContaining('damaged') })
    expect(readFileSync(join(second.release(info.id), 'server.js'), 'utf8')).toBe('listen()')
  })
})

test('what a lying host says never becomes a path outside of a release', async () => {
  using scratch = temporaryFolder()
  const { first, host, fetch } = fleet(scratch.path, 'system')
  const packed = await first.artifact(plant(join(scratch.path, 'dist'), { 'server.js': 'listen()' }))
  const info = first.infoOf(packed)
  await first.stage(host(), packed)
  const evil = 'rollgate-manifest 1\nf 0000000000000000000000000000000000000000000000000000000000000000 1 ./../../outside\n'
  const artifact = createHash('sha256').update(evil).digest('hex')
  writeFileSync(first.layout.manifest(info.id), evil)
  const error = errorInfo(await fetch({ ...info, artifact }).catch((thrown: unknown) => thrown))
  expect(error.exitCode).toBe(3)
  expect(existsSync(join(scratch.path, 'outside'))).toBe(false)
  rmSync(first.layout.release(info.id), { recursive: true })
  expect(errorInfo(await fetch(info, 'gone').catch((thrown: unknown) => thrown))).toMatchObject({
    code: 'E_NO_RELEASE',
    evidence: ['it is not there'],
  })
})
