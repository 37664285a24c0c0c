// What can be known before any host is reached: usage, configuration, streams, and how little a quick answer loads.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test as base, describe, expect } from 'vitest'
import { aPlace, bothWays, documentOf, filesLoaded, type Place, root, run, start } from './cli.ts'

const test = base.extend<{ readonly place: Place }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures a fixture wants
  place: async ({}, use) => {
    const place = aPlace()
    await use(place)
    place.remove()
  },
})

const version: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version

describe.concurrent('a wrong command line', () => {
  test.for([
    ['an unknown command', ['stauts'], 'did you mean rollgate status?'],
    ['an unknown command of a topic', ['config', 'valdate'], 'did you mean rollgate config validate?'],
    ['an unknown flag', ['deploy', '--dryrun'], 'did you mean --dry-run?'],
    ['a flag without its value', ['deploy', '--plan'], 'Flag --plan expects a value'],
    ['a value that is no number', ['logs', '--lines', 'many'], 'integer'],
    ['a number out of range', ['demo', '--hosts', '1000'], '20'],
    ['a missing argument', ['drain'], 'host'],
    ['one argument too many', ['status', 'web-1'], 'web-1'],
    ['an empty name', ['status', '--hosts', 'web-1,,web-2'], 'empty name'],
    ['flags that exclude each other', ['plan', '--artifact', 'x', '--release', 'r1'], '--release'],
    ['a flag that needs another', ['rollback', '--force'], '--reason'],
    ['exec without a command', ['exec', 'uptime'], 'Unexpected argument'],
    ['exec with nothing after --', ['exec', '--'], 'exec needs a command'],
  ] as const)('%s: exit 2 in both modes, naming what is wrong', async ([, args, words], { place }) => {
    const { text, document } = await bothWays(args, place, { code: 2, error: 'E_USAGE' })
    expect(text.stderr).toContain(words)
    expect(text.stdout).toBe('')
    expect(JSON.stringify(document)).toContain(words)
  })

  test('with escape codes in it shows none of them', async ({ place }) => {
    const { stderr } = await run(['\x1b[31mred', '--no-input'], place)
    expect(stderr).not.toContain('\x1b')
  })

  test('wants stdout twice: --events - and --json', async ({ place }) => {
    const { code, stdout } = await run(['deploy', '--events', '-', '--json'], place)
    expect(code).toBe(2)
    expect(stdout).toContain('--events -')
  })

  test('names an event file that cannot be written', async ({ place }) => {
    await bothWays(['deploy', '--events', join(place.directory, 'no/such/folder/e.ndjson')], place, { code: 2, error: 'E_USAGE' })
  })
})

describe.concurrent('the configuration', () => {
  test.for(['status', 'deploy', 'push', 'config validate'])('is missing: %s exits 2 in both modes', async (command, { place }) => {
    await bothWays(command.split(' '), place, { code: 2, error: 'E_CONFIG_MISSING' })
  })

  test.for(['status', 'deploy', 'config validate', 'config show'])(
    'has problems: %s names every one with its place',
    async (command, { place }) => {
      writeFileSync(join(place.directory, 'rollgate.yml'), 'app: shop\nhosst: {}\nrelease:\n  root: /\n')
      const { text, document } = await bothWays(command.split(' '), place, { code: 2, error: 'E_CONFIG' })
      expect(text.stderr).toContain('rollgate.yml:2:1')
      expect(text.stderr).toContain('rollgate.yml:4:9')
      expect(document.problems).toContainEqual(expect.objectContaining({ file: 'rollgate.yml', line: 2, column: 1, nearest: 'hosts' }))
    },
  )

  test('is fine: config validate and config show say so', async ({ place }) => {
    writeFileSync(
      join(place.directory, 'rollgate.yml'),
      'app: shop\nhosts: { web-1: { address: 127.0.0.1 } }\nrelease: { root: /srv/shop }\nservice: { unit: shop }\nhealth: { http: { port: 8080, path: /up } }\n',
    )
    const validated = await bothWays(['config', 'validate'], place, { code: 0, outcome: 'ok' })
    expect(validated.document.problems).toEqual([])
    const shown = await bothWays(['config', 'show'], place, { code: 0, outcome: 'ok' })
    expect(shown.document).toMatchObject({ config: { app: 'shop' }, origins: { app: 'rollgate.yml:1:6' } })
    expect(shown.text.stdout).toContain('/srv/shop')
  })

  test('schema is printed as it can be stored', async ({ place }) => {
    const { stdout, code } = await run(['config', 'schema'], place)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(join(root, 'templates/rollgate.schema.json'), 'utf8')))
  })
})

