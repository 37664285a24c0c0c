// The shape of rollgate.yml, with its documentation and defaults: the one source of the validation, the JSON Schema and
// the reference. Units and forms are in values.ts and names.ts, rules between keys in rules.ts.
import * as names from './names.ts'
import { gate } from './schema-gate.ts'
import { load } from './schema-load.ts'
import { type balancer, type health, roleFields, type service } from './schema-role.ts'
import { doc, either, list, named, type Output, object, optional, value, withDefault } from './shape.ts'
import * as values from './values.ts'
import { choice, duration, rate, share, shellLine, template, text, whole, yesNo } from './values.ts'

const artifact = object({
  build: doc(optional(value(shellLine)), 'A shell line, run once in this folder before anything touches a host'),
  path: doc(value(names.localPath), 'What is shipped: a directory, one file, or a .tar, .tar.gz or .tar.zst'),
  exclude: doc(withDefault(list(value(text('a pattern'))), []), 'Patterns of files that stay here, beside .rollgateignore'),
})

const identity = either(
  value(names.localPath),
  object({ env: doc(value(names.variableName), 'The environment variable that holds the key itself') }),
)

const ssh = object({
  user: doc(optional(value(names.user)), 'Login name'),
  config: doc(optional(value(names.localPath)), 'Read this OpenSSH configuration instead of yours, as `ssh -F` does'),
  known_hosts: doc(
    optional(either(value(names.localPath), list(value(names.localPath)))),
    'Known host keys are read from here; a file or a list',
  ),
  identity: doc(optional(identity), 'The private key: a path, or `{ env: NAME }` for CI'),
  transport: doc(withDefault(value(choice('ssh2', 'local')), 'ssh2'), '`ssh2`: built in; `local`: the hosts are this machine'),
})

const host = object({
  address: doc(
    optional(value(names.address)),
    'Address or name; your OpenSSH configuration may resolve it further. Default: the host’s name',
  ),
  port: doc(optional(value(values.port)), 'SSH port'),
  user: doc(optional(value(names.user)), 'Login name on this host'),
  via: doc(optional(value(names.destination)), 'Jump through this host of the inventory, or through this OpenSSH destination'),
  host_key: doc(optional(value(names.hostKey)), 'The pinned host key: `SHA256:…`, or a line `ssh-ed25519 AAAA…`'),
  server: doc(optional(value(names.serverName)), 'The balancer’s name for it, where that differs'),
  zone: doc(optional(value(names.looseWords)), 'Where it stands, for `spread: zone`'),
  roles: doc(
    withDefault(list(value(names.roleName)), []),
    'What it is for. A host that only has the roles `balancer` or `generator` is never deployed to',
  ),
  labels: doc(withDefault(named(names.labelName, 'LABEL', value(names.looseWords)), {}), 'Words to select hosts by'),
})

const release = object({
  root: doc(value(names.absolutePath({ notRoot: true })), 'Holds releases/, shared/ and the link `current`. Absolute, never `/`'),
  keep: doc(withDefault(value(whole('a number', 1, 1000)), 5), 'How many successful releases stay on a host'),
  shared: doc(withDefault(list(value(names.sharedPath)), []), 'Files and folders that all releases share, linked from shared/'),
  env: doc(
    withDefault(named(names.releaseVariable, 'NAME', value(template)), {}),
    `Environment of the service. \`\${secret.NAME}\` stands for a secret`,
  ),
})

const hookFields = {
  run: doc(value(shellLine), 'A shell line. It gets ROLLGATE_* variables; its exit code decides'),
  name: doc(optional(value(names.hookName)), 'Its name in the plan. Default: the moment and its place'),
  timeout: doc(withDefault(value(duration()), '5m'), 'After this it is ended, with all it started'),
  once: doc(
    withDefault(value(yesNo), false),
    'Never run twice: where it is unknown how it ended, the rollout stops instead of repeating it',
  ),
  irreversible: doc(withDefault(value(yesNo), false), 'A rollback past it needs `--force --reason`'),
}
const localHook = object({ ...hookFields, on: doc(withDefault(value(choice('local', 'host')), 'local'), 'Where it runs: on this machine') })
const hostHook = object({ ...hookFields, on: doc(withDefault(value(choice('local', 'host')), 'host'), 'Where it runs: on the host') })

const hooks = object({
  before_rollout: doc(withDefault(list(localHook), []), 'On this machine, before the first host is touched'),
  before_activate: doc(withDefault(list(hostHook), []), 'On each host, out of rotation, before the link is switched'),
  after_activate: doc(
    withDefault(list(hostHook), []),
    'On each host, after the service was restarted, before it is proven healthy and enabled',
  ),
  after_rollout: doc(withDefault(list(localHook), []), 'On this machine, at the end of a rollout that succeeded'),
  on_failure: doc(withDefault(list(localHook), []), 'On this machine, when a rollout failed'),
})

