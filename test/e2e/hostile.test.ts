// Values that would do harm if any shell ever saw them as code: they go through the whole tool to real hosts and come
// out unchanged, or are refused with a clear word; what they would have started has not run, here or there.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ExecDocument } from '../../src/domain/document.ts'
import { describeOnLab, mustInHost } from '../helpers/lab.ts'
import { emptyHost } from './helpers/fleet.ts'
import { type Settings, usualSettings } from './helpers/project.ts'
import { useProject } from './helpers/suite.ts'

/** What any of them would make, were it run: on the host or on this machine. */
const PROOF = '/tmp/rollgate-was-here'
const RUN = `touch ${PROOF}`

const VALUES: readonly string[] = [
  `$(${RUN})`,
  `\`${RUN}\``,
  `; ${RUN};`,
  `| ${RUN}`,
  `& ${RUN} &`,
  `&& ${RUN}`,
  `|| ${RUN}`,
  `'; ${RUN}; '`,
  `"; ${RUN}; "`,
  `'$(${RUN})'`,
  `"$(${RUN})"`,
  `\\"; ${RUN}; #`,
  `\\'; ${RUN}; #`,
  `\n${RUN}\n`,
  `a\nb`,
  `\r\n${RUN}`,
  `> ${PROOF}`,
  `>> ${PROOF}`,
  `$\{IFS}${RUN}`,
  `$(${RUN}`,
  `-rf`,
  `--help`,
  `-`,
  `--`,
  `$HOME`,
  `~`,
  `~root`,
  `*`,
  `[a-z]*`,
  `{a,b}`,
  `!!`,
  `%h %n %%`,
  `a'b`,
  `a"b`,
  `a\\b`,
  ` leading and trailing `,
  `\ttab`,
  `日本語 é 👩‍💻`,
  `\u202egnp.exe`,
  `#comment`,
  `x'.'y$(echo)`,
  'long '.repeat(60),
]

/** What the configuration refuses, wherever it stands: it would lie to whoever reads it. */
const REFUSED = VALUES.filter((value) => /[\r\u202e]/.test(value))
const CARRIED = VALUES.filter((value) => !REFUSED.includes(value))