describe.concurrent('a bug', () => {
  // The command asks where it stands; here the answer is an error that no code of ours knows.
  const broken = { NODE_OPTIONS: `--import "data:text/javascript,process.cwd=()=>{throw new Error('boom')}"` }

  test('exits 1 in both modes, with the version and a log that only its owner can read', async ({ place }) => {
    const { text, document } = await bothWays(['status'], place, { code: 1, error: 'E_BUG', outcome: 'failed' }, { env: broken })
    const folder = join(place.directory, 'state/rollgate/bugs')
    const logs = readdirSync(folder)
    expect(logs).toHaveLength(2)
    for (const log of logs) {
      expect(statSync(join(folder, log)).mode & 0o777).toBe(0o600)
      expect(readFileSync(join(folder, log), 'utf8')).toContain('boom')
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(text.stderr).toContain(String(version))
    expect(logs.some((log) => text.stderr.includes(log))).toBe(true)
    expect(JSON.stringify(document.error)).toContain('state/rollgate/bugs')
  })

  test('of a rollout is told as such and not as a refusal', async ({ place }) => {
    await bothWays(['deploy'], place, { code: 1, error: 'E_BUG', outcome: 'failed' }, { env: broken })
  })

  test('is told even when the log cannot be written', async ({ place }) => {
    writeFileSync(join(place.directory, 'state'), 'a file where a folder should be')
    const { code, stderr } = await run(['status'], place, { env: broken })
    expect(code).toBe(1)
    expect(stderr).toContain('boom')
  })
})

describe.concurrent('streams', () => {
  test('a reader that goes away early is no failure', async ({ place }) => {
    const started = start(['config', 'schema'], place)
    started.child.stdout?.destroy()
    const { code, stderr } = await started.ended
    expect([code, stderr]).toEqual([0, ''])
  })

  test('nobody reads stderr: the exit code stays', async ({ place }) => {
    const started = start(['status'], place)
    started.child.stderr?.destroy()
    expect((await started.ended).code).toBe(2)
  })

  test('colour only where it is wanted', async ({ place }) => {
    const colours = async (env: Readonly<Record<string, string>>, ...flags: readonly string[]) =>
      (await run(['status', ...flags], place, { env })).stderr.includes('\x1b[')
    expect(await colours({})).toBe(false)
    expect(await colours({ FORCE_COLOR: '1' })).toBe(true)
    expect(await colours({ FORCE_COLOR: '1' }, '--no-color')).toBe(false)
    expect(await colours({ NO_COLOR: '1' })).toBe(false)
  })

  test('--json is one document and nothing else on stdout', async ({ place }) => {
    const result = await run(['status', '--json', '--verbose'], place)
    expect(documentOf(result).error?.code).toBe('E_CONFIG_MISSING')
    expect(result.stdout.trimEnd().split('\n').at(-1)).toBe('}')
  })
})

describe.concurrent('a quick answer', () => {
  const HEAVY = ['ssh2', 'autocannon', 'listr2', '@inquirer', 'undici', 'yaml', 'zod', 'execa']

  // Of the sources, because each file of a bundle is several.
  const loadedBy = (place: Place, ...args: readonly string[]) => filesLoaded(join(root, 'bin/dev.js'), place, args)
  const heavyOf = (urls: readonly string[]): readonly string[] =>
    urls.filter((url) => HEAVY.some((name) => url.includes(`/node_modules/${name}/`)))

  test.for([
    ['--version', ['--version']],
    ['--help', ['--help']],
    ['help of a topic', ['config', '--help']],
  ] as const)('%s loads no package at all', async ([, args], { place }) => {
    const urls = await loadedBy(place, ...args)
    expect(urls.some((url) => url.endsWith('/src/main.ts'))).toBe(true)
    expect(urls.filter((url) => url.includes('/node_modules/'))).toEqual([])
  })

  test.for(['deploy', 'init', 'demo', 'config show'])('%s --help loads nothing heavy and no use case', async (command, { place }) => {
    const urls = await loadedBy(place, ...command.split(' '), '--help')
    expect(urls.some((url) => url.includes('/@oclif/core/'))).toBe(true)
    expect(heavyOf(urls)).toEqual([])
    expect(urls.filter((url) => url.includes('/src/drivers/') || url.includes('/src/app/compose'))).toEqual([])
  })

  test('the measure itself sees what is heavy', async ({ place }) => {
    expect(heavyOf(await loadedBy(place, 'config', 'schema')).some((url) => url.includes('/zod/'))).toBe(true)
  })

  test('--version names the version, --help goes to stdout, and nothing is said on stderr', async ({ place }) => {
    const shown = await run(['--version'], place)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^rollgate \d+\.\d+\.\d+ /)
    const help = await run(['--help'], place)
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('rollgate COMMAND --help')
    expect((await run([], place)).stdout).toBe(help.stdout)
  })
})

describe.concurrent('an old Node', () => {
  const old = oldNode()
  const name = old === null ? ' (skipped: this machine has no Node older than 22.19)' : ''

  test.skipIf(old === null)(`in a checkout is replaced by the checkout's own${name}`, async ({ place }) => {
    const { code, stdout, stderr } = await run(['--version'], place, { node: old ?? '', bin: join(root, 'bin/run.js') })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^rollgate \d/)
    expect(stderr).toContain("going on with the checkout's own Node")
  })

  test.skipIf(old === null)(`without a checkout is named in one line${name}`, async ({ place }) => {
    const env = { ROLLGATE_REEXEC: '1' }
    const { code, stdout, stderr } = await run(['status', '--json'], place, { node: old ?? '', bin: join(root, 'bin/run.js'), env })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^rollgate needs Node 22\.19 or newer, this is \d+\.\d+\.\d+\n$/)
  })
})

function oldNode(): string | null {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node', '/opt/homebrew/bin/node']) {
    try {
      const [major = 99, minor = 0] = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).split('.').map(Number)
      if (major < 22 || (major === 22 && minor < 19)) return path
    } catch {
      // Not there.
    }
  }
  return null
}
