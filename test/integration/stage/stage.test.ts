// Staging with real shells, real tars and real files: what arrives is what was packed, it is there whole or not at all,
// and nothing that serves is touched. Everything runs with the system's tools and again with busybox's alone.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import { SHELLS, shellConnection, temporaryFolder } from './harness.ts'
import { plant, seen, type Tree, world } from './world.ts'

const APP: Tree = {
  'server.js': 'listen()',
  'bin/run': 'x:#!/bin/sh\n',
  'public/index.html': '<p>',
  logs: '/',
  latest: '-> public/index.html',
}
const HOSTILE: Tree = {
  '-rf': 'dash',
  'with space ': 'blank at the end',
  '$(touch canary)': 'substitution',
  '`touch canary`': 'backticks',
  "it's": 'quote',
  'back\\slash': 'backslash',
  'new\nline': 'newline',
  'new\nfolder/a\rb': 'return',
  'ünïcode/☃': 'snow',
  '*': 'star',
  '[a]': 'class',
  'tab\there': 'tab',
  ['l'.repeat(200)]: 'long',
  'deep/er/and/deep/er/still': 'x:deep',
  'dangling\nlink': '-> no\nwhere',
  'a link': '-> with space ',
}

async function refusal(work: Promise<unknown>) {
  return work.then(
    () => ({ code: 'none', message: '', hints: [] as readonly string[], evidence: [] as readonly string[] }),
    (error: unknown) => ({ hints: [], evidence: [], ...errorInfo(error) }),
  )
}