describeOnLab('hostile values', (lab) => {
  const suite = useProject(lab, 'hostile')
  const host = lab.hosts[0]?.name ?? ''
  const oneHost = (over: Settings): Settings => ({
    hosts: { [host]: (usualSettings(lab).hosts as Record<string, unknown>)[host] },
    balancer: null,
    service: { kind: 'none' },
    health: { command: 'true', healthy_for: '1ms', interval: '50ms' },
    ...over,
  })
  /** `${` is the file's own; `$${` is what it is written as. */
  const inFile = (value: string) => value.replaceAll('${', () => '$${')
  const ok = async (words: readonly string[]) => {
    const result = await suite.project.json(words)
    expect(result.exitCode, `${JSON.stringify(result.document.error, null, 2)}\n${result.stderr}`).toBe(0)
    return result
  }

  beforeEach(() => emptyHost(host))
  afterEach(async () => {
    expect(existsSync(PROOF), 'something ran on this machine').toBe(false)
    expect(await mustInHost(host, `ls -d ${PROOF} /home/deploy${PROOF} 2> /dev/null || true`), 'something ran on the host').toBe('')
  })

  test.each(REFUSED)('%j is refused before anything is connected', async (value) => {
    suite.project.configure(oneHost({ release: { root: '/srv/app', env: { HOSTILE: value } } }))
    suite.project.build('refused')
    const { document } = await suite.project.json(['deploy'])
    expect(document).toMatchObject({ exitCode: 2, error: { code: 'E_CONFIG' } })
  })

  test(`${CARRIED.length} of them as environment values reach the process as they are`, async () => {
    const env = Object.fromEntries(CARRIED.map((value, index) => [`HOSTILE_${index}`, inFile(value)]))
    suite.project.configure(
      oneHost({
        service: { unit: 'app' },
        health: { http: { port: 8080, path: '/healthz' }, healthy_for: '1ms', interval: '50ms' },
        release: { root: '/srv/app', env },
      }),
    )
    suite.project.build('env')
    await ok(['deploy'])
    const seen = await mustInHost(host, 'cat "/proc/$(systemctl show -P MainPID app)/environ" | base64 -w 0')
    const process = new Map(
      Buffer.from(seen, 'base64')
        .toString('utf8')
        .split('\0')
        .map((entry): [string, string] => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
    expect(CARRIED.map((_, index) => process.get(`HOSTILE_${index}`))).toEqual(CARRIED)
  })

  test('and a command service gets the same', async () => {
    const env = Object.fromEntries(CARRIED.map((value, index) => [`HOSTILE_${index}`, inFile(value)]))
    suite.project.configure(
      oneHost({
        service: { kind: 'command', start: 'env -0 > /srv/app/seen', stop: 'true' },
        release: { root: '/srv/app', env },
      }),
    )
    suite.project.build('env')
    await ok(['deploy'])
    const seen = Buffer.from(await mustInHost(host, 'base64 -w 0 /srv/app/seen'), 'base64')
      .toString('utf8')
      .split('\0')
    expect(CARRIED.filter((value, index) => !seen.includes(`HOSTILE_${index}=${value}`))).toEqual([])
  })

  test('as names of files in the artifact they arrive as they are', async () => {
    suite.project.configure(oneHost({}))
    suite.project.build('names')
    const names = VALUES.map((value) => value.replaceAll('/', '∕').slice(0, 80)).filter((name) => name !== '-')
    for (const name of names) {
      const path = join(suite.project.path, 'dist', 'names', name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, name)
    }
    await ok(['deploy'])
    const there = await mustInHost(host, 'cd /srv/app/current/names && find . -type f -print0 | base64 -w 0')
    const found = Buffer.from(there, 'base64')
      .toString('utf8')
      .split('\0')
      .filter((name) => name !== '')
    expect(found.map((name) => name.slice(2)).sort()).toEqual([...new Set(names)].sort())
  })

  test('as words of exec they are words', async () => {
    suite.project.configure(oneHost({}))
    const { document, stderr } = await suite.project.json<ExecDocument>(['exec', '--', 'printf', '%s\\0', ...VALUES])
    expect(document, `${JSON.stringify(document.error)}\n${stderr}`).toMatchObject({ exitCode: 0 })
    expect(document.hosts[0]?.stdout.split('\0').slice(0, -1)).toEqual(VALUES)
  })

  test.each([
    ['blanks and quotes', `/srv/app/it's "a" root`],
    ['a command substitution', `/srv/app/$(${RUN.replaceAll('/', '∕')})`],
    ['a backtick and a semicolon', '/srv/app/`id`; reboot #'],
    ['unicode', '/srv/app/日本語 é 👩‍💻'],
    ['a leading dash', '/srv/app/-rf'],
    ['stars and braces', '/srv/app/*{a,b}[c]?'],
    ['a backslash and a percent sign', '/srv/app/a\\b%h'],
    ['two hundred characters', `/srv/app/${'x'.repeat(200)}`],
  ])('a release root with %s is exactly that folder', async (_, root) => {
    suite.project.configure(oneHost({ release: { root: inFile(root), shared: ['log $(id)', "it's"] } }))
    suite.project.build('root')
    const first = await ok(['deploy'])
    suite.project.build('root, again')
    const second = await ok(['deploy'])
    if (root.includes('$(')) await ok(['rollback'])
    const entries = await mustInHost(host, 'cd /srv/app && ls -A | base64 -w 0')
    expect(Buffer.from(entries, 'base64').toString('utf8')).toBe(`${root.slice('/srv/app/'.length)}\n`)
    const current = await mustInHost(
      host,
      'cd -- "$(printf %s "$ROOT" | base64 -d)" && readlink current && ls releases shared'.replace(
        '"$ROOT"',
        Buffer.from(root).toString('base64'),
      ),
    )
    expect(current).toContain(String(first.document.release))
    expect(current).toContain(String(second.document.release))
    expect(current).toContain('log $(id)')
  })

  test('in hooks they are the environment’s, and the line is the user’s own', async () => {
    const env = { HOSTILE: inFile(VALUES[0] ?? ''), NEWLINE: inFile(VALUES[13] ?? '') }
    suite.project.configure(
      oneHost({
        release: { root: '/srv/app', env },
        hooks: {
          before_rollout: [{ name: `local $(${RUN}) "'`, run: 'printf "%s" "it is \'quoted\' $((1 + 1))" > hook-local' }],
          after_activate: [{ name: `host; ${RUN}`, on: 'host', run: 'printf "%s|%s" "$ROLLGATE_RELEASE" "$PWD" > /srv/app/hook-host' }],
        },
      }),
    )
    suite.project.build('hooks')
    const { document, stderr } = await suite.project.json(['deploy'])
    if (document.exitCode === 2) {
      expect(document, stderr).toMatchObject({ error: { code: 'E_CONFIG' } })
      return
    }
    expect(document.exitCode, `${JSON.stringify(document.error)}\n${stderr}`).toBe(0)
    expect(await mustInHost(host, 'cat /srv/app/hook-host')).toMatch(new RegExp(`^${document.release}\\|`))
  })

  test.each([
    ['an option', '-oProxyCommand=touch /tmp/rollgate-was-here'],
    ['a substitution', `$(${RUN})`],
    ['a command', `h1; ${RUN}`],
    ['a pipe', `h1|${RUN}`],
    ['a newline', `h1\n${RUN}`],
    ['blanks', 'h1 h2'],
    ['a user', `-l root`],
    ['percent signs', '%h'],
    ['three hundred characters', 'x'.repeat(300)],
  ])('an address that is %s is refused, and ssh never sees it', async (_, address) => {
    suite.project.configure(oneHost({ hosts: { [host]: { address: inFile(address) } } }))
    suite.project.build('address')
    const { exitCode, document } = await suite.project.json(['deploy'])
    expect([2, 4], JSON.stringify(document)).toContain(exitCode)
    expect(document.error?.message).not.toBe('')
  })

  test.each([
    ['a path', '../../etc/passwd'],
    ['an option', '--now'],
    ['a command', `app; ${RUN}`],
    ['a substitution', `app$(${RUN})`],
    ['a newline', 'app\nssh'],
    ['another user’s', 'app.service --user'],
    ['three hundred characters', `app${'x'.repeat(300)}`],
  ])('a unit that is %s is refused', async (_, unit) => {
    suite.project.configure(oneHost({ service: { unit: inFile(unit) } }))
    suite.project.build('unit')
    const { exitCode, document } = await suite.project.json(['deploy'])
    expect(exitCode, JSON.stringify(document)).toBe(2)
    expect(document.error?.code).toBe('E_CONFIG')
  })
})
