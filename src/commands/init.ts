import { RollgateCommand } from './base.ts'
import { given, names } from './flags.ts'
import { Flags } from './oclif.ts'

const text = (helpValue: string, description: string) => Flags.string({ helpValue, description })

export default class Init extends RollgateCommand {
  static override description =
    'Asks what the configuration needs and tries every answer on the real machines while asking: login and host key, service, port and health path, the servers of the balancer. Writes a commented file, then runs check. Every question has a flag; without a terminal, or with --yes, what has no flag takes its default. Nothing is written before the last answer, and nothing is overwritten without --force.'
  static override examples = [
    'rollgate init',
    'Without a terminal:\nrollgate init --yes --hosts web-1=10.0.0.11,web-2=10.0.0.12 --balancer haproxy --balancer-host lb-1=10.0.0.2 --backend shop',
    'Print it only:\nrollgate init --dry-run --hosts web-1=10.0.0.11',
  ]
  static override flags = {
    app: text('NAME', "Name of the app [the folder's]"),
    hosts: names('Hosts that get releases', 'NAME=ADDRESS[:PORT]'),
    user: text('NAME', 'Login name [as your OpenSSH configuration says]'),
    'ssh-config': text('FILE', 'OpenSSH configuration to read instead of yours'),
    artifact: text('PATH', 'What is shipped: a folder, a file or a tarball [dist]'),
    build: text('COMMAND', 'What builds it [nothing]'),
    root: text('PATH', 'Where releases live on the hosts [/srv/APP]'),
    unit: text('NAME', 'systemd unit that runs it [APP]'),
    exec: text('COMMAND', 'What the unit starts, for rollgate setup'),
    port: Flags.integer({ helpValue: 'N', min: 1, max: 65_535, description: 'Port the app listens on [8080]' }),
    'health-path': text('PATH', 'Path that says that it is healthy [/healthz]'),
    'version-header': text('NAME', 'Response header that names the release'),
    balancer: text('KIND', 'haproxy or none'),
    'balancer-host': text('NAME=ADDRESS', 'Host that runs the balancer'),
    backend: text('NAME', "The balancer's backend that the hosts are in"),
    socket: text('PATH', "The balancer's runtime API: a path on its host, or HOST:PORT [/run/haproxy/admin.sock]"),
    force: Flags.boolean({ description: 'Overwrite the file' }),
    'dry-run': Flags.boolean({ description: 'Print the file and write nothing' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Init)
    const { app, hosts, user, artifact, build, root, unit, exec, port, balancer, backend, socket, force } = flags
    const options = given({
      ...{ app, hosts, user, artifact, build, root, unit, exec, port, balancer, backend, socket, force },
      sshConfig: flags['ssh-config'],
      healthPath: flags['health-path'],
      versionHeader: flags['version-header'],
      balancerHost: flags['balancer-host'],
      dryRun: flags['dry-run'],
    })
    await this.carryOut(flags, async (context) => (await import('../app/init.ts')).init(options, context))
  }
}
