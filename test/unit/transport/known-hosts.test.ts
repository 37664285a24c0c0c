// Our reading of known_hosts against OpenSSH's own: whatever `ssh-keygen -F` finds, we find, and nothing else.
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  addKnownHost,
  fingerprint,
  hashedName,
  hostPattern,
  judgeKey,
  keyType,
  knownTypes,
  matchesHost,
  parseKnownHosts,
} from '../../../src/drivers/transport/known-hosts.ts'

const missing = spawnSync('ssh-keygen', ['-?']).error === undefined ? null : 'ssh-keygen is not installed'

const field = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const ed25519 = (): Buffer => {
  const x = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? ''
  return Buffer.concat([field('ssh-ed25519'), field(Buffer.from(x, 'base64url'))])
}
const rsa = (): Buffer =>
  Buffer.concat([field('ssh-rsa'), field(Buffer.from([1, 0, 1])), field(Buffer.concat([Buffer.from([0]), randomBytes(256)]))])
const line = (hosts: string, key: Buffer): string => `${hosts} ${keyType(key)} ${key.toString('base64')}`

describe('names in known_hosts', () => {
  test.each([
    ['host', 'host', true],
    ['host', 'HOST', true],
    ['HOST', 'host', true],
    ['host', 'hos', false],
    ['a,b,c', 'b', true],
    ['*.example.com', 'web.example.com', true],
    ['*.example.com', 'example.com', false],
    ['web-?', 'web-1', true],
    ['web-?', 'web-12', false],
    ['*,!web-1', 'web-1', false],
    ['!web-1,*', 'web-1', false],
    ['!web-1', 'web-2', false],
    ['[host]:2222', '[host]:2222', true],
    ['[*]:2222', '[host]:2222', true],
    ['host', '[host]:2222', false],
    ['10.0.0.*', '10.0.0.7', true],
    ['10.0.0.1', '10x0y0z1', false],
    ['::1', '::1', true],
    ['(a|b)+', 'a', false],
  ])('%s names %s: %s', (hosts, name, expected) => {
    expect(matchesHost(hosts, hostPatternIn(name))).toBe(expected)
  })
  const hostPatternIn = (name: string): string => name.toLowerCase()

  test('a name with a port that is not 22 is written in brackets, and lower case', () => {
    expect(hostPattern('Web.Example.com', 22)).toBe('web.example.com')
    expect(hostPattern('Web.Example.com', 2222)).toBe('[web.example.com]:2222')
  })

  test('a pattern with many stars takes no time', () => {
    const began = performance.now()
    expect(matchesHost(`${'*a'.repeat(60)}b`, 'a'.repeat(200))).toBe(false)
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('the judgement of a key', () => {
  const good = ed25519()
  const other = ed25519()
  const revoked = ed25519()
  const lines = parseKnownHosts(
    [
      '# comment',
      '',
      line('web', good),
      line('old', other),
      `@revoked ${line('*', revoked)}`,
      `@cert-authority ${line('authority', other)}`,
      `@something ${line('web', other)}`,
      line('web', revoked),
      `web ssh-rsa ${good.toString('base64')}`,
      'web ssh-ed25519 %%%',
      'broken',
      '|1|nonsense ssh-ed25519 AAAA',
    ].join('\n'),
    'file',
  )
  test('is known, unknown, changed or revoked', () => {
    expect(judgeKey(lines, ['web'], good)).toEqual({ kind: 'known' })
    expect(judgeKey(lines, ['nowhere'], good)).toEqual({ kind: 'unknown' })
    expect(judgeKey(lines, ['old'], good)).toMatchObject({ kind: 'changed', at: 'file:4', files: ['file'], known: [fingerprint(other)] })
    expect(judgeKey(lines, ['web'], revoked)).toEqual({ kind: 'revoked', at: 'file:5' })
    expect(judgeKey(lines, ['authority'], other)).toEqual({ kind: 'unknown' })
  })
  test('a line whose type is not its key’s counts for nothing', () => {
    expect(knownTypes(lines, ['web'])).toEqual(['ssh-ed25519'])
  })
})

describe.skipIf(missing !== null)(`beside ssh-keygen${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rollgate-known-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Keys that ssh-keygen finds for a name, with their markers. */
  function found(text: string, name: string): string[] {
    const path = join(folder, 'known_hosts')
    writeFileSync(path, text)
    const { stdout } = spawnSync('ssh-keygen', ['-F', name, '-f', path], { encoding: 'utf8' })
    return stdout
      .split('\n')
      .filter((row) => row !== '' && !row.startsWith('#'))
      .map((row) => row.trim().split(' '))
      .map((words) => (words[0]?.startsWith('@') === true ? `${words[0]} ${words[3]}` : (words[2] ?? '')))
      .sort()
  }
  function ours(text: string, name: string): string[] {
    return parseKnownHosts(text, 'file')
      .filter((entry) => matchesHost(entry.hosts, name))
      .map((entry) => `${entry.marker === null ? '' : `@${entry.marker} `}${entry.key.toString('base64')}`)
      .sort()
  }

  test('the same keys are found for any mixture of names, patterns, negations, ports, hashes and markers', () => {
    const keys = [ed25519(), ed25519(), rsa()]
    const names = ['web', 'web-1', 'web.example.com', '[web]:2222', '[web-1]:22000', '10.0.0.1', '[10.0.0.1]:2222', '::1', 'db']
    const patterns = [...names, 'w*', '*', '?eb', '*.com', '[web*]:2222', '10.0.0.?', 'WEB', '!web', '!web-1', '!*.com', '![web]:2222']
    const entry = fc.record({
      hosts: fc.oneof(
        fc.array(fc.constantFrom(...patterns), { minLength: 1, maxLength: 4 }).map((list) => list.join(',')),
        fc.constantFrom(...names).map((name) => hashedName(name, randomBytes(20))),
      ),
      key: fc.constantFrom(...keys),
      marker: fc.constantFrom('', '', '', '@revoked ', '@cert-authority '),
      tail: fc.constantFrom('', ' comment', ' two words', '\r'),
    })
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), fc.constantFrom(...names), (entries, name) => {
        const text = entries.map(({ hosts, key, marker, tail }) => `${marker}${line(hosts, key)}${tail}\n`).join('')
        expect(ours(text, name)).toEqual(found(text, name))
      }),
      { numRuns: 60 },
    )
  })

  test('what we add is found, plain and hashed, and what we hash is what it hashes', async () => {
    const path = join(folder, 'added')
    const [first, second] = [ed25519(), ed25519()]
    await addKnownHost(path, '[web]:2222', first)
    await addKnownHost(path, 'db', second, { hashed: true })
    const text = readFileSync(path, 'utf8')
    expect(found(text, '[web]:2222')).toEqual([first.toString('base64')])
    expect(found(text, 'db')).toEqual([second.toString('base64')])
    writeFileSync(path, `${line('web,db', first)}\n`)
    execFileSync('ssh-keygen', ['-H', '-f', path], { stdio: 'ignore' })
    const hashed = readFileSync(path, 'utf8')
    expect(ours(hashed, 'web')).toEqual([first.toString('base64')])
    expect(ours(hashed, 'db')).toEqual([first.toString('base64')])
    expect(ours(hashed, 'other')).toEqual([])
  })

  test('twenty additions at once lose no line', async () => {
    const path = join(folder, 'many')
    const keys = Array.from({ length: 20 }, ed25519)
    await Promise.all(keys.map((key, index) => addKnownHost(path, `web-${index}`, key)))
    const text = readFileSync(path, 'utf8')
    expect(text.trim().split('\n')).toHaveLength(20)
    for (const [index, key] of keys.entries()) expect(ours(text, `web-${index}`)).toEqual([key.toString('base64')])
  })

  test('fingerprints are the ones that it prints', () => {
    const key = ed25519()
    const path = join(folder, 'key.pub')
    writeFileSync(path, `${keyType(key)} ${key.toString('base64')}\n`)
    expect(execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1]).toBe(fingerprint(key))
  })
})
