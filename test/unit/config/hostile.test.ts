// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
// Values that somebody wrote to do harm, or by accident: refused with a clear word, or carried through unchanged.
import { describe, expect, test } from 'vitest'
import type { Config } from '../../../src/domain/config.ts'
import { file, load, plus, problemsOf } from './helpers.ts'

const LONG = 'x'.repeat(300)
const RTL = '\u202e'
// What a shell, a terminal or an option parser would fall for.
const NASTY = `it's "a" $(reboot) \`id\` $HOME; rm -rf / & | > * ? ~ ! # \\ %n é 日本 👩‍💻`

/** A value as YAML: JSON strings are YAML strings. `${` is escaped because it is the file's own. */
const quoted = (value: string): string => JSON.stringify(value.replaceAll('${', () => '$${'))

type Place = { readonly text: (value: string) => string; readonly read: (config: Config) => unknown }
const PLACES = {
  host: { text: (value) => file({ 4: `  ${quoted(value)}: { address: 10.0.0.11 }` }), read: (config) => config.hosts[0]?.name },
  address: { text: (value) => file({ 4: `  web-1: { address: ${quoted(value)} }` }), read: (config) => config.hosts[0]?.address },
  user: { text: (value) => file({ 4: `  web-1: { user: ${quoted(value)} }` }), read: (config) => config.hosts[0]?.user },
  via: { text: (value) => file({ 4: `  web-1: { via: ${quoted(value)} }` }), read: (config) => config.hosts[0]?.via },
  server: { text: (value) => file({ 4: `  web-1: { server: ${quoted(value)} }` }), read: (config) => config.hosts[0]?.server },
  zone: { text: (value) => file({ 4: `  web-1: { zone: ${quoted(value)} }` }), read: (config) => config.hosts[0]?.zone },
  role: { text: (value) => file({ 4: `  web-1: { roles: [${quoted(value)}] }` }), read: (config) => config.hosts[0]?.roles[0] },
  app: { text: (value) => file({ 1: `app: ${quoted(value)}` }), read: (config) => config.app },
  root: { text: (value) => file({ 7: `  root: ${quoted(value)}` }), read: (config) => config.release.root },
  shared: { text: (value) => file({ 7: `  root: /s\n  shared: [${quoted(value)}]` }), read: (config) => config.release.shared[0] },
  unit: {
    text: (value) => file({ 9: `  unit: ${quoted(value)}` }),
    read: ({ defaults: { service } }) => (service.kind === 'systemd' ? service.units[0] : null),
  },
  exec: {
    text: (value) => file({ 9: `  unit: x\n  exec: ${quoted(value)}` }),
    read: ({ defaults: { service } }) => (service.kind === 'systemd' ? service.exec : null),
  },
  envName: {
    text: (value) => file({ 7: `  root: /s\n  env: { ${quoted(value)}: x }` }),
    read: (config) => Object.keys(config.release.env)[0],
  },
  envValue: {
    text: (value) => file({ 7: `  root: /s\n  env: { A: ${quoted(value)} }` }),
    read: (config) => config.release.env.A?.join(''),
  },
  hook: { text: (value) => plus(`hooks: { on_failure: [{ run: ${quoted(value)} }] }`), read: (config) => config.hooks.on_failure[0]?.run },
  hookName: {
    text: (value) => plus(`hooks: { on_failure: [{ run: x, name: ${quoted(value)} }] }`),
    read: (config) => config.hooks.on_failure[0]?.name,
  },
  question: {
    text: (value) => plus(`rollout: { steps: [{ deploy: 1 }, { approve: ${quoted(value)} }] }`),
    read: ({ rollout: { steps } }) => (steps[1]?.kind === 'approve' ? steps[1].question : null),
  },
  socket: {
    text: (value) => plus(`balancer: { kind: haproxy, hosts: [web-1], socket: ${quoted(value)} }`),
    read: ({ defaults: { balancers } }) => (balancers[0]?.kind === 'haproxy' ? balancers[0].socket : null),
  },
  backend: {
    text: (value) => plus(`balancer: { kind: haproxy, hosts: [web-1], backend: ${quoted(value)} }`),
    read: ({ defaults: { balancers } }) => (balancers[0]?.kind === 'haproxy' ? balancers[0].backend : null),
  },
  build: { text: (value) => file({ 2: `artifact: { path: dist, build: ${quoted(value)} }` }), read: (config) => config.artifact?.build },
  artifact: { text: (value) => file({ 2: `artifact: { path: ${quoted(value)} }` }), read: (config) => config.artifact?.path },
  healthPath: {
    text: (value) => file({ 10: `health: { http: { port: 1, path: ${quoted(value)} } }` }),
    read: ({ defaults: { health } }) => (health.check.kind === 'http' ? health.check.path : null),
  },
} as const satisfies Record<string, Place>

