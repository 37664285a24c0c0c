// Configurations that are well-formed and wrong about the fleet: each is refused with one clear error before anything
// is changed, on the hosts and in the balancer alike.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeOnLab, type Lab, mustInHost } from '../helpers/lab.ts'
import { fleet } from './helpers/fleet.ts'
import { servers } from './helpers/haproxy.ts'
import { type Project, type Settings, usualSettings } from './helpers/project.ts'
import { deployed, useProject } from './helpers/suite.ts'

type Case = {
  readonly name: string
  readonly settings: (lab: Lab, project: Project) => Settings
  readonly exitCode: number
  readonly code: string
  readonly says: RegExp
  /** Prepares every host, as root, and what takes it away again. */
  readonly onHost?: readonly [string, string]
  readonly here?: (project: Project) => void
  /** The release lies on the hosts already, which harms nobody. */
  readonly staged?: true
}

const section = (lab: Lab, name: string): object => usualSettings(lab)[name] as object
const hostsWith = (lab: Lab, host: object): Settings => ({
  hosts: { ...section(lab, 'hosts'), h1: { address: lab.hosts[0]?.address, ...host } },
})
const release = (root: string, more: object = {}): Settings => ({ release: { root, keep: 3, ...more } })
const balancer = (lab: Lab, over: object): Settings => ({ balancer: { ...section(lab, 'balancer'), ...over } })
const ssh = (lab: Lab, over: object): Settings => ({ ssh: { ...section(lab, 'ssh'), ...over } })
const hooks = (moment: string, hook: object): Settings => ({ hooks: { [moment]: [hook] } })

/** The lab's ssh_config with lines before it: the first value that ssh finds wins. */
const sshConfig = (lab: Lab, project: Project, lines: readonly string[]): string => {
  const file = join(project.path, 'ssh_config')
  writeFileSync(file, `${lines.join('\n')}\n${readFileSync(lab.sshConfig, 'utf8')}`)
  return file
}

const CASES: readonly Case[] = [
  // Reaching hosts.
  {
    name: 'a name that no resolver knows',
    settings: (lab) => hostsWith(lab, { address: 'nobody.invalid' }),
    exitCode: 4,
    code: 'E_DNS',
    says: /nobody\.invalid/,
  },
  {
    name: 'a port where nobody listens',
    settings: (lab) => hostsWith(lab, { port: 2222 }),
    exitCode: 4,
    code: 'E_CONNECT_REFUSED',
    says: /2222/,
  },
  {
    name: 'a login that is not there',
    settings: (lab) => hostsWith(lab, { user: 'nobody-here' }),
    exitCode: 4,
    code: 'E_AUTH',
    says: /nobody-here/,
  },
  {
    name: 'a pinned host key that is another',
    settings: (lab) => hostsWith(lab, { host_key: `SHA256:${'A'.repeat(43)}` }),
    exitCode: 4,
    code: 'E_HOST_KEY',
    says: /SHA256:/,
  },
  {
    name: 'a host that known_hosts does not know',
    settings: (lab, project) => ssh(lab, { known_hosts: join(project.path, 'empty_hosts') }),
    here: (project) => writeFileSync(join(project.path, 'empty_hosts'), ''),
    exitCode: 4,
    code: 'E_HOST_KEY',
    says: /SHA256:/,
  },
  {
    name: 'a key file that is no key',
    settings: (lab) => ssh(lab, { identity: 'not-a-key' }),
    here: (project) => writeFileSync(join(project.path, 'not-a-key'), 'secret words', { mode: 0o600 }),
    exitCode: 4,
    code: 'E_KEY',
    says: /not-a-key/,
  },
  {
    name: 'an identity from a variable that is not set',
    settings: (lab) => ssh(lab, { identity: { env: 'DEPLOY_KEY' } }),
    exitCode: 4,
    code: 'E_KEY',
    says: /DEPLOY_KEY/,
  },
  {
    name: 'a jump host that is not there',
    settings: (lab, project) =>
      ssh(lab, { config: sshConfig(lab, project, [`Host ${lab.hosts[0]?.address}`, '  ProxyJump nobody.invalid']) }),
    exitCode: 4,
    code: 'E_DNS',
    says: /nobody\.invalid/,
  },
  // Roots.
  { name: 'a root that may not be made', settings: () => release('/opt/shop'), exitCode: 3, code: 'E_ROOT', says: /\/opt\/shop/ },
  {
    name: 'a root that is a file',
    settings: () => release('/srv/app/file'),
    onHost: ['runuser -u deploy -- touch /srv/app/file', 'rm /srv/app/file'],
    exitCode: 3,
    code: 'E_ROOT',
    says: /\/srv\/app\/file/,
  },
  {
    name: 'a root under a link that goes nowhere',
    settings: () => release('/srv/app/link/shop'),
    onHost: ['ln -s /nowhere /srv/app/link', 'rm /srv/app/link'],
    exitCode: 3,
    code: 'E_ROOT',
    says: /\/srv\/app\/link/,
  },
  {
    name: 'a `current` that is a real folder',
    settings: () => release('/srv/app/other'),
    onHost: ['runuser -u deploy -- mkdir -p /srv/app/other/current/src', 'rm -r /srv/app/other'],
    exitCode: 3,
    code: 'E_ROOT',
    says: /current/,
  },
  {
    name: 'a full disk',
    settings: () => ({}),
    onHost: ['fallocate -l "$(($(df --output=avail -B1 /var | tail -1) - 1000000))" /var/fill', 'rm /var/fill'],
    exitCode: 3,
    code: 'E_DISK',
    says: /space|free/,
  },
  // Artifacts, builds, secrets, hooks before anything is touched.
  {
    name: 'an artifact that is not there',
    settings: () => ({ artifact: { path: 'nowhere' } }),
    exitCode: 3,
    code: 'E_ARTIFACT',
    says: /nowhere/,
  },
  {
    name: 'an artifact that is an empty folder',
    settings: () => ({ artifact: { path: 'empty' } }),
    here: (project) => mkdirSync(join(project.path, 'empty'), { recursive: true }),
    exitCode: 3,
    code: 'E_ARTIFACT',
    says: /empty/,
  },
  {
    name: 'a tarball that is none',
    settings: () => ({ artifact: { path: 'app.tar.gz' } }),
    here: (project) => writeFileSync(join(project.path, 'app.tar.gz'), 'these are no bytes of gzip'),
    exitCode: 3,
    code: 'E_ARTIFACT',
    says: /app\.tar\.gz/,
  },
  {
    name: 'a build that fails',
    settings: () => ({ artifact: { path: 'dist', build: 'echo no such module >&2; exit 7' } }),
    exitCode: 3,
    code: 'E_BUILD',
    says: /7/,
  },
  {
    name: 'a secret whose variable is not set',
    settings: () => ({ release: { root: '/srv/app', env: { KEY: `$\{secret.KEY}` } }, secrets: { KEY: { env: 'NOT_SET_ANYWHERE' } } }),
    exitCode: 2,
    code: 'E_SECRET',
    says: /NOT_SET_ANYWHERE/,
  },
  {
    name: 'a hook before the rollout that fails',
    settings: () => hooks('before_rollout', { run: 'echo the gate is closed >&2; exit 4', name: 'gatekeeper' }),
    exitCode: 3,
    code: 'E_HOOK_BEFORE',
    says: /gatekeeper/,
    staged: true,
  },
  // Services.
  {
    name: 'a unit that is not there',
    settings: () => ({ service: { unit: 'app-nothing' } }),
    exitCode: 3,
    code: 'E_SETUP',
    says: /app-nothing/,
  },
  {
    name: 'a unit that sudo does not allow',
    settings: () => ({ service: { unit: 'cron-like' } }),
    onHost: [
      'printf "[Service]\\nExecStart=/bin/sleep infinity\\n" > /etc/systemd/system/cron-like.service; systemctl daemon-reload',
      'rm /etc/systemd/system/cron-like.service; systemctl daemon-reload',
    ],
    exitCode: 3,
    code: 'E_SUDO',
    says: /cron-like/,
  },
  // Balancers.
  {
    name: 'a backend that is not there',
    settings: (lab) => balancer(lab, { backend: 'shop' }),
    exitCode: 3,
    code: 'E_BALANCER_SERVER',
    says: /shop/,
  },
  {
    name: 'a server name that is not there',
    settings: (lab) => hostsWith(lab, { server: 'web-1' }),
    exitCode: 3,
    code: 'E_BALANCER_SERVER',
    says: /web-1/,
  },
  {
    name: 'a server name that is another host',
    settings: (lab) => hostsWith(lab, { server: 'h2' }),
    exitCode: 3,
    code: 'E_BALANCER_MISMATCH',
    says: /h2/,
  },
  {
    name: 'a socket that is not there',
    settings: (lab) => balancer(lab, { socket: '/run/haproxy/nothing.sock' }),
    exitCode: 4,
    code: 'E_BALANCER_UNREACHABLE',
    says: /nothing\.sock/,
  },
  {
    name: 'a port that is no runtime API',
    settings: (lab) => balancer(lab, { socket: '127.0.0.1:22' }),
    exitCode: 4,
    code: 'E_BALANCER_UNREACHABLE',
    says: /127\.0\.0\.1:22/,
  },
]

