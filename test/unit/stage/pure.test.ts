// The parts of staging that only think: environment files, shared paths, room, what an exit code means.
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { CommandResult } from '../../../src/domain/command.ts'
import { errorInfo } from '../../../src/domain/error.ts'
import type { DiskFacts } from '../../../src/domain/facts.ts'
import { layoutOf } from '../../../src/domain/layout.ts'
import type { ManifestEntry } from '../../../src/domain/release.ts'
import { compressionFor } from '../../../src/drivers/stage/compression.ts'
import { envFile } from '../../../src/drivers/stage/env-file.ts'
import { EXIT } from '../../../src/drivers/stage/exits.ts'
import { failed, Retry } from '../../../src/drivers/stage/failed.ts'
import { preflightStage, spaceGuessed, spaceNeeded } from '../../../src/drivers/stage/preflight.ts'
import { sharedPaths } from '../../../src/drivers/stage/shared.ts'

describe('the environment file', () => {
  test('is read by a shell as it was meant, whatever a value holds', () => {
    const env = {
      PLAIN: 'a',
      EMPTY: '',
      QUOTES: `"double" 'single' \`back\``,
      SUBSTITUTION: `$(echo no) \${HOME} $HOME \\$x`,
      LINES: 'one\ntwo\n',
      BACKSLASHES: 'a\\b\\\\c\\',
      UNICODE: 'ü ☃ 🙂',
      SPACES: '  both ends  ',
      HASH: '# not a comment; not=another',
    }
    const text = envFile('r1-00000000', env)
    const script = `${text}${Object.keys(env)
      .map((name) => `printf '%s\\0' "$${name}"`)
      .join('\n')}`
    const read = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
    expect(read.stderr).toBe('')
    expect(read.stdout.split('\0').slice(0, -1)).toEqual(Object.values(env))
  })

  test('names the release, whatever env says', () => {
    expect(envFile('r7-0123abcd', { ROLLGATE_RELEASE: 'mine' })).toBe('ROLLGATE_RELEASE="r7-0123abcd"\n')
  })

  test.each([
    ['a name that is none', { 'A-B': 'x' }, '"A-B"'],
    ['a zero byte', { A: 'x\0y' }, 'The value of A'],
    ['half a character', { A: 'secret\ud800' }, 'The value of A'],
  ])('%s is refused, and no value is shown', (_name, env, words) => {
    const error = errorInfo(
      (() => {
        try {
          return envFile('r1-00000000', env)
        } catch (thrown) {
          return thrown
        }
      })(),
    )
    expect(error).toMatchObject({ code: 'E_STAGE', exitCode: 3, message: expect.stringContaining(words) })
    expect(error.message).not.toContain('secret')
  })
})

describe('shared paths', () => {
  const file = (path: string): ManifestEntry => ({ path, kind: 'file', mode: 0o644, bytes: 1, sha256: 'a'.repeat(64) })
  const kinds = (shared: readonly string[], manifest: readonly ManifestEntry[] = []) =>
    sharedPaths(shared, manifest).map(({ path, kind }) => `${kind} ${path}`)

  test('are folders or files as the artifact, a slash or a dot says', () => {
    expect(kinds(['uploads', '.env', 'master.key', 'var/run/', 'conf.d/'])).toEqual([
      'folder uploads',
      'file .env',
      'file master.key',
      'folder var/run',
      'folder conf.d',
    ])
    expect(kinds(['Makefile', 'v1.2'], [file('Makefile'), { path: 'v1.2', kind: 'directory', mode: 0o755 }])).toEqual([
      'file Makefile',
      'folder v1.2',
    ])
  })

  test('inside another shared path are linked with it', () => {
    expect(kinds(['var', 'var/log', './var//run/'])).toEqual(['folder var'])
  })

  test.each(['/etc', '../x', 'a/../../x', '', '.', '.rollgate.env', '.rollgate/x', 'a\u0001b'])('%j is refused', (path) => {
    expect(() => sharedPaths([path], [])).toThrow(expect.objectContaining({ code: 'E_STAGE' }))
  })

  test('under a link or a file of the artifact are refused: they would be made somewhere else', () => {
    expect(() => sharedPaths(['data/uploads'], [{ path: 'data', kind: 'link', target: 'x' }])).toThrow('is a link in the artifact')
    expect(() => sharedPaths(['data/uploads'], [file('data')])).toThrow('is a file in the artifact')
  })
})