describe.each(SHELLS)('staging with the tools of %s', (shell) => {
  test('puts a folder on the host, complete, with its record and nothing left over', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const info = infoOf(packed)
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ state: 'staged' })
    expect(seen(layout.release(info.id))).toEqual({
      '.rollgate.env': `600 ROLLGATE_RELEASE="${info.id}"\n`,
      bin: '/ 755',
      'bin/run': '755 #!/bin/sh\n',
      latest: '-> public/index.html',
      logs: '/ 755',
      public: '/ 755',
      'public/index.html': '644 <p>',
      'server.js': '644 listen()',
    })
    expect(JSON.parse(readFileSync(layout.info(info.id), 'utf8'))).toEqual(info)
    expect(readdirSync(layout.releases)).toEqual([info.id])
    expect(readdirSync(layout.state)).toEqual(['releases'])
    expect(lstatSync(layout.state).mode & 0o777).toBe(0o700)
    expect(existsSync(layout.current)).toBe(false)
  })

  test('takes any name that a file can have', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path, "s r'v/$(touch canary)/shop")
    const from = plant(join(scratch.path, 'dist'), HOSTILE)
    const packed = await artifact(from)
    await stage(shellConnection(shell, scratch.path), packed, { shell })
    const { '.rollgate.env': _environment, ...arrived } = seen(layout.release(infoOf(packed).id))
    expect(arrived).toEqual(seen(from))
    expect(existsSync(join(scratch.path, 'canary'))).toBe(false)
    // A second look finds it whole: the check on the host understands these names as well.
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ state: 'already' })
  })

  test('stages the same release again without sending anything', async () => {
    using scratch = temporaryFolder()
    const { artifact, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    await stage(shellConnection(shell, scratch.path), packed, { shell })
    let sent = 0
    const again = await stage(shellConnection(shell, scratch.path), packed, { shell, onProgress: (bytes) => (sent += bytes) })
    expect(again.state).toBe('already')
    expect(sent).toBe(0)
  })

  test('links shared paths, keeps what is in them, and tells which do not exist yet', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    plant(layout.shared, { 'uploads/old.png': 'kept' })
    const packed = await artifact(plant(join(scratch.path, 'dist'), { ...APP, 'config/app.yml': 'of the artifact' }))
    const shared = ['uploads', '.env', 'config/app.yml', 'var/run/']
    const { note } = await stage(shellConnection(shell, scratch.path), packed, { shell, shared })
    const release = layout.release(infoOf(packed).id)
    expect(seen(release)).toMatchObject({
      uploads: `-> ${layout.shared}/uploads`,
      '.env': `-> ${layout.shared}/.env`,
      'config/app.yml': `-> ${layout.shared}/config/app.yml`,
      'var/run': `-> ${layout.shared}/var/run`,
    })
    expect(readFileSync(join(release, 'uploads/old.png'), 'utf8')).toBe('kept')
    expect(lstatSync(join(layout.shared, 'var/run')).isDirectory()).toBe(true)
    expect(note).toContain('shared/.env does not exist yet')
    expect(note).toContain('config/app.yml gave way to the link')
    expect(existsSync(join(layout.shared, '.env'))).toBe(false)
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell, shared })).toMatchObject({ state: 'already' })
  })

  test('writes the environment for the owner only, and no secret of it into an argument', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const host = shellConnection(shell, scratch.path)
    const hostile = "a\"b\\c$(touch canary)`touch canary`\n'd' $HOME é"
    await stage(host, packed, { shell, env: { TOKEN: 's3cr3t-value', HOSTILE: hostile } })
    const file = join(layout.release(infoOf(packed).id), '.rollgate.env')
    expect(lstatSync(file).mode & 0o777).toBe(0o600)
    const read = spawnSync('sh', ['-c', '. "$1"; printf "%s|%s|%s" "$TOKEN" "$HOSTILE" "$ROLLGATE_RELEASE"', 'sh', file], {
      encoding: 'utf8',
    })
    expect(read.stdout).toBe(`s3cr3t-value|${hostile}|${infoOf(packed).id}`)
    expect(host.argvSeen.join('\n')).not.toContain('s3cr3t')
    expect(existsSync(join(scratch.path, 'canary'))).toBe(false)
  })

  test('refuses a current that is a real folder, and names the way out', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, stage } = world(scratch.path)
    plant(layout.current, { 'server.js': 'by hand' })
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const error = await refusal(stage(shellConnection(shell, scratch.path), packed, { shell }))
    expect(error).toMatchObject({ code: 'E_ROOT', exitCode: 3 })
    expect(error.hints.join()).toContain('setup --adopt')
    expect(seen(layout.current)).toEqual({ 'server.js': '644 by hand' })
  })

  test('stages a damaged copy afresh, but never touches the live one', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const release = layout.release(infoOf(packed).id)
    await stage(shellConnection(shell, scratch.path), packed, { shell })
    writeFileSync(join(release, 'server.js'), 'changed!')
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({
      state: 'staged',
      note: expect.stringContaining('damaged'),
    })
    expect(readFileSync(join(release, 'server.js'), 'utf8')).toBe('listen()')

    symlinkSync(release, layout.current)
    writeFileSync(join(release, 'server.js'), 'hot fix')
    const error = await refusal(stage(shellConnection(shell, scratch.path), packed, { shell }))
    expect(error).toMatchObject({ code: 'E_STAGE', exitCode: 3 })
    expect(error.message).toContain('is live')
    expect(error.evidence.join('\n')).toContain('server.js')
    expect(readFileSync(join(release, 'server.js'), 'utf8')).toBe('hot fix')
  })

  test('does not call files that the app wrote later damage', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    await stage(shellConnection(shell, scratch.path), packed, { shell })
    plant(layout.release(infoOf(packed).id), { 'cache/compiled.bin': 'later' })
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ state: 'already' })
  })

  test('sweeps what a dead upload left, and leaves what a living one writes', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
    const dead = join(layout.releases, `.staging-${'a'.repeat(64)}.${boot}.999999999`)
    const rebooted = join(layout.releases, `.staging-${'a'.repeat(64)}.00000000.${process.pid}`)
    const living = join(layout.releases, `.staging-${'a'.repeat(64)}.${boot}.${process.pid}`)
    for (const folder of [dead, rebooted, living]) plant(folder, { half: 'file' })
    await stage(shellConnection(shell, scratch.path), packed, { shell })
    expect(readdirSync(layout.releases).sort()).toEqual([living.slice(layout.releases.length + 1), infoOf(packed).id].sort())
  })

  test('goes on from a verified upload of an earlier run, but not from a changed one', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const info = infoOf(packed)
    // The connection goes away when the commit begins.
    const interrupted = shellConnection(shell, scratch.path, {
      before: (text) => {
        if (text.includes('ROLLGATE_RELEASE=')) throw new Error('the machine of the operator died')
      },
    })
    await expect(stage(interrupted, packed, { shell })).rejects.toThrow('died')
    expect(existsSync(layout.staging(info.hash))).toBe(true)
    expect(existsSync(layout.release(info.id))).toBe(false)
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({
      note: expect.stringContaining('interrupted run'),
    })

    rmSync(layout.release(info.id), { recursive: true })
    await expect(stage(interrupted, packed, { shell })).rejects.toThrow('died')
    writeFileSync(join(layout.staging(info.hash), 'server.js'), 'changed!')
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ note: expect.stringContaining('sent') })
    expect(readFileSync(join(layout.release(info.id), 'server.js'), 'utf8')).toBe('listen()')
  })

  test('ends before anything is changed when the lease is no longer ours', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const error = await refusal(stage(shellConnection(shell, scratch.path), packed, { shell, guard: 'echo fenced; exit 93' }))
    expect(error.code).toBe('E_STAGE')
    expect(existsSync(layout.root)).toBe(false)
  })

  test('says what differs when an archive arrives changed', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const other = await artifact(plant(join(scratch.path, 'other'), { ...APP, 'server.js': 'other' }))
    const info = infoOf(packed)
    const error = await refusal(stage(shellConnection(shell, scratch.path), other, { shell, info }))
    expect(error).toMatchObject({ code: 'E_STAGE', message: expect.stringContaining('did not arrive') })
    expect(existsSync(layout.release(info.id))).toBe(false)
    expect(readdirSync(layout.releases)).toEqual([])
  })

  test('does not take a foreign folder of the same name for the release', async () => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const packed = await artifact(plant(join(scratch.path, 'dist'), APP))
    const info = infoOf(packed)
    plant(layout.release(info.id), { 'server.js': 'whose?' })
    mkdirSync(join(layout.state, 'releases'), { recursive: true })
    writeFileSync(layout.info(info.id), JSON.stringify({ ...info, hash: 'f'.repeat(64) }))
    const error = await refusal(stage(shellConnection(shell, scratch.path), packed, { shell }))
    expect(error).toMatchObject({ code: 'E_STAGE', message: expect.stringContaining('Another release is called') })
    expect(seen(layout.release(info.id))).toEqual({ 'server.js': '644 whose?' })
  })
})