describeOnLab('a configuration that is wrong about the fleet is refused before any change:', (lab) => {
  const suite = useProject(lab, 'wrong')

  /** The lock, which is taken before anything else, may leave a folder of its own. */
  const everything = async (staged = false) => ({
    hosts: (await fleet(lab)).map((host) => ({ ...host, installed: staged ? [] : host.installed })),
    balancer: (await servers(lab)).map(({ name, status, weight }) => ({ name, status, weight })),
    files: await Promise.all(
      lab.hosts.map((host) =>
        mustInHost(
          host.name,
          `find /srv/app /tmp /home/deploy -not -path "*/.rollgate*" ${staged ? '-not -path "/srv/app/releases/*"' : ''} -not -name "systemd-private*" | sort`,
        ),
      ),
    ),
  })

  beforeAll(async () => {
    await deployed(suite.project, 'good')
    suite.project.build('never deployed')
  })

  test.each(CASES)('$name', async ({ settings, exitCode, code, says, onHost, here, staged }) => {
    const { project } = suite
    here?.(project)
    project.configure(settings(lab, project))
    const [prepare, tidy] = onHost ?? ['true', 'true']
    await Promise.all(lab.hosts.map((host) => mustInHost(host.name, prepare)))
    try {
      const before = await everything(staged)
      const result = await project.json(['deploy'])
      const told = `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`
      expect(result.document, told).toMatchObject({ exitCode, outcome: 'refused', error: { code } })
      expect(result.exitCode).toBe(exitCode)
      expect(JSON.stringify(result.document.error), told).toMatch(says)
      expect(await everything(staged)).toEqual(before)
    } finally {
      await Promise.all(lab.hosts.map((host) => mustInHost(host.name, tidy)))
    }
  })

  test('a project folder that cannot be read is said, not guessed', async () => {
    const { project } = suite
    project.configure()
    chmodSync(join(project.path, 'rollgate.yml'), 0o000)
    rmSync(join(project.path, 'rollgate.yml'))
    const result = await project.json(['deploy'])
    expect(result.document).toMatchObject({ exitCode: 2, error: { code: 'E_CONFIG_MISSING' } })
    project.configure()
  })
})
