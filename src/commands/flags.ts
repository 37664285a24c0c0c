// The flags that commands share. Names are a contract (cli.md): scripts depend on them.
import { RollgateError } from '../domain/error.ts'
import { Flags } from './oclif.ts'

const GLOBAL = { helpGroup: 'global' }

/** Every command has these. */
export const globalFlags = {
  config: Flags.string({ char: 'c', ...GLOBAL, helpValue: 'FILE', description: 'Configuration file [rollgate.yml, looked for upwards]' }),
  environment: Flags.string({ char: 'e', ...GLOBAL, helpValue: 'NAME', description: 'Environment of the configuration' }),
  json: Flags.boolean({ ...GLOBAL, description: 'One JSON document on stdout, for success and for errors' }),
  yes: Flags.boolean({ ...GLOBAL, description: 'Answer confirmations with yes' }),
  'no-input': Flags.boolean({ ...GLOBAL, description: 'Never ask: a missing answer is an error' }),
  verbose: Flags.boolean({ char: 'v', ...GLOBAL, description: 'Tell more', exclusive: ['quiet'] }),
  quiet: Flags.boolean({ char: 'q', ...GLOBAL, description: 'Tell only warnings and errors' }),
  'no-color': Flags.boolean({ ...GLOBAL, description: 'No colours (as NO_COLOR does)' }),
  help: Flags.boolean({ char: 'h', ...GLOBAL, description: 'Show this help' }),
}

/** Which hosts a command is about. Not greedy: what follows a value is not another value. */
export const selectionFlags = {
  hosts: names('Only these hosts', 'NAME'),
  roles: names('Only hosts with one of these roles', 'ROLE'),
}

export const eventsFlag = {
  events: Flags.string({ helpValue: 'FILE', description: 'Every event as one JSON object a line; - for stdout' }),
}

/** Going without the gates: allowed to everybody, and never without a word of why. */
export const skipFlags = {
  'skip-gates': Flags.boolean({ description: 'Leave the gates out; the reason is kept with the rollout', dependsOn: ['reason'] }),
  reason: Flags.string({ helpValue: 'TEXT', description: 'Why', dependsOn: ['skip-gates'] }),
}

/** `15m` as milliseconds. */
export const waitLockFlag = {
  'wait-lock': Flags.string({
    helpValue: 'DURATION',
    description: "Wait so long for somebody else's rollout to end [refuse, exit 10]",
    parse: async (value) => {
      if (!/^\d{1,6}(s|m|h)$/.test(value))
        throw new RollgateError('E_USAGE', `--wait-lock wants a duration with its unit, not ${JSON.stringify(value)}`, {
          hints: ['--wait-lock 15m'],
        })
      return value
    },
  }),
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const

export function durationMs(text: string | undefined): number | undefined {
  const found = /^(\d{1,6})(s|m|h)$/.exec(text ?? '')
  if (found === null) return undefined
  const unit = found[2] === 's' || found[2] === 'm' || found[2] === 'h' ? found[2] : 's'
  return Number(found[1]) * UNIT_MS[unit]
}

/** `100/s` or `30/m` as requests per second. @throws RollgateError E_USAGE */
export function rateOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const rate = /^(\d{1,6}(?:\.\d{1,3})?)\/(s|m)$/.exec(text)
  const perSecond = Number(rate?.[1] ?? 0) / (rate?.[2] === 'm' ? 60 : 1)
  if (perSecond > 0) return perSecond
  throw new RollgateError('E_USAGE', `${flag} wants requests per second, not ${JSON.stringify(text)}`, { hints: [`${flag} 100/s`] })
}

export function names(description: string, helpValue: string) {
  return Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    helpValue,
    description,
    parse: async (value) => {
      if (value.trim() === '') throw new RollgateError('E_USAGE', 'an empty name was given', { hints: ['--hosts web-1,web-2'] })
      return value.trim()
    },
  })
}

export type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** What was given: options of use cases are absent, never undefined. */
export function given<T extends object>(options: T): Given<T> {
  // The cast only says what the filter does: keys whose value is undefined are gone.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>
}