describe.each(SHELLS)('a release of an artifact that is there already, with the tools of %s', (shell) => {
  const twoReleases = async (scratch: string, tree: Tree, shared: readonly string[] = []) => {
    const made = world(scratch)
    const packed = await made.artifact(plant(join(scratch, 'dist'), tree))
    const first = made.infoOf(packed)
    const second = { ...first, id: 'r2-0123abcd', counter: 2, hash: `0123abcd${'0'.repeat(56)}` }
    await made.stage(shellConnection(shell, scratch), packed, { shell, shared, env: { COLOUR: 'red' } })
    let sent = 0
    const again = () =>
      made.stage(shellConnection(shell, scratch), packed, {
        shell,
        shared,
        info: second,
        donors: [first.id],
        env: { COLOUR: 'blue' },
        onProgress: (bytes) => (sent = bytes),
      })
    return { ...made, first, second, again, sent: () => sent }
  }

  test('is copied on the host: another environment, and not a byte of the archive', async () => {
    using scratch = temporaryFolder()
    const { layout, first, second, again, sent } = await twoReleases(scratch.path, { ...APP, ...HOSTILE }, ['uploads', 'var/run/'])
    plant(layout.release(first.id), { 'cache/later': 'x', 'new\nline later': 'y', '-later': 'z', 'later link': '-> server.js' })
    expect(await again()).toMatchObject({ state: 'staged', note: expect.stringContaining('nothing was sent') })
    expect(sent()).toBe(0)
    const { '.rollgate.env': environment, ...copy } = seen(layout.release(second.id))
    expect(environment).toContain('COLOUR="blue"')
    const { '.rollgate.env': _old, ...original } = seen(layout.release(first.id))
    for (const name of ['cache', 'cache/later', 'new\nline later', '-later', 'later link'])
      delete (original as Record<string, string>)[name]
    expect(copy).toEqual(original)
    // Copies and not links: what one app writes into its release stays out of the other.
    writeFileSync(join(layout.release(first.id), 'server.js'), 'hot fix')
    expect(readFileSync(join(layout.release(second.id), 'server.js'), 'utf8')).toBe('listen()')
  })

  test('is sent after all when the other one was changed or lacks what links took the place of', async () => {
    using scratch = temporaryFolder()
    const changed = await twoReleases(scratch.path, APP)
    writeFileSync(join(changed.layout.release(changed.first.id), 'server.js'), 'hot fix')
    expect(await changed.again()).toMatchObject({ state: 'staged', note: expect.stringContaining('sent') })
    expect(readFileSync(join(changed.layout.release(changed.second.id), 'server.js'), 'utf8')).toBe('listen()')
    expect(changed.sent()).toBeGreaterThan(0)

    using other = temporaryFolder()
    const linked = await twoReleases(other.path, { ...APP, 'uploads/.keep': '' }, ['uploads'])
    expect(await linked.again()).toMatchObject({ state: 'staged' })
    expect(linked.sent()).toBeGreaterThan(0)
    expect(readdirSync(linked.layout.releases).sort()).toEqual([linked.first.id, linked.second.id])
  })
})

test.each(SHELLS)(
  'ten thousand files arrive and are checked, with the tools of %s',
  async (shell) => {
    using scratch = temporaryFolder()
    const { layout, artifact, infoOf, stage } = world(scratch.path)
    const dist = join(scratch.path, 'dist')
    for (let folder = 0; folder < 100; folder += 1) {
      mkdirSync(join(dist, String(folder)), { recursive: true })
      for (let file = 0; file < 100; file += 1) writeFileSync(join(dist, `${folder}/${file}.js`), `${folder} ${file}`)
    }
    const packed = await artifact(dist)
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ state: 'staged' })
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ state: 'already' })
    writeFileSync(join(layout.release(infoOf(packed).id), '17/31.js'), 'changed')
    expect(await stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({ note: expect.stringContaining('damaged') })
  },
  120_000,
)
