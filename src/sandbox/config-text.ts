// The two texts by which the sandbox is reached as any fleet is: an OpenSSH configuration and a rollgate.yml. The
// second is meant to be read and played with (`demo --keep`), so it is written like a person's.
import type { SandboxHost } from './fleet.ts'

export function sshConfig(options: {
  readonly hosts: readonly SandboxHost[]
  readonly user: string
  readonly clientKeyPath: string
  readonly knownHostsPath: string
}): string {
  const blocks = options.hosts.map(({ name, port }) => `Host ${name}\n  Port ${port}\n`)
  return `${blocks.join('')}Host *
  HostName 127.0.0.1
  User ${options.user}
  IdentityFile ${quoted(options.clientKeyPath)}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${quoted(options.knownHostsPath)}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
`
}

/** ssh_config expands % in file names. */
function quoted(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`
}

/** The smallest complete configuration of the sandbox. @param options.probe false for a first deploy: nobody answers yet; `gate`: the canary is load-tested before it is enabled */
export function sandboxConfig(
  sandbox: {
    readonly hosts: readonly SandboxHost[]
    readonly releaseRoot: string
    readonly entryUrl: string
    readonly balancerHost: SandboxHost
    readonly balancer: { readonly apiPort: number }
  },
  options: { readonly probe: boolean; readonly gate?: boolean },
): string {
  const hosts = sandbox.hosts.map(({ name }) => `  ${name}: { address: ${name}, server: ${name} }`)
  const lb = sandbox.balancerHost.name
  const probe = `  probe: { url: ${JSON.stringify(sandbox.entryUrl)}, rate: 20/s }     # a stream through the front door while hosts change\n`
  return `app: demo

artifact:
  path: app                            # server.mjs and the scripts that start and stop it

ssh:
  config: ssh_config                   # ports, key and host keys of the sandbox's hosts

hosts:
${hosts.join('\n')}
  ${lb}: { address: ${lb}, roles: [balancer] }

release:
  root: ${JSON.stringify(sandbox.releaseRoot)}
  keep: 3

service:
  kind: command
  start: ./bin/start
  stop: ./bin/stop
  status: ./bin/status
  logs: tail -n 50 "$HOME/app.log"

health:
  http: { port: 8080, path: /healthz }
  version: { header: x-release }       # the new release must answer, not just anybody
  interval: 100ms
  healthy_for: 1s
  deadline: 6s

balancer:
  kind: haproxy
  hosts: [${lb}]
  backend: demo
  socket: "127.0.0.1:${sandbox.balancer.apiPort}"
  drain: { deadline: 10s }

rollout:
  steps:
    - deploy: 1                        # the canary
${options.gate === true ? '    - gate: canary                     # load on it alone, before users get it\n' : ''}    - deploy: 50%
    - deploy: 100%
${options.probe ? probe : ''}${options.gate === true ? GATE : ''}`
}

const GATE = `
loads:
  visits:
    rate: 100/s                        # as users come: whatever the answers do
    duration: 5s..20s                  # it stops as soon as it is sure
    warmup: 2s
    requests: [{ get: / }]

gates:
  canary:
    load: visits
    pass:
      - errors < 1%
      - { clause: slow < 1%, above: 250ms }
    on_invalid: { retry: 3 }           # a busy machine sends late, and late requests say nothing
`
