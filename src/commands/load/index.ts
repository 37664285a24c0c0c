import { RollgateError } from '../../domain/error.ts'
import { RollgateCommand } from '../base.ts'
import { durationMs, given, rateOf } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'
import { reportFlags, reportOptions } from '../report-flags.ts'

const DURATION = /^\d{1,6}(ms|s|m|h)$/

export default class Load extends RollgateCommand {
  static override description =
    'Sends requests at a rate (open model: latency counts from the moment a request was due, so a stall shows) or over a number of connections (closed model), and judges the thresholds with their uncertainty. Exit 0 passed, 7 not met, 8 cannot say, 11 not a measurement. An address that is not this machine is asked about, and gets 50 requests/s at most unless a rate is given; connections without a rate are refused there.'
  static override examples = [
    'rollgate load --url http://127.0.0.1:8080/ --rate 100/s --duration 30s',
    'One from the configuration, at its own site:\nrollgate load checkout -e staging --url https://staging.example.com/',
    'With thresholds:\nrollgate load --url http://127.0.0.1:8080/ --rate 200/s --duration 60s --threshold "p95 < 300ms" --threshold "errors < 0.5%"',
    'New against old, pair by pair:\nrollgate load --url http://127.0.0.1:8081/ --against http://127.0.0.1:8080/ --rate 100/s --duration 120s --threshold "p95 <= baseline + 15%"',
    'Over connections, as fast as it answers (closed model):\nrollgate load --url http://127.0.0.1:8080/ --connections 50',
    'How much can one host take:\nrollgate load checkout --at web-1 --find-capacity --threshold "p95 < 300ms"',
  ]
  static override args = { name: Args.string({ description: 'One of `loads` in the configuration' }) }
  static override flags = {
    url: Flags.string({ helpValue: 'URL', description: 'Without a name: what is asked (GET). With one: the site [of rollout.probe]' }),
    against: Flags.string({
      helpValue: 'URL',
      description: 'The old one: gets the same requests at the same moments',
      exclusive: ['connections'],
    }),
    at: Flags.string({
      helpValue: 'HOST',
      description: 'The app of this host of the configuration: at its own address, or through its SSH connection',
      exclusive: ['against'],
    }),
    from: Flags.string({
      helpValue: 'HOST,…',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'Hosts of the configuration that send it, each its share of the rate [this machine]',
      exclusive: ['connections', 'find-capacity'],
    }),
    http2: Flags.boolean({ description: 'HTTP/2 instead of HTTP/1.1, for https', exclusive: ['connections'] }),
    tls: Flags.boolean({ description: 'With --at: the app speaks TLS on its own port', dependsOn: ['at'] }),
    rate: Flags.string({ helpValue: 'N/s', description: 'Requests a second [10/s]', exclusive: ['connections'] }),
    connections: Flags.integer({
      helpValue: 'N',
      description: 'Closed model: so many connections, each waits for its answer',
      min: 1,
      max: 10_000,
    }),
    duration: Flags.string({ helpValue: 'DURATION', description: 'How long [10s]' }),
    'warm-up': Flags.string({ helpValue: 'DURATION', description: 'Sent before, and not counted [none]' }),
    threshold: Flags.string({
      helpValue: 'CLAUSE',
      multiple: true,
      multipleNonGreedy: true,
      description: 'What must hold; again for more',
    }),
    'find-capacity': Flags.boolean({
      description: 'The highest rate at which the thresholds hold [errors < 1%, and p95 at most twice that of a low rate]',
      exclusive: ['against', 'connections'],
    }),
    max: Flags.string({ helpValue: 'N/s', description: 'With --find-capacity: no more than this', dependsOn: ['find-capacity'] }),
    precision: Flags.string({ helpValue: 'N%', description: 'With --find-capacity [5%]', dependsOn: ['find-capacity'] }),
    ...reportFlags,
    'exit-zero': Flags.boolean({ description: 'Exit 0 whatever the verdict: for a first look' }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Load)
    const { url, against, at, from, http2, tls, connections, threshold: thresholds, 'exit-zero': exitZero } = flags
    const options = {
      ...reportOptions(flags),
      ...given({
        name: args.name,
        url,
        against,
        at,
        from,
        http2,
        tls,
        connections,
        thresholds,
        ratePerSecond: rateOf('--rate', flags.rate),
        durationMs: timeOf('--duration', flags.duration),
        warmupMs: timeOf('--warm-up', flags['warm-up']),
        findCapacity: flags['find-capacity']
          ? given({ maxPerSecond: rateOf('--max', flags.max), precision: shareOf('--precision', flags.precision) })
          : undefined,
      }),
    }
    await this.carryOut(flags, async (context) => {
      const document = await (await import('../../app/load.ts')).load(options, context)
      return exitZero ? { ...document, exitCode: 0 } : document
    })
  }
}

function shareOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const share = Number(/^(\d{1,2}(?:\.\d{1,2})?)%$/.exec(text)?.[1] ?? 0) / 100
  if (share >= 0.01 && share <= 0.5) return share
  throw new RollgateError('E_USAGE', `${flag} wants 1% to 50%, not ${JSON.stringify(text)}`, { hints: [`${flag} 5%`] })
}

function timeOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = DURATION.test(text) ? (text.endsWith('ms') ? Number(text.slice(0, -2)) : durationMs(text)) : undefined
  if (ms !== undefined && ms >= 1_000) return ms
  throw new RollgateError('E_USAGE', `${flag} wants a duration of at least a second with its unit, not ${JSON.stringify(text)}`, {
    hints: [`${flag} 30s`],
  })
}