const step = object({
  deploy: doc(optional(value(share({ zero: false }))), 'Until so many hosts run the new release; cumulative, percentages round up'),
  gate: doc(
    optional(value(names.gateName)),
    'A gate of `gates`. An isolated one belongs to the `deploy` before it and runs before those hosts are enabled',
  ),
  pause: doc(optional(value(duration())), 'Wait'),
  approve: doc(optional(value(names.words)), 'Ask a person; `--yes` does not answer'),
  hook: doc(optional(localHook), 'A command between two batches'),
})

const probe = object({
  url: doc(value(names.url), 'The public entry that users come through'),
  rate: doc(withDefault(value(rate), '10/s'), 'Requests a second'),
  max_failed: doc(withDefault(value(whole('a number', 0, 1_000_000)), 0), 'More failures than this fail the rollout'),
  timeout: doc(withDefault(value(duration()), '5s'), 'A request that takes longer has failed'),
})

const rollout = object({
  steps: doc(withDefault(list(step), [{ deploy: 1 }, { deploy: '50%' }, { deploy: '100%' }]), 'What happens, in this order'),
  at_once: doc(withDefault(value(whole('a number of hosts', 1, 10_000)), 1), 'Upper limit of hosts taken at the same time'),
  min_ready: doc(optional(value(share({ zero: true }))), 'Hosts that always stay ready; percentages round up. Default: all but one'),
  spread: doc(withDefault(value(choice('none', 'zone')), 'none'), '`zone`: never two zones in one batch'),
  failure_budget: doc(withDefault(value(share({ zero: true })), 0), 'Hosts that may fail before the rollout stops'),
  on_failure: doc(withDefault(value(choice('undo', 'halt')), 'undo'), 'Take back what was done, or stop where it is'),
  unreachable: doc(
    withDefault(value(choice('stop', 'skip')), 'stop'),
    'A host that cannot be reached stops the rollout, or is left out within the failure budget',
  ),
  on_inconclusive: doc(
    withDefault(value(choice('pause', 'fail', 'pass')), 'pause'),
    'What happens when a gate cannot say; the gate’s own setting wins',
  ),
  on_interrupt: doc(withDefault(value(choice('stop', 'undo', 'continue')), 'stop'), 'What an interrupt means where nobody can be asked'),
  progress_deadline: doc(withDefault(value(duration()), '10m'), 'No progress for so long means failed'),
  probe: doc(optional(probe), 'Requests through the public entry during the rollout: proves that none fails'),
})

const secret = object({
  env: doc(optional(value(names.variableName)), 'An environment variable on this machine'),
  file: doc(optional(value(names.localPath)), 'A file on this machine'),
  command: doc(optional(value(shellLine)), 'A shell line on this machine that prints it'),
})

const role = object(roleFields)

/** One environment, merged: what `load` validates. */
export const merged = object({
  app: doc(value(names.appName), 'Name of the app: of its lock, its history, its releases'),
  confirm: doc(withDefault(value(yesNo), false), 'Ask after showing the plan, before a rollout changes anything'),
  artifact: doc(optional(artifact), 'What is built and shipped'),
  ssh: doc(withDefault(ssh, {}), 'How hosts are reached; what is not said here comes from your OpenSSH configuration'),
  hosts: doc(withDefault(named(names.hostName, 'NAME', host), {}), 'The inventory. In an environment it replaces the whole inventory'),
  release: doc(release, 'Where and how releases are installed'),
  ...roleFields,
  roles: doc(withDefault(named(names.roleName, 'ROLE', role), {}), 'What the hosts of a role do otherwise than the top level says'),
  rollout: doc(withDefault(rollout, {}), 'Batches, limits and what happens when something fails'),
  loads: doc(withDefault(named(names.loadName, 'LOAD', load), {}), 'Load tests by name'),
  gates: doc(withDefault(named(names.gateName, 'GATE', gate), {}), 'Gates by name: what is measured, and what must hold'),
  hooks: doc(withDefault(hooks, {}), 'Commands of yours at named moments'),
  secrets: doc(withDefault(named(names.secretName, 'NAME', secret), {}), 'Secrets by name; each from one of `env`, `file`, `command`'),
})

export type Merged = Output<typeof merged>
export type MergedRole = Output<typeof role>
export type MergedService = Output<typeof service>
export type MergedHealth = Output<typeof health>
export type MergedBalancer = Output<typeof balancer>
export type MergedHook = Output<typeof localHook>
export type MergedStep = Output<typeof step>
