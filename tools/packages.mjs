// What the test suites need of the system, and which suite goes without when it is missing. As root on a Debian or
// Ubuntu, what is missing is installed (one `apt-get update`, at most); elsewhere the suites that will be skipped are
// named. Careful about two things: an installed server must not start by itself (HAProxy and sshd are started by the
// tests, in places of their own), and a machine that cannot install must still run all the other suites.
// Runs on any Node, without node_modules.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Program, the Debian package that brings it, and what is skipped without it. */
const NEEDED = [
  ['git', 'git', 'artifact: what git knows of a release'],
  ['openssl', 'openssl', 'load: certificates'],
  ['ssh', 'openssh-client', 'transport, sandbox, end to end: the system’s ssh'],
  ['sshd', 'openssh-server', 'transport, stage: a real sshd'],
  ['haproxy', 'haproxy', 'balancer: a real HAProxy'],
  ['prometheus', 'prometheus', 'gates: a real Prometheus'],
  ['prometheus-pushgateway', 'prometheus-pushgateway', 'reports: a real push gateway'],
  ['socat', 'socat', 'balancer: socat where there is no perl'],
  ['zstd', 'zstd', 'stage: zstd archives; the lab'],
  ['busybox', 'busybox', 'host scripts: another sh than dash'],
  ['tmux', 'tmux', 'commands: on a terminal'],
  ['mmdebstrap', 'mmdebstrap', 'end to end: the lab'],
  ['systemd-nspawn', 'systemd-container', 'end to end: the lab'],
  ['ip', 'iproute2', 'end to end: the lab'],
  ['iptables', 'iptables', 'end to end: the lab'],
  ['nsenter', 'util-linux', 'end to end: the lab'],
  ['ping', 'iputils-ping', 'end to end: the lab'],
  ['python3', 'python3', 'end to end: delays in the lab'],
]

/** Debian keeps servers where a plain user's PATH does not look. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']

function isInstalled(program) {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

const missing = () => NEEDED.filter(([program]) => !isInstalled(program))

/** Installs what is missing where that is possible; says what stays missing, and returns it. */
export function ensurePackages(say = (line) => process.stderr.write(`${line}\n`)) {
  let lacking = missing()
  if (lacking.length === 0) return []
  const canInstall = process.getuid?.() === 0 && isInstalled('apt-get') && process.env.ROLLGATE_NO_INSTALL === undefined
  if (canInstall) {
    const names = [...new Set(lacking.map(([, name]) => name))]
    say(`packages: installing ${names.join(' ')}`)
    install(names, say)
    lacking = missing()
  }
  for (const [program, name, suite] of lacking) {
    say(`packages: SKIPPED for want of ${program} (Debian package ${name}): ${suite}`)
  }
  return lacking.map(([program]) => program)
}

function install(names, say) {
  const apt = (...words) =>
    spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  // What Debian's own tools ask before they start a service; 101 is "forbidden".
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const words = ['install', '--yes', '--quiet', '--no-install-recommends', ...names]
    // With the lists at hand (a machine that was used before) the update is saved.
    if (apt(...words).status === 0) return
    apt('update', '--quiet')
    const result = apt(...words)
    if (result.status !== 0) say(`packages: apt-get could not install them: ${(result.stderr ?? '').trim().split('\n').at(-1)}`)
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) ensurePackages()
