// How each load tool is called: words, never a sentence. Pure, so that tests can read them. Careful about three things: the
// user's own words come last and win; paths are absolute, so none begins with a dash; and a result that says all (every
// request, or a log beside it) is asked for, so that its completeness can be judged.
import { join } from 'node:path'
import type { EngineSettings } from '../../domain/engine.ts'

export type EngineArm = 'canary' | 'baseline'

export type EngineAsked = {
  readonly settings: EngineSettings
  /** The site, for scripts that want it; null: they know for themselves. */
  readonly target: string | null
  /** The old release: both get the same load at once. */
  readonly against: string | null
  /** An empty folder for what the tool writes. */
  readonly folder: string
}

export type EngineProcess = {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly stdin?: string
  /** The one whose end is the end of the run; the others are its workers. */
  readonly role: 'main' | 'worker'
  /** Shown before its lines. */
  readonly name: string
}

/** What a script sees of us, whatever the tool. */
export function engineEnvironment({ settings, target, against }: EngineAsked): Readonly<Record<string, string>> {
  return {
    ROLLGATE_DURATION_S: String(settings.duration.atLeastMs / 1000),
    ...(target === null ? {} : { ROLLGATE_TARGET: target }),
    ...(against === null ? {} : { ROLLGATE_BASELINE: against }),
  }
}

export function k6Words(asked: EngineAsked, script: string): EngineProcess {
  const { settings, folder } = asked
  const results = [`json=${join(folder, 'points.json.gz')}`]
  return {
    argv: [
      settings.command,
      'run',
      ...['--quiet', '--no-color', ...results.flatMap((out) => ['--out', out]), '--summary-export', join(folder, 'summary.json')],
      ...settings.args,
      script,
    ],
    ...{ env: engineEnvironment(asked), role: 'main', name: 'k6' },
  }
}

/**
 * Two releases under the same load (load-and-gates.md, 6, rule 5): the user's script twice, at the same rate, each with its
 * site and its label. What the script says of its own executors does not count then.
 */
export function k6Pair({ settings, target, against }: EngineAsked): string {
  const rate = settings.ratePerSecond ?? 1
  const arm = (name: EngineArm, site: string | null) => ({
    executor: 'constant-arrival-rate',
    // k6 wants whole numbers: a thousand seconds at a time keep three digits.
    ...{ rate: Math.max(1, Math.round(rate * 1000)), timeUnit: '1000s', duration: `${settings.duration.atLeastMs}ms` },
    ...{ preAllocatedVUs: Math.max(1, Math.ceil(rate)), maxVUs: Math.max(10, Math.ceil(rate * 10)) },
    ...{ exec: 'default', env: { ROLLGATE_TARGET: site ?? '' }, tags: { arm: name } },
  })
  const scenarios = { canary: arm('canary', target), baseline: arm('baseline', against) }
  return [
    `import run from ${JSON.stringify(settings.path)}`,
    `export * from ${JSON.stringify(settings.path)}`,
    `export const options = ${JSON.stringify({ scenarios }, null, 2)}`,
    'export default run',
    '',
  ].join('\n')
}

export function jmeterWords(asked: EngineAsked): EngineProcess {
  const { settings, target, folder } = asked
  const saved = { output_format: 'csv', print_field_names: 'true', timestamp_format: 'ms', default_delimiter: ',' }
  return {
    argv: [
      settings.command,
      ...['-n', '-t', settings.path, '-l', join(folder, 'results.jtl'), '-j', join(folder, 'jmeter.log')],
      ...Object.entries(saved).map(([key, value]) => `-Jjmeter.save.saveservice.${key}=${value}`),
      ...(target === null ? [] : [`-Jrollgate.target=${target}`]),
      ...settings.args,
    ],
    ...{ env: engineEnvironment(asked), role: 'main', name: 'jmeter' },
  }
}

/** @param port where the master listens, on this machine only */
export function locustWords(asked: EngineAsked, port: number): readonly EngineProcess[] {
  const { settings, target, folder } = asked
  const env = engineEnvironment(asked)
  const host = target === null ? [] : ['--host', target]
  const seconds = `${Math.ceil(settings.duration.atLeastMs / 1000)}s`
  const main: EngineProcess = {
    argv: [
      settings.command,
      ...['-f', settings.path, '--headless', '--only-summary', '-t', seconds, ...host],
      ...['--json-file', join(folder, 'result'), '--csv', join(folder, 'result'), '--logfile', join(folder, 'locust.log')],
      ...(settings.workers === 0
        ? []
        : [
            ...['--master', '--master-bind-host', '127.0.0.1', '--master-bind-port', String(port)],
            ...['--expect-workers', String(settings.workers), '--expect-workers-max-wait', '60'],
          ]),
      ...settings.args,
    ],
    ...{ env, role: 'main', name: 'locust' },
  }
  const workers = Array.from({ length: settings.workers }, (_, index): EngineProcess => {
    const words = ['-f', settings.path, '--worker', '--master-host', '127.0.0.1', '--master-port', String(port)]
    return { argv: [settings.command, ...words], env, role: 'worker', name: `worker ${index + 1}` }
  })
  return [main, ...workers]
}

/** @param targets the text of the file, for one site each */
export function vegetaWords(asked: EngineAsked, targets: string): readonly EngineProcess[] {
  const { settings, target, against, folder } = asked
  const attack = (name: EngineArm, site: string | null): EngineProcess => ({
    argv: [
      settings.command,
      'attack',
      ...[`-rate=${Math.max(1, Math.round((settings.ratePerSecond ?? 1) * 60))}/1m`, `-duration=${settings.duration.atLeastMs}ms`],
      ...[`-name=${name}`, `-output=${join(folder, `${name}.bin`)}`],
      ...settings.args,
    ],
    env: { ...engineEnvironment(asked), ...(site === null ? {} : { ROLLGATE_TARGET: site }) },
    stdin: site === null ? targets : targets.replaceAll(/\{\{\s*target\s*\}\}/g, site),
    ...{ role: 'main', name: `vegeta ${name}` },
  })
  return [attack('canary', target), ...(against === null ? [] : [attack('baseline', against)])]
}

/** From vegeta's own format to one that others read. */
export function vegetaEncode(command: string, folder: string, arm: EngineArm): readonly [string, ...string[]] {
  return [command, 'encode', '-to=csv', `-output=${join(folder, `${arm}.csv`)}`, join(folder, `${arm}.bin`)]
}