describe('room', () => {
  const host = (disk: Partial<DiskFacts> | null, releases = 0) => ({
    host: 'web-1',
    disk: disk === null ? null : { freeBytes: 1e12, freeInodes: 1e6, tempFreeBytes: 1e9, tempFreeInodes: 1000, ...disk },
    releases: Array(releases).fill(null),
  })
  const needed = { bytes: 100e6, inodes: 500 }

  test('a small file takes a block, and there is a margin', () => {
    const entries = Array.from(
      { length: 1000 },
      (_, at): ManifestEntry => ({ path: String(at), kind: 'file', mode: 0o644, bytes: 1, sha256: 'a' }),
    )
    const { bytes, inodes } = spaceNeeded(entries)
    expect(bytes).toBeGreaterThan(1000 * 4096 * 1.09)
    expect(inodes).toBe(1100)
    expect(spaceGuessed({ bytes: 1000, files: 1000 }).bytes).toBeGreaterThanOrEqual(bytes)
  })

  test.each([
    ['enough', {}, null],
    ['too few bytes', { freeBytes: 99e6 }, '99.0 MB free, 100.0 MB needed'],
    ['too few inodes', { freeInodes: 499 }, '499 inodes free'],
    ['no inodes at all', { freeInodes: 0 }, '0 inodes free'],
    ['inodes that nobody counts', { freeInodes: null }, null],
    ['a full file system of temporary files', { tempFreeBytes: 0 }, 'temporary files'],
    ['one without inodes', { tempFreeInodes: 0 }, 'inodes free for temporary files'],
    ['one that cannot be known', { tempFreeBytes: null, tempFreeInodes: null }, null],
  ])('%s', (_name, disk, words) => {
    const error = preflightStage(host(disk), needed, 5)
    if (words === null) expect(error).toBeNull()
    else expect(error).toMatchObject({ code: 'E_DISK', exitCode: 3, host: 'web-1', message: expect.stringContaining(words) })
  })

  test('a host that cannot say is not refused, and the way out fits what it holds', () => {
    expect(preflightStage(host(null), needed, 5)).toBeNull()
    expect(preflightStage(host({ freeBytes: 0 }, 9), needed, 5)?.hints?.[0]).toContain('a lower release.keep than 5')
    expect(preflightStage(host({ freeBytes: 0 }, 3), needed, 5)?.hints?.[0]).toContain('Free some space')
  })
})

describe('what a script’s exit code means', () => {
  const at = {
    connection: { host: { name: 'web-1', address: '', roles: [], labels: {} } },
    layout: layoutOf('/srv/shop'),
    info: { version: 1, id: 'r1-00000000', counter: 1, hash: '', artifact: '', bytes: 1, files: 1, by: '', revision: null },
  } as unknown as Parameters<typeof failed>[1]
  const ended = (exitCode: number | null, stdout = '', more: Partial<CommandResult> = {}): CommandResult => ({
    exitCode,
    stdout,
    stderr: '',
    truncated: false,
    durationMs: 60_000,
    lost: false,
    timedOut: false,
    ...more,
  })

  test('every one has words of its own', () => {
    const messages = Object.values(EXIT).map((code) => failed(ended(code), at).message)
    expect(new Set(messages).size).toBe(messages.length)
  })

  test('a full disk is told from a broken archive, and only the second is worth another try', () => {
    expect(errorInfo(failed(ended(EXIT.unpack, 'free 12\n'), at))).toMatchObject({ code: 'E_DISK', exitCode: 3 })
    expect(failed(ended(EXIT.unpack, 'free 999999\n'), at)).toBeInstanceOf(Retry)
    expect(failed(ended(EXIT.unpack), at)).toBeInstanceOf(Retry)
    expect(failed(ended(EXIT.liveDamaged), at)).not.toBeInstanceOf(Retry)
  })

  test('signals and our own limit are said as such', () => {
    expect(failed(ended(null, '', { signal: 'KILL' }), at).message).toContain('signal KILL')
    expect(failed(ended(null, '', { timedOut: true }), at).message).toContain('took too long')
  })
})

test.each([
  [{ zstd: true, gzip: true }, 'zstd'],
  [{ zstd: false, gzip: true }, 'gzip'],
  [{ zstd: false, gzip: false }, 'none'],
])('a host with %j gets %s', (tools, form) => expect(compressionFor(tools)).toBe(form))
