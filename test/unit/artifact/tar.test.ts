// Our archives must be what real tars read, and what real tars write must be what we read.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkedEntries, type SourceEntry } from '../../../src/drivers/artifact/entries.ts'
import { readTar } from '../../../src/drivers/artifact/tar-read.ts'
import { tarChunks } from '../../../src/drivers/artifact/tar-write.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-tar-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function file(path: string, text = '', mode: 0o644 | 0o755 = 0o644): SourceEntry {
  const bytes = Buffer.from(text)
  return { kind: 'file', path, mode, bytes: bytes.length, open: () => Readable.from(bytes.length === 0 ? [] : [bytes]) }
}

async function tarOf(entries: readonly SourceEntry[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of tarChunks(entries)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function read(path: string): Promise<readonly SourceEntry[]> {
  await using handle = await open(path)
  return checkedEntries(await readTar(handle, path, path), path)
}

async function textOf(entry: SourceEntry | undefined): Promise<string> {
  if (entry?.kind !== 'file') return `not a file: ${entry?.kind}`
  const chunks: Uint8Array[] = []
  for await (const chunk of entry.open()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const LONG = `${'l'.repeat(90)}/${'ü'.repeat(100)}/${'n'.repeat(200)}`
const HUNDRED = 'h'.repeat(100)
const NAMES = [
  'plain',
  '-rf',
  'new\nline',
  'back\\slash',
  'with space ',
  'ünïcode/☃',
  '$(touch canary)',
  HUNDRED,
  `${HUNDRED}x`,
  LONG,
  'tab\there',
  "quote's",
]

const TARS = [['tar'], ['busybox', 'tar'], ['bsdtar']].filter(([name]) => spawnSync(name ?? '', ['--help']).error === undefined)

describe('writing', () => {
  test.each(TARS.map((words) => [words.join(' '), words] as const))(
    '%s unpacks every kind of name, mode and link exactly',
    async (_name, words) => {
      const entries: SourceEntry[] = [
        ...NAMES.map((name) => file(name, `content of ${name}`)),
        file('bin/run', '#!', 0o755),
        file('empty'),
        { kind: 'directory', path: 'empty folder' },
        { kind: 'link', path: 'short link', target: 'plain' },
        { kind: 'link', path: `${'k'.repeat(150)}`, target: LONG },
        { kind: 'link', path: 'dangling', target: 'nowhere\nat all' },
      ]
      writeFileSync(join(folder, 'a.tar'), await tarOf(checkedEntries(entries, 'x')))
      const out = join(folder, 'out')
      mkdirSync(out)
      execFileSync(words[0] ?? '', [...words.slice(1), '-x', '-o', '-m', '-f', join(folder, 'a.tar')], { cwd: out })
      for (const name of NAMES) expect(readFileSync(join(out, name), 'utf8')).toBe(`content of ${name}`)
      expect(statSync(join(out, 'bin/run')).mode & 0o777).toBe(0o755)
      expect(statSync(join(out, 'plain')).mode & 0o777).toBe(0o644)
      expect(statSync(join(out, 'empty')).size).toBe(0)
      expect(statSync(join(out, 'empty folder')).isDirectory()).toBe(true)
      expect(readlinkSync(join(out, 'short link'))).toBe('plain')
      expect(readlinkSync(join(out, 'k'.repeat(150)))).toBe(LONG)
      expect(readlinkSync(join(out, 'dangling'))).toBe('nowhere\nat all')
      expect(existsSync(join(out, 'canary'))).toBe(false)
    },
  )

  test('a file of more than 8 GiB has a size that tar reads', async () => {
    const bytes = 9 * 1024 ** 3
    const huge: SourceEntry = { kind: 'file', path: 'huge', mode: 0o644, bytes, open: () => Readable.from([]) }
    const chunks: Uint8Array[] = []
    // The header is all we want: the content would be there only in a real one.
    await expect(async () => {
      for await (const chunk of tarChunks([file('a'.repeat(10), 'x'.repeat(300_000)), huge])) chunks.push(chunk)
    }).rejects.toThrow('"huge" changed while it was packed')
    writeFileSync(join(folder, 'head.tar'), await headerOf(huge))
    const listed = spawnSync('tar', ['-tvf', join(folder, 'head.tar')]).stdout.toString()
    expect(listed).toContain(String(bytes))
  })

  test('a file that grew or shrank since it was listed is an error', async () => {
    const grown: SourceEntry = { kind: 'file', path: 'log', mode: 0o644, bytes: 3, open: () => Readable.from([Buffer.from('four')]) }
    await expect(tarOf([grown])).rejects.toThrow('changed while it was packed')
    await expect(tarOf([{ ...grown, bytes: 5 }])).rejects.toThrow('changed while it was packed')
  })

  test('the same entries are the same bytes, in whole records', async () => {
    const once = await tarOf([file('a', 'x'), { kind: 'link', path: 'l', target: 'a' }])
    expect(await tarOf([file('a', 'x'), { kind: 'link', path: 'l', target: 'a' }])).toEqual(once)
    expect(once.length % 10_240).toBe(0)
  })
})

/** The first block that is written for an entry whose content is not there. */
async function headerOf(entry: SourceEntry): Promise<Buffer> {
  const whole = await tarOf([{ ...entry, kind: 'file', mode: 0o644, path: 'huge', bytes: 0, open: () => Readable.from([]) }])
  const block = Buffer.from(whole.subarray(0, 512))
  const bytes = entry.kind === 'file' ? entry.bytes : 0
  block.fill(0, 124, 136)
  block[124] = 0x80
  block.writeBigUInt64BE(BigInt(bytes), 128)
  block.fill(' ', 148, 156)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return block
}

describe('reading', () => {
  test.each(['gnu', 'ustar', 'pax', 'v7'])('what GNU tar writes as %s is read exactly', async (format) => {
    const tree = join(folder, 'tree')
    const names = format === 'v7' || format === 'ustar' ? NAMES.filter((name) => Buffer.byteLength(name) < 99) : NAMES
    const entries = checkedEntries(
      names.map((name) => file(name, name)),
      'x',
    )
    for (const entry of entries) {
      if (entry.kind === 'directory') mkdirSync(join(tree, entry.path), { recursive: true })
      else if (entry.kind === 'file') {
        mkdirSync(tree, { recursive: true })
        writeFileSync(join(tree, entry.path), entry.path, { mode: 0o755 })
      }
    }
    symlinkSync('plain', join(tree, 'link'))
    execFileSync('tar', [`--format=${format}`, '-cf', join(folder, 't.tar'), '-C', tree, '.'])
    const seen = new Map((await read(join(folder, 't.tar'))).map((entry) => [entry.path, entry]))
    for (const name of names) expect(await textOf(seen.get(name))).toBe(name)
    expect(seen.get('plain')).toMatchObject({ mode: 0o755 })
    expect(seen.get('link')).toMatchObject({ kind: 'link', target: 'plain' })
  })

  test('a long name split over two fields of ustar is put together', async () => {
    const long = `${'d'.repeat(80)}/${'e'.repeat(60)}/file`
    mkdirSync(join(folder, 't', long, '..'), { recursive: true })
    writeFileSync(join(folder, 't', long), 'x')
    execFileSync('tar', ['--format=ustar', '-cf', join(folder, 't.tar'), '-C', join(folder, 't'), long])
    expect((await read(join(folder, 't.tar'))).map((entry) => entry.path)).toContain(long)
  })

  test('a hard link is a file with the same content', async () => {
    writeFileSync(join(folder, 'one'), 'same')
    execFileSync('ln', [join(folder, 'one'), join(folder, 'two')])
    execFileSync('tar', ['-cf', join(folder, 't.tar'), '-C', folder, 'one', 'two'])
    const entries = await read(join(folder, 't.tar'))
    expect(await Promise.all(entries.map(textOf))).toEqual(['same', 'same'])
  })

  test('an entry that comes twice counts as it came last', async () => {
    writeFileSync(join(folder, 'a'), 'old')
    execFileSync('tar', ['-cf', join(folder, 't.tar'), '-C', folder, 'a'])
    writeFileSync(join(folder, 'a'), 'new')
    execFileSync('tar', ['-rf', join(folder, 't.tar'), '-C', folder, 'a'])
    expect(await textOf((await read(join(folder, 't.tar')))[0])).toBe('new')
  })

  test.each([
    ['an absolute path', ['-P', '--transform=s,^a$,/etc/a,'], 'absolute path'],
    ['a path with ..', ['-P', '--transform=s,^a$,x/../../a,'], 'leads out of the artifact'],
    ['a pipe', ['pipe'], 'device or a pipe'],
    ['a link to an absolute path', ['absolute'], 'absolute path "?/etc/passwd'],
    ['a link that leads out', ['outside'], 'leads out of the artifact'],
    ['our own folder', ['--transform=s,^a$,.rollgate/a,'], 'Rollgate uses itself'],
    ['our own file', ['--transform=s,^a$,.rollgate.env,'], 'Rollgate uses itself'],
  ])('%s is refused', async (_what, words, message) => {
    writeFileSync(join(folder, 'a'), 'x')
    execFileSync('mkfifo', [join(folder, 'pipe')])
    symlinkSync('/etc/passwd', join(folder, 'absolute'))
    symlinkSync('../x', join(folder, 'outside'))
    const last = words.at(-1) ?? ''
    execFileSync('tar', [
      '-cf',
      join(folder, 't.tar'),
      ...words.filter((word) => word.startsWith('-')),
      '-C',
      folder,
      last.startsWith('-') ? 'a' : last,
    ])
    await expect(read(join(folder, 't.tar'))).rejects.toThrow(new RegExp(message))
  })

  test('a file below a link is refused: unpacked elsewhere it would be written through the link', async () => {
    const sneaky = await tarOf([{ kind: 'link', path: 'x', target: 'y' }, file('x/evil', 'z')])
    writeFileSync(join(folder, 't.tar'), sneaky)
    await expect(read(join(folder, 't.tar'))).rejects.toThrow('lies inside x, which is a link')
  })

  test('a file that is also a folder is refused', async () => {
    writeFileSync(join(folder, 't.tar'), await tarOf([file('x', 'z'), { kind: 'directory', path: 'x' }]))
    await expect(read(join(folder, 't.tar'))).rejects.toThrow('there twice')
  })

  test('one flipped bit in a header is noticed, and so is a missing end', async () => {
    const good = await tarOf([file('a', 'x'.repeat(2000))])
    const bad = Buffer.from(good)
    bad[3] = (bad[3] ?? 0) ^ 1
    writeFileSync(join(folder, 'bad.tar'), bad)
    await expect(read(join(folder, 'bad.tar'))).rejects.toThrow('wrong checksum')
    writeFileSync(join(folder, 'short.tar'), good.subarray(0, 1500))
    await expect(read(join(folder, 'short.tar'))).rejects.toThrow('ends too early')
    writeFileSync(join(folder, 'text.tar'), 'this is a text and not a tar'.repeat(100))
    await expect(read(join(folder, 'text.tar'))).rejects.toThrow('wrong checksum')
  })

  test('a sparse file is refused, whatever the form', async () => {
    execFileSync('truncate', ['-s', '1M', join(folder, 'holes')])
    for (const format of ['gnu', 'pax']) {
      execFileSync('tar', [`--format=${format}`, '-S', '-cf', join(folder, 't.tar'), '-C', folder, 'holes'])
      await expect(read(join(folder, 't.tar'))).rejects.toThrow(/not read/)
    }
  })
})
