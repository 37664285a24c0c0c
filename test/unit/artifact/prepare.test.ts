// From a project on disk to an artifact that can be shipped: real builds, real git, real tars.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import { openArchive } from '../../../src/drivers/artifact/archive.ts'
import { manifestHash, manifestText, parseManifest } from '../../../src/drivers/artifact/manifest.ts'
import { type PrepareOptions, prepareArtifact } from '../../../src/drivers/artifact/prepare.ts'

let project: string
let cache: string
let lines: string[]
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-prepare-'))
  project = join(folder, 'project')
  cache = join(folder, 'cache')
  mkdirSync(project)
  lines = []
})
afterEach(() => rmSync(dirname(project), { recursive: true, force: true }))

function put(path: string, text = path, mode = 0o644): void {
  const full = join(project, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  chmodSync(full, mode)
}

const prepare = (settings: Partial<PrepareOptions['settings']> = {}, more: Partial<PrepareOptions> = {}) =>
  prepareArtifact({
    settings: { path: 'dist', exclude: [], ...settings },
    directory: project,
    cacheDirectory: cache,
    rebuild: false,
    environment: null,
    signal: new AbortController().signal,
    onLine: (line) => lines.push(line.text),
    env: process.env,
    ...more,
  })

const refusal = async (work: Promise<unknown>) =>
  errorInfo(
    await work.then(
      () => new Error('it was not refused'),
      (error: unknown) => error,
    ),
  )

async function archiveOf(artifact: Awaited<ReturnType<typeof prepare>>['artifact'], compression: 'none' | 'gzip' | 'zstd' = 'none') {
  const { bytes, chunks } = await openArchive(artifact, compression, { cacheDirectory: cache, signal: new AbortController().signal })
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  const archive = Buffer.concat(all)
  expect(archive.length).toBe(bytes)
  return archive
}

describe('the hash', () => {
  test('is over contents, names, modes and targets, and over nothing else', async () => {
    put('dist/a', 'one')
    put('dist/b/c', 'two', 0o755)
    symlinkSync('a', join(project, 'dist/link'))
    const first = await prepare()
    utimesSync(join(project, 'dist/a'), 1, 1)
    chmodSync(join(project, 'dist/a'), 0o640)
    chmodSync(join(project, 'dist/b/c'), 0o700)
    expect((await prepare()).artifact.sha256).toBe(first.artifact.sha256)
    const hashes = new Set([first.artifact.sha256])
    const changes: (() => void)[] = [
      () => put('dist/a', 'ONE'),
      () => put('dist/a', 'one', 0o755),
      () => mkdirSync(join(project, 'dist/empty')),
      () => {
        rmSync(join(project, 'dist/link'))
        symlinkSync('b', join(project, 'dist/link'))
      },
    ]
    for (const [index, change] of changes.entries()) {
      change()
      hashes.add((await prepare()).artifact.sha256)
      expect(hashes.size).toBe(index + 2)
    }
  })

  test('is the same for a folder and for tarballs of it, however they were packed', async () => {
    put('dist/server.js', 'listen()')
    put('dist/bin/run', '#!/bin/sh', 0o755)
    put('dist/ü/☃ $(x)', 'name')
    mkdirSync(join(project, 'dist/empty'))
    symlinkSync('../server.js', join(project, 'dist/bin/link'))
    const folder = (await prepare()).artifact.sha256
    const tar = (...words: string[]) => execFileSync('tar', [...words, '-C', join(project, 'dist'), '.'])
    tar('-cf', join(project, 'plain.tar'))
    tar('-czf', join(project, 'a.tar.gz'), '--format=pax', '--owner=nobody', '--mtime=2001-01-01')
    tar('-czf', join(project, 'a.tgz'), '--sort=name')
    for (const path of ['plain.tar', 'a.tar.gz', 'a.tgz']) expect((await prepare({ path })).artifact.sha256, path).toBe(folder)
    execFileSync('zstd', ['-q', join(project, 'plain.tar'), '-o', join(project, 'b.tar.zst')])
    expect((await prepare({ path: 'b.tar.zst' })).artifact.sha256).toBe(folder)
  })

  test('of one file is over that file under its name', async () => {
    put('app.jar', 'bytes', 0o755)
    const { artifact } = await prepare({ path: 'app.jar' })
    expect(artifact.manifest).toMatchObject([{ path: 'app.jar', kind: 'file', mode: 0o755, bytes: 5 }])
  })
})

describe('the archive', () => {
  test('is the same byte for byte, whenever and wherever it is packed', async () => {
    for (let at = 0; at < 40; at += 1) put(`dist/${at % 3}/file-${at}`, 'x'.repeat(at * 100), at % 2 === 0 ? 0o755 : 0o600)
    const first = await archiveOf((await prepare()).artifact)
    rmSync(cache, { recursive: true })
    for (let at = 0; at < 40; at += 1) utimesSync(join(project, `dist/${at % 3}/file-${at}`), at, at)
    expect((await archiveOf((await prepare()).artifact)).equals(first)).toBe(true)
  })

  test('is made once for many hosts, in each form that they can unpack', async () => {
    put('dist/a', 'x'.repeat(100_000))
    const { artifact } = await prepare()
    const plain = await Promise.all(Array.from({ length: 8 }, () => archiveOf(artifact, 'gzip')))
    expect(new Set(plain.map((archive) => archive.toString('hex').slice(0, 100))).size).toBe(1)
    expect(readdirSync(join(cache, 'archives')).sort()).toEqual([`${artifact.sha256}.tar.gz`, `${artifact.sha256}.tar.zst`])
    const unpacked = execFileSync('tar', ['-xzO', '-f', '-', 'a'], { input: plain[0] })
    expect(unpacked.length).toBe(100_000)
  })

  test('of a file that changes while it is packed is refused, and not kept', async () => {
    put('dist/a', 'x'.repeat(2_000_000))
    put('dist/b', 'y')
    const { artifact } = await prepare()
    rmSync(join(cache, 'archives'), { recursive: true })
    // Between hashing and packing: the first look at the archive's folder is the moment.
    const changing = prepare()
    const error = refusal(changing)
    while (!existsSync(join(cache, 'archives'))) await new Promise((done) => setImmediate(done))
    appendFileSync(join(project, 'dist/b'), 'z')
    const { code } = await error
    // Either it was read before the change, whole, or it was noticed: never a wrong archive under this hash.
    if (code === 'E_ARTIFACT') expect(readdirSync(join(cache, 'archives'))).toEqual([])
    else expect((await changing).artifact.sha256).toBe(artifact.sha256)
  })

  test('of the artifacts that were used last are kept, and no more', async () => {
    const made: string[] = []
    for (let at = 0; at < 7; at += 1) {
      put('dist/a', String(at))
      made.push((await prepare()).artifact.sha256)
    }
    const kept = readdirSync(join(cache, 'archives'))
    expect(kept).toHaveLength(5)
    expect(kept).toContain(`${made.at(-1)}.tar.zst`)
  })
})

describe('a manifest', () => {
  test('can be read back, whatever the names', async () => {
    for (const name of ['plain', 'new\nline', '-rf', 'ü ☃', ' . ', 'a\\b']) put(`dist/${name}`)
    symlinkSync('no\nwhere at all', join(project, 'dist/dangling'))
    mkdirSync(join(project, 'dist/empty folder'))
    const { artifact } = await prepare()
    const text = manifestText(artifact.manifest)
    expect(parseManifest(text)).toEqual(artifact.manifest)
    expect(manifestHash(parseManifest(text) ?? [])).toBe(artifact.sha256)
    for (const wrong of ['', 'rollgate-manifest 2\n', text.slice(0, -1), `${text}x\n`, text.replace('f ', 'q ')])
      expect(parseManifest(wrong)).toBeNull()
  })
})

describe('what is refused before any host is touched', () => {
  test.each([
    ['a link out of the artifact', () => symlinkSync('../../etc/passwd', join(project, 'dist/link')), 'leads out'],
    ['an absolute link', () => symlinkSync('/etc/passwd', join(project, 'dist/link')), 'absolute'],
    ['a name that we use ourselves', () => put('dist/.rollgate.env'), 'uses itself'],
    ['a folder that we use ourselves', () => put('dist/.rollgate/x'), 'uses itself'],
    ['a pipe', () => execFileSync('mkfifo', [join(project, 'dist/pipe')]), 'socket, a pipe or a device'],
    [
      'a name that is not UTF-8',
      () => writeFileSync(Buffer.concat([Buffer.from(join(project, 'dist/')), Buffer.from([0x66, 0xff])]), ''),
      'UTF-8',
    ],
  ])('%s', async (_name, make, words) => {
    put('dist/a')
    make()
    expect(await refusal(prepare())).toMatchObject({ code: 'E_ARTIFACT', exitCode: 3, message: expect.stringContaining(words) })
  })

  test('a socket', async () => {
    put('dist/a')
    const server = createServer().listen(join(project, 'dist/socket'))
    await new Promise((done) => server.once('listening', done))
    const error = await refusal(prepare())
    server.close()
    expect(error).toMatchObject({ code: 'E_ARTIFACT', message: expect.stringContaining('socket') })
  })

  test('an artifact that is missing, empty, or no tarball', async () => {
    expect(await refusal(prepare())).toMatchObject({ code: 'E_ARTIFACT', message: expect.stringContaining('cannot be read') })
    mkdirSync(join(project, 'dist'))
    expect(await refusal(prepare())).toMatchObject({ code: 'E_ARTIFACT', message: expect.stringContaining('empty') })
    put('x.tar.gz', 'not gzip')
    expect(await refusal(prepare({ path: 'x.tar.gz' }))).toMatchObject({ code: 'E_ARTIFACT' })
    put('y.tar', 'not a tar at all'.repeat(100))
    expect(await refusal(prepare({ path: 'y.tar' }))).toMatchObject({ code: 'E_ARTIFACT', message: expect.stringContaining('checksum') })
  })

  test('not a link that leads nowhere inside the artifact', async () => {
    symlinkSync('nowhere', join(mkdirSync(join(project, 'dist'), { recursive: true }) ?? join(project, 'dist'), 'dangling'))
    expect((await prepare()).artifact.manifest).toEqual([{ path: 'dangling', kind: 'link', target: 'nowhere' }])
  })
})

describe('the build', () => {
  const build = 'echo building; mkdir -p dist && cp src/* dist/ && echo x >>builds'
  const builds = () => readFileSync(join(project, 'builds'), 'utf8').length / 2

  test('runs once, with its output as it comes, and not again until something changed', async () => {
    put('src/a', 'one')
    const first = await prepare({ build })
    expect(first.built).toBe('built')
    expect(lines).toEqual(['building'])
    expect((await prepare({ build })).built).toBe('skipped')
    put('src/a', 'two')
    const second = await prepare({ build })
    expect([second.built, second.artifact.sha256 === first.artifact.sha256]).toEqual(['built', false])
    expect(builds()).toBe(2)
  })

  test.each([
    ['another build line', () => prepare({ build: `${build}; :` })],
    ['another environment', () => prepare({ build }, { environment: 'production' })],
    ['--rebuild', () => prepare({ build }, { rebuild: true })],
    [
      'what it made was removed',
      () => {
        rmSync(join(project, 'dist'), { recursive: true })
        return prepare({ build })
      },
    ],
    [
      'what it made was changed by hand',
      () => {
        put('dist/a', 'by hand')
        return prepare({ build })
      },
    ],
    [
      'its record was lost',
      () => {
        rmSync(join(cache, 'builds'), { recursive: true })
        return prepare({ build })
      },
    ],
  ])('runs again for %s', async (_name, again) => {
    put('src/a', 'one')
    await prepare({ build })
    expect((await again()).built).toBe('built')
  })

  test('that fails is the end, with its last words', async () => {
    const error = await refusal(prepare({ build: 'seq 100; echo oh no >&2; exit 7' }))
    expect(error).toMatchObject({ code: 'E_BUILD', exitCode: 3, message: expect.stringContaining('exit code 7') })
    expect(error.evidence).toContain('oh no')
    expect(error.evidence?.length).toBeLessThanOrEqual(20)
  })

  test('ends with its children when it is interrupted', async () => {
    put('src/a')
    const stop = new AbortController()
    const waiting = refusal(prepare({ build: 'echo $$ >pid; sleep 1000 & wait' }, { signal: stop.signal }))
    while (!existsSync(join(project, 'pid')) || readFileSync(join(project, 'pid'), 'utf8') === '')
      await new Promise((done) => setTimeout(done, 10))
    stop.abort()
    expect((await waiting).code).toBe('E_CANCELLED')
    const pid = Number(readFileSync(join(project, 'pid'), 'utf8'))
    expect(() => process.kill(-pid, 0)).toThrow('ESRCH')
  })

  test('is left out where an artifact is given by hand', async () => {
    put('other/x', 'ready')
    const { built, artifact } = await prepare({ build: 'exit 1' }, { override: join(project, 'other') })
    expect(built).toBe('none')
    expect(artifact.files).toBe(1)
  })
})

describe('the revision', () => {
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', '-c', 'commit.gpgsign=false', ...words], {
      cwd: project,
      stdio: 'pipe',
    })

  test('names commit, branch, author and whether anything is not committed', async () => {
    put('dist/a')
    expect((await prepare()).revision).toBeNull()
    git('init', '-q', '-b', 'trunk')
    expect((await prepare()).revision).toBeNull()
    git('add', '.')
    git('commit', '-q', '-m', 'First "words"')
    expect((await prepare()).revision).toEqual({
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
      branch: 'trunk',
      dirty: false,
      author: 'Ada',
      subject: 'First "words"',
    })
    put('dist/a', 'changed')
    expect((await prepare()).revision).toMatchObject({ dirty: true })
    git('commit', '-q', '-am', 'Second')
    git('checkout', '-q', '--detach')
    const detached = (await prepare()).revision
    expect(detached).toMatchObject({ dirty: false, subject: 'Second' })
    expect(detached).not.toHaveProperty('branch')
    put('untracked')
    expect((await prepare()).revision).toMatchObject({ dirty: true })
  })

  test('a source saved while the build runs makes the next deploy build again', async () => {
    put('src/a', 'one')
    git('init', '-q')
    git('add', '.')
    git('commit', '-q', '-m', 'x')
    const build = 'mkdir -p dist; cp src/a dist/a; [ ! -e edit ] || { echo two >src/a; rm edit; }'
    put('edit', '')
    await prepare({ build })
    expect((await prepare({ build })).built).toBe('built')
    expect((await prepare({ build })).built).toBe('skipped')
  })
})

test('ten thousand files are packed and hashed, and keep their order', async () => {
  for (let at = 0; at < 100; at += 1) {
    mkdirSync(join(project, `dist/${at}`), { recursive: true })
    for (let file = 0; file < 100; file += 1) writeFileSync(join(project, `dist/${at}/${file}.js`), `${at} ${file}`)
  }
  const { artifact } = await prepare()
  expect(artifact.files).toBe(10_000)
  const paths = artifact.manifest.map((entry) => entry.path)
  expect(paths).toEqual(paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
}, 60_000)
