import { RollgateError } from '../../domain/error.ts'
import { RollgateCommand } from '../base.ts'
import { durationMs, given, names } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'
import { reportFlags, reportOptions } from '../report-flags.ts'

const RESULT_FLAGS = [
  'format',
  'threshold',
  'exit-code',
  'planned',
  'exit-zero',
  'report',
  'metrics',
  'push-gateway',
  'inconclusive-as',
] as const

export default class LoadImport extends RollgateCommand {
  static override description =
    'Judges what another tool measured: k6, JMeter, Locust, vegeta, Artillery, oha, fortio, wrk, hey, Gatling, autocannon. Several files are those of one run. A run counts only with evidence that it came to its end: the exit code of the tool, or how long it was to run. Exit 0 passed, 7 not met, 8 cannot say, 11 not a measurement, 2 for a threshold that the file cannot answer. A HAR or an OpenAPI description becomes a block for `loads` instead: without secrets, and without requests that change something unless they are asked for.'
  static override examples = [
    'After k6 run --out json=k6.json.gz test.js:\nrollgate load import k6.json.gz --exit-code $? --threshold "p95 < 300ms"',
    'rollgate load import locust.json locust.log --threshold "errors < 1%"',
    'rollgate load import results.jtl --planned 5m --threshold "p99 < 2s"',
    'rollgate load import --har shop.har --origin https://shop.example.com --out shop-load.yml',
    'rollgate load import --openapi openapi.yaml --methods GET,POST',
  ]
  static override usage = 'load import FILE... [FLAGS]'
  static override strict = false
  static override args = { file: Args.string({ description: 'What the tool wrote; several of one run', required: false }) }
  static override flags = {
    format: Flags.string({ helpValue: 'TOOL', description: 'Which tool wrote it [seen by the file]' }),
    threshold: Flags.string({
      helpValue: 'CLAUSE',
      multiple: true,
      multipleNonGreedy: true,
      description: 'What must hold; again for more',
    }),
    'exit-code': Flags.integer({ helpValue: 'N', description: 'As the tool ended', min: -255, max: 255 }),
    planned: Flags.string({ helpValue: 'DURATION', description: 'How long it was to run' }),
    ...reportFlags,
    'exit-zero': Flags.boolean({ description: 'Exit 0 whatever the verdict: for a first look' }),
    har: Flags.string({ helpValue: 'FILE', description: 'Make a load of this recording', exclusive: ['openapi'] }),
    openapi: Flags.string({ helpValue: 'FILE', description: 'Make a load of this description (3.0, 3.1)' }),
    origin: names('HAR: only these sites [that of its first request]', 'URL'),
    methods: names('Methods beside the ones that change nothing', 'METHOD'),
    all: Flags.boolean({ description: 'HAR: static files too' }),
    out: Flags.string({ helpValue: 'FILE', description: 'Write the block there; never over a file' }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(LoadImport)
    const {
      format,
      threshold: thresholds,
      'exit-code': exitCode,
      'exit-zero': exitZero,
      har,
      openapi,
      origin: origins,
      methods,
      all,
      out,
    } = flags
    const files = argv.map(String)
    const chosen =
      har !== undefined
        ? ({ from: 'HAR', file: har } as const)
        : openapi !== undefined
          ? ({ from: 'OpenAPI', file: openapi } as const)
          : null
    if (chosen !== null && files.length > 0)
      throw new RollgateError(
        'E_USAGE',
        `${files.join(' ')} stands beside --${har === undefined ? 'openapi' : 'har'}: one of them at a time`,
      )
    const planned = plannedOf(flags.planned)
    await this.carryOut(flags, async (context) => {
      const scenario = await import('../../app/load-scenario.ts')
      const seen = chosen ?? (await scenario.seenIn(files, context))
      if (seen !== null) {
        const stray = RESULT_FLAGS.find((flag) => flags[flag] !== undefined && flags[flag] !== false)
        if (stray !== undefined) throw new RollgateError('E_USAGE', `--${stray} is for results: ${seen.file} describes requests`)
        return scenario.loadScenario({ ...seen, ...given({ origins, methods, all, out }) }, context)
      }
      if (out !== undefined) throw new RollgateError('E_USAGE', '--out is for a HAR or an OpenAPI description')
      const options = { files, ...reportOptions(flags), ...given({ format, thresholds, exitCode, plannedMs: planned }) }
      const document = await (await import('../../app/load-import.ts')).loadImport(options, context)
      return exitZero ? { ...document, exitCode: 0 } : document
    })
  }
}

function plannedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = durationMs(text)
  if (ms !== undefined && ms > 0) return ms
  throw new RollgateError('E_USAGE', `--planned wants a duration with its unit, not ${JSON.stringify(text)}`, { hints: ['--planned 5m'] })
}