const REFUSED: readonly (readonly [keyof typeof PLACES, value: string, says: string])[] = [
  ['host', '-oProxyCommand=id', 'begins with "-"'],
  ['host', 'web 1', 'is not a host name'],
  ['host', 'web$(id)', 'is not a host name'],
  ['host', 'web\nhost', 'contains a newline (U+000A)'],
  ['host', `web${RTL}1`, 'right-to-left override (U+202E)'],
  ['host', '..', 'is not a host name'],
  ['host', '', 'is empty'],
  ['host', LONG, 'is 300 characters long, at most 253'],
  ['host', 'constructor', 'is a reserved word'],
  ['address', '-oProxyCommand=id', 'begins with "-"'],
  ['address', '10.0.0.1; id', 'contains a blank'],
  ['address', '$(id)', 'is not an address'],
  ['address', '`id`', 'is not an address'],
  ['address', "a'b", 'is not an address'],
  ['address', 'root@10.0.0.1', 'belongs in `user`'],
  ['address', '[::1]', 'without brackets'],
  ['address', '10.0.0.1\0', 'a NUL character (U+0000)'],
  ['address', LONG, 'at most 253'],
  ['user', '-l', 'begins with "-"'],
  ['user', 'de ploy', 'contains a blank'],
  ['user', 'root;id', 'is not a login name'],
  ['user', 'a\u001b[31m', 'escape character (U+001B)'],
  ['via', '-J', 'begins with "-"'],
  ['via', 'a,b', 'one jump'],
  ['via', '$(id)', 'OpenSSH destination'],
  ['server', 'web 1; shutdown', "balancer's server name"],
  ['server', 'web\n1', 'a newline'],
  ['zone', 'a\u0007', 'control character (U+0007)'],
  ['role', 'a/b', 'is not a role name'],
  ['role', '__proto__', 'is a reserved word'],
  ['app', '../shop', 'is not a name'],
  ['app', 'x'.repeat(64), 'at most 63'],
  ['root', '/srv/../etc', 'contains "." or ".."'],
  ['root', '~/shop', 'begins with "~"'],
  ['root', '-srv', 'is not absolute'],
  ['root', '/srv/a\nb', 'a newline'],
  ['root', `/srv/${RTL}x`, 'right-to-left override'],
  ['root', `/srv/${LONG}`, 'longer than 255 bytes'],
  ['root', '/srv/\ud800', 'half a character'],
  ['shared', '/etc', 'is absolute'],
  ['shared', '..', 'leaves the release'],
  ['shared', 'a//b', 'empty part'],
  ['shared', 'a\0', 'a NUL character'],
  ['shared', '.rollgate.env', 'written by rollgate itself'],
  ['unit', '-x.service', 'begins with "-"'],
  ['unit', 'shop web', 'is not a systemd unit'],
  ['unit', 'shop*', 'is not a systemd unit'],
  ['unit', 'shop/../x', 'is not a systemd unit'],
  ['unit', 'shop\nExecStart=/bin/id', 'a newline'],
  ['unit', LONG, 'at most 255'],
  ['exec', '/bin/app\nUser=root', 'a newline'],
  ['envName', 'A=B', "environment variable's name"],
  ['envName', '1A', "environment variable's name"],
  ['envName', 'A B', "environment variable's name"],
  ['envName', 'ROLLGATE_RELEASE', 'are set by rollgate'],
  ['envValue', 'a\0b', 'a NUL character'],
  ['envValue', 'a\u001b]0;x', 'an escape character'],
  ['hook', 'rm x\0', 'a NUL character'],
  ['hook', '   ', 'is empty'],
  ['hookName', 'a b', 'is not a hook name'],
  ['question', 'ok?\n', 'a newline'],
  ['socket', 'run/haproxy.sock', 'neither an absolute path nor HOST:PORT'],
  ['socket', '127.0.0.1:0', 'neither an absolute path nor HOST:PORT'],
  ['socket', `/run/${'x'.repeat(120)}`, 'at most 107'],
  ['socket', '/run/a\nb', 'a newline'],
  ['backend', 'shop; disable server x', "balancer's backend name"],
  ['build', 'make\u0000', 'a NUL character'],
  ['artifact', '-rf', 'write ./-rf'],
  ['healthPath', '/a b', 'are written %20'],
  ['healthPath', '/a\r\nX: y', 'a carriage return'],
  ['healthPath', 'healthz', 'must begin with "/"'],
]

