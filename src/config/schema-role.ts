// What the hosts of a role do: service, health, balancer. Written at the top level, and under `roles` for those that
// differ. Which keys go together is said in rules.ts, so that one wrong value does not hide the next problem.
import * as names from './names.ts'
import { doc, either, type Kind, list, named, object, optional, value, withDefault } from './shape.ts'
import * as values from './values.ts'
import { choice, duration, shellLine, text, whole } from './values.ts'

const command = (what: string) => doc(optional(value(shellLine)), what)

export const service = object({
  kind: doc(withDefault(value(choice('systemd', 'command', 'none')), 'systemd'), 'What starts and stops the app'),
  unit: doc(
    optional(either(value(names.unitName), list(value(names.unitName)))),
    'The systemd unit, or a list of units, restarted in this order',
  ),
  scope: doc(optional(value(choice('system', 'user'))), 'Units of the system (through sudo) or of the login user. Default: `system`'),
  exec: doc(
    optional(value(text('a command line', undefined, { atMost: 4096 }))),
    'The command line that starts the app: `setup` renders it into the unit',
  ),
  start: command('`kind: command`: starts the app, in the folder of the current release'),
  stop: command('`kind: command`: stops the app'),
  restart: command('`kind: command`: restarts the app; without it `stop`, then `start`'),
  status: command('`kind: command`: exits 0 while the app runs'),
  logs: command('`kind: command`: prints the app’s log'),
})

const loopback = doc(withDefault(value(names.address), '127.0.0.1'), 'Address on the host that is asked')
const status = value(whole('an HTTP status', 100, 599))

const http = object({
  port: doc(value(values.port), 'Port of the app on the host'),
  path: doc(withDefault(value(names.urlPath), '/'), 'Path that is asked with GET'),
  status: doc(withDefault(either(status, list(status)), 200), 'The status that means healthy, or a list of them'),
  headers: doc(
    withDefault(named(names.headerName, 'HEADER', value(text('a header value', undefined, { atMost: 8192 }))), {}),
    'Headers of the request',
  ),
  address: loopback,
  timeout: doc(withDefault(value(duration()), '5s'), 'How long one question may take'),
})

const tcp = object({
  port: doc(value(values.port), 'A port that must accept a connection'),
  address: loopback,
  timeout: doc(withDefault(value(duration()), '5s'), 'How long one question may take'),
})

const healthCommand = object({
  run: doc(value(shellLine), 'Runs on the host; healthy when it exits 0'),
  timeout: doc(withDefault(value(duration()), '10s'), 'How long it may take'),
})

export const health = object({
  http: doc(optional(http), 'Healthy when the app answers over HTTP. One of `http`, `tcp`, `command`; none: the service manager’s word'),
  tcp: doc(optional(tcp), 'Healthy when a port accepts connections'),
  command: doc(optional(either(value(shellLine), healthCommand)), 'Healthy when this shell line exits 0 on the host'),
  version: doc(
    optional(
      object({
        header: doc(optional(value(names.headerName)), 'The header of the health answer that holds the release id'),
        json: doc(optional(value(names.jsonPath)), 'Where the release id stands in the JSON of the health answer: `$.release`'),
        command: command('Prints the release id on the host'),
      }),
    ),
    'Proves which release answers: exactly `ROLLGATE_RELEASE`. Without it the proof is a process started after the switch',
  ),
  interval: doc(withDefault(value(duration('50ms')), '500ms'), 'Between two questions'),
  healthy_for: doc(withDefault(value(duration('0s')), '10s'), 'How long it must answer well in a row'),
  deadline: doc(withDefault(value(duration()), '5m'), 'By when it must be healthy'),
})

export const drain = object({
  deadline: doc(withDefault(value(duration()), '30s'), 'How long we wait for requests that still run'),
  on_deadline: doc(
    withDefault(value(choice('fail', 'cut', 'continue')), 'fail'),
    '`fail` puts the host back and stops, `cut` closes the sessions, `continue` goes on',
  ),
  settle: doc(optional(value(duration('0s'))), 'How long after the drain new requests may still arrive. Default: what the driver knows'),
})

const oneBalancer = object({
  kind: doc(withDefault(value(choice('haproxy', 'none')), 'none'), 'What spreads traffic over the hosts'),
  hosts: doc(optional(list(value(names.hostName))), 'Hosts of the inventory that run it, reached over SSH'),
  backend: doc(optional(value(names.backendName)), 'The backend with our servers. Default: every backend a host is found in'),
  socket: doc(
    optional(value(names.socket)),
    'The runtime API: a path on the balancer host, or HOST:PORT as seen from it. Default: `/run/haproxy/admin.sock`',
  ),
  drain: doc(optional(drain), 'How a host is taken out of rotation'),
})

const noBalancer: Kind<'none'> = {
  says: '`none`',
  json: { const: 'none' },
  parse: (given) =>
    given === 'none' ? { value: given } : { problem: 'must be `none`, or a map such as { kind: haproxy, hosts: [lb-1] }' },
}

export const balancer = either(value(noBalancer), oneBalancer, list(oneBalancer))

export const roleFields = {
  service: doc(service, 'The process on a host. `kind: none` where nothing is to be started'),
  health: doc(withDefault(health, {}), 'How we know that an instance is healthy, and which release answers'),
  balancer: doc(withDefault(balancer, { kind: 'none' }), 'The balancer before the hosts, or a list of redundant ones, or `none`'),
}
