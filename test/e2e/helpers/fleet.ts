// The lab's app hosts: put into a known state, and asked, by root and without SSH, what they really run. Nothing here
// goes through our own tool, so a test that compares with it compares with the world.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { inHost, type Lab, mustInHost } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import { isReady, readyAll, servers } from './haproxy.ts'

export const ROOT = '/srv/app'

/** A hand-written unit: it follows `current`, takes our environment file, and leaves SIGTERM to Node. */
export const APP_UNIT = `[Unit]
Description=The app
[Service]
User=deploy
WorkingDirectory=${ROOT}/current
EnvironmentFile=-${ROOT}/current/.rollgate.env
ExecStart=/usr/local/bin/node server.mjs
Restart=on-failure
RestartSec=1
[Install]
WantedBy=multi-user.target
`

export type Running = {
  readonly host: string
  /** Name of the folder that `current` points at. */
  readonly current: string | null
  /** ROLLGATE_RELEASE in the environment of the running process. */
  readonly release: string | null
  readonly pid: number | null
  readonly active: string
  /** Folders of releases/. */
  readonly installed: readonly string[]
}

/** Every app host empty, with the app's unit installed and stopped; every server ready in the balancer. */
export async function emptyFleet(lab: Lab, unit = APP_UNIT): Promise<void> {
  await Promise.all(lab.hosts.map((host) => emptyHost(host.name, unit)))
  await readyAll(lab)
}

export async function emptyHost(host: string, unit = APP_UNIT): Promise<void> {
  await mustInHost(
    host,
    `cat > /etc/systemd/system/app.service.new
systemctl stop 'app*' 2>/dev/null
systemctl reset-failed 2>/dev/null
find ${ROOT} -mindepth 1 -delete
rm -rf /home/deploy/.rollgate /home/deploy/.local/state/rollgate
mv /etc/systemd/system/app.service.new /etc/systemd/system/app.service
systemctl daemon-reload && systemctl -q enable app`,
    { stdin: unit },
  )
}

/** A shell script on a host as the plain user deploy, whose own systemd is there without a session. */
export function asDeploy(host: string, text: string, options: { readonly stdin?: string } = {}): Promise<string> {
  return mustInHost(
    host,
    `cd /home/deploy && exec runuser -u deploy -- env HOME=/home/deploy XDG_RUNTIME_DIR=/run/user/$(id -u deploy) sh -c "$(cat <<'SCRIPT'
${text}
SCRIPT
)"`,
    options,
  )
}

export async function running(host: string, unit = 'app'): Promise<Running> {
  const out = await mustInHost(
    host,
    `echo "current=$(readlink ${ROOT}/current)"
systemctl show -p MainPID -p ActiveState ${unit}
pid=$(systemctl show -P MainPID ${unit})
[ "$pid" = 0 ] || tr '\\0' '\\n' < /proc/$pid/environ | grep '^ROLLGATE_RELEASE=' || true
for folder in ${ROOT}/releases/*/; do [ -d "$folder" ] && echo "installed=$(basename "$folder")"; done; true`,
  )
  const all = out.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string])
  const one = (name: string) => all.find(([key, value]) => key === name && value !== '')?.[1] ?? null
  const pid = Number(one('MainPID') ?? 0)
  return {
    host,
    current: one('current')?.split('/').at(-1) ?? null,
    release: one('ROLLGATE_RELEASE'),
    pid: pid === 0 ? null : pid,
    active: one('ActiveState') ?? 'unknown',
    installed: all.filter(([key]) => key === 'installed').map(([, value]) => value),
  }
}

export function fleet(lab: Lab): Promise<readonly Running[]> {
  return Promise.all(lab.hosts.map((host) => running(host.name)))
}

/** Installs a release and starts it, by hand. */
export async function installByHand(host: string, id: string, folder: string): Promise<void> {
  await mustInHost(
    host,
    `set -e
install -d -o deploy -g deploy ${ROOT}/releases ${ROOT}/releases/${id}
tar -x -C ${ROOT}/releases/${id}
echo 'ROLLGATE_RELEASE="${id}"' > ${ROOT}/releases/${id}/.rollgate.env
chown -R deploy:deploy ${ROOT}/releases/${id}
ln -sfn releases/${id} ${ROOT}/current.new && mv -T ${ROOT}/current.new ${ROOT}/current`,
    { stdin: tarOf(folder) },
  )
}

function tarOf(folder: string): Buffer {
  return execFileSync('tar', ['-c', '-C', folder, '.'], { maxBuffer: 1 << 28 })
}

/** What the app on the host answers to its health question: null when there is no answer. */
export async function answering(host: string): Promise<{ readonly release: string; readonly note: string | null } | null> {
  const { exitCode, stdout } = await inHost(host, 'curl -s -f -m 5 http://127.0.0.1:8080/healthz')
  return exitCode === 0 ? (JSON.parse(stdout) as { release: string; note: string | null }) : null
}

/** The host's app answers its health question with that release. */
export function untilHealthy(host: string, release: string): Promise<string> {
  return until(`${host} is healthy on ${release}`, async () => {
    const { stdout } = await inHost(host, 'curl -s -m 2 -i http://127.0.0.1:8080/healthz')
    return stdout.startsWith('HTTP/1.1 200') && stdout.toLowerCase().includes(`x-release: ${release}`) && stdout
  })
}

export function untilAllReady(lab: Lab): Promise<true> {
  return until('HAProxy has every server ready', async () => {
    const seen = await servers(lab)
    return seen.length > 0 && seen.every((server) => isReady(server) && !server.status.includes('/'))
  })
}

/** A folder for the tests of the suite that asks; it goes away after them. */
export function suiteFolder(prefix: string): { readonly path: string } {
  const folder = { path: '' }
  beforeAll(() => {
    folder.path = mkdtempSync(join(tmpdir(), `rollgate-${prefix}-`))
  })
  afterAll(() => rmSync(folder.path, { recursive: true, force: true }))
  return folder
}
