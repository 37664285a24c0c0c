// The file that `init` writes: pure, from answers to commented YAML. Every value goes through one quoting function, so
// that no answer can change the structure of the file.

export type InitHost = {
  readonly name: string
  readonly address: string
  readonly port?: number
  /** The balancer's name for it, where an address alone does not tell. */
  readonly server?: string
}

export type InitAnswers = {
  readonly app: string
  readonly hosts: readonly InitHost[]
  readonly user?: string
  readonly sshConfig?: string
  readonly build?: string
  readonly artifact: string
  readonly root: string
  readonly unit: string
  readonly scope: 'system' | 'user'
  readonly exec?: string
  readonly port: number
  readonly healthPath: string
  readonly versionHeader?: string
  readonly balancer:
    | { readonly kind: 'none' }
    | {
        readonly kind: 'haproxy'
        readonly host: InitHost
        /** Not known yet: every backend is looked at. */
        readonly backend?: string
        readonly socket?: string
      }
}

/** A YAML scalar: plain where that is surely a string, else double-quoted with JSON's escapes (which YAML shares). `$` is doubled: `${` would be read as a variable. */
export function scalar(value: string): string {
  const literal = value.replace(/\$\{/g, '$$${')
  const plain =
    (/^[A-Za-z/][A-Za-z0-9 _./@-]*$/.test(literal) || /^\d{1,3}(\.\d{1,3}){3}$/.test(literal)) &&
    !/^(true|false|yes|no|on|off|null|y|n)$/i.test(literal) &&
    literal.trim() === literal
  return plain ? literal : JSON.stringify(literal)
}

export function renderConfig(answers: InitAnswers): string {
  const { balancer } = answers
  const lines: string[] = [
    '# What rollgate deploys, where, and behind which balancer.',
    '# Check it with `rollgate check`, preview a deploy with `rollgate plan`. Every key: `rollgate config schema`.',
    '',
    `app: ${scalar(answers.app)}`,
    '',
    'artifact:',
    ...(answers.build === undefined ? [] : [`  build: ${scalar(answers.build)}           # here, once, before anything touches a host`]),
    `  path: ${scalar(answers.artifact)}            # a folder, one file, or a tarball`,
    '',
  ]
  if (answers.user !== undefined || answers.sshConfig !== undefined) {
    lines.push('ssh:                      # anything not said here comes from your OpenSSH configuration')
    if (answers.user !== undefined) lines.push(`  user: ${scalar(answers.user)}`)
    if (answers.sshConfig !== undefined) lines.push(`  config: ${scalar(answers.sshConfig)}`)
    lines.push('')
  }
  lines.push('hosts:')
  for (const host of answers.hosts) lines.push(`  ${scalar(host.name)}: { ${hostFields(host)} }`)
  if (balancer.kind === 'haproxy')
    lines.push(`  ${scalar(balancer.host.name)}: { ${hostFields(balancer.host)}, roles: [balancer] }     # never deployed to`)
  lines.push(
    '',
    'release:',
    `  root: ${scalar(answers.root)}          # releases/, shared/ and the link current → the release that runs`,
    '  keep: 5                 # successful releases to keep',
    '  # shared: [uploads]     # linked from shared/ into every release',
    '  # env: { NODE_ENV: production }',
    '',
    'service:',
    '  kind: systemd',
    `  unit: ${scalar(answers.unit)}`,
    ...(answers.scope === 'user' ? ['  scope: user'] : []),
    ...(answers.exec === undefined
      ? ['  # exec: node server.js  # lets `rollgate setup` install the unit for you']
      : [`  exec: ${scalar(answers.exec)}`]),
    '',
    'health:                   # asked through SSH: the port need not be public',
    `  http: { port: ${answers.port}, path: ${scalar(answers.healthPath)} }`,
    ...(answers.versionHeader === undefined
      ? ['  # version: { header: x-release }   # answer with $ROLLGATE_RELEASE: proves that the new release is the one that answers']
      : [`  version: { header: ${scalar(answers.versionHeader)} }   # must answer $ROLLGATE_RELEASE`]),
    '  healthy_for: 10s',
    '  deadline: 2m',
    '',
  )
  if (balancer.kind === 'haproxy') {
    lines.push(
      'balancer:',
      '  kind: haproxy',
      `  hosts: [${scalar(balancer.host.name)}]`,
      ...(balancer.backend === undefined ? [] : [`  backend: ${scalar(balancer.backend)}`]),
      ...(balancer.socket === undefined ? [] : [`  socket: ${scalar(balancer.socket)}`]),
      '  drain: { deadline: 30s }  # longer than your slowest request',
    )
  } else {
    lines.push('balancer: { kind: none }  # requests fail during restarts: put a balancer in front')
  }
  lines.push(
    '',
    'rollout:',
    '  steps:',
    '    - deploy: 1             # the canary',
    '    - deploy: 50%',
    '    - deploy: 100%',
    '  # probe: { url: "https://shop.example.com/healthz", rate: 20/s }   # proves that no request is lost',
    '',
  )
  return lines.join('\n')
}

function hostFields(host: InitHost): string {
  return [
    `address: ${scalar(host.address)}`,
    ...(host.port === undefined ? [] : [`port: ${host.port}`]),
    ...(host.server === undefined ? [] : [`server: ${scalar(host.server)}`]),
  ].join(', ')
}

/** `NAME=ADDR` or `NAME=ADDR:PORT` or only `ADDR` (then the name is made of it); several with commas. */
export function parseHostList(text: string): readonly InitHost[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.indexOf('=')
      const name = at === -1 ? part.replace(/:\d+$/, '') : part.slice(0, at).trim()
      const rest = at === -1 ? part : part.slice(at + 1).trim()
      const port = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(rest)
      if (port?.[1] !== undefined && port[2] !== undefined) return { name, address: port[1].replace(/^\[|\]$/g, ''), port: Number(port[2]) }
      return { name, address: rest.replace(/^\[|\]$/g, '') }
    })
}