const KEPT: readonly (readonly [keyof typeof PLACES, value: string])[] = [
  ['host', 'web-1.example.com'],
  ['host', 'a'.repeat(253)],
  ['host', 'WEB_1'],
  ['address', '::1'],
  ['address', 'fe80::1%eth0'],
  ['address', 'bücher.example'],
  ['user', 'deploy.user'],
  ['user', 'me@corp.example'],
  ['via', 'jump@bastion.example:2222'],
  ['server', 'srv:1.a_b-c'],
  ['zone', 'eu-central 1a, "left" rack'],
  ['root', '/srv/my app'],
  ['root', `/srv/${NASTY.replaceAll('/', '')}`],
  ['root', "/srv/it's $(reboot)"],
  ['root', '/srv/-rf'],
  ['root', '/srv/日本/é'],
  ['shared', `a b/${NASTY.replaceAll('/', '')}`],
  ['shared', '-rf'],
  ['shared', '..a/...'],
  ['unit', 'shop@blue.service'],
  ['unit', 'a\\x2db'],
  ['exec', `/usr/bin/node server.js ${NASTY}`],
  ['envName', '_A1'],
  ['envValue', NASTY],
  ['envValue', 'two\nlines\tand a tab'],
  ['envValue', ' blanks around '],
  ['envValue', '-----BEGIN KEY-----\nabc\n'],
  ['envValue', 'literal ${NOT_A_VARIABLE} here'],
  ['hook', `./run ${NASTY}`],
  ['hook', 'set -e\necho "$1"\n'],
  ['hook', 'echo ${ROLLGATE_RELEASE}'],
  ['question', `Ship "it" to $(everyone)? ${NASTY}`],
  ['socket', '/run/ha proxy/$(id).sock'],
  ['socket', '[::1]:9999'],
  ['backend', 'shop:8080_x'],
  ['build', `npm ci && ${NASTY}`],
  ['artifact', `out dir/${NASTY}`],
  ['healthPath', '/healthz?deep=1&q=%20'],
]

describe('a hostile value', () => {
  test.each(REFUSED)('as %s is refused: %j', async (place, value, says) => {
    const problems = await problemsOf(PLACES[place].text(value))
    expect(problems.map((problem) => problem.message).join('\n')).toContain(says)
    expect(problems).toHaveLength(1)
    // What is said about it is harmless itself.
    expect(JSON.stringify(problems[0]).length).toBeLessThan(600)
    expect(`${problems[0]?.message}${problems[0]?.nearest}`).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
  })

  test.each(KEPT)('as %s is kept exactly: %j', async (place, value) => {
    const { config } = await load(PLACES[place].text(value))
    expect(PLACES[place].read(config)).toBe(value)
  })

  test('in the key of a problem is cleaned before it is printed', async () => {
    const text = plus('"bad\\u001b[31m\\nkey": 1')
    await expect(load(text)).rejects.toMatchObject({ evidence: [expect.stringMatching(/^rollgate\.yml:11:1 {2}[\x20-\x7e]*$/)] })
  })

  test('from an environment variable is held to the same rules', async () => {
    const text = file({ 4: '  web-1: { address: "${WEB}" }' })
    expect((await load(text, { env: { WEB: '10.9.9.9' } })).config.hosts[0]?.address).toBe('10.9.9.9')
    for (const WEB of ['-oProxyCommand=id', '$(id)', 'a\nb', '']) {
      expect(await problemsOf(text, { env: { WEB } }), JSON.stringify(WEB)).toHaveLength(1)
    }
  })

  test('from an environment variable is not looked at for further variables', async () => {
    const text = file({ 7: '  root: /s\n  env: { A: "${A}" }' })
    const { config } = await load(text, { env: { A: '${HOME} ${secret.x} $${x}' } })
    expect(config.release.env.A).toEqual(['${HOME} ${secret.x} $${x}'])
  })
})
