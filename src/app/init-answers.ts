// What each of the wizard's answers may be: the very rules of the configuration, so that a wrong answer is told at the
// question, or by the name of its flag, and never as line 7 of a file that nobody has seen.
import {
  absolutePath,
  address,
  appName,
  backendName,
  headerName,
  hostName,
  localPath,
  socket,
  unitName,
  urlPath,
  user,
} from '../config/names.ts'
import type { Kind } from '../config/shape.ts'
import { port, shellLine } from '../config/values.ts'
import { RollgateError } from '../domain/error.ts'
import { type InitHost, parseHostList } from './init-file.ts'

/** null: fine. */
type Rule = (value: string) => string | null

const by =
  (kind: Kind<string>): Rule =>
  (value) => {
    const parsed = kind.parse(value)
    return 'problem' in parsed ? parsed.problem : null
  }

const portRule: Rule = (value) => {
  const parsed = port.parse(/^\d+$/.test(value) ? Number(value) : value)
  return 'problem' in parsed ? parsed.problem : null
}

export const RULES = {
  '--app': by(appName),
  '--hosts': hostsRule,
  '--user': by(user),
  '--ssh-config': by(localPath),
  '--artifact': by(localPath),
  '--build': by(shellLine),
  '--root': by(absolutePath({ notRoot: true })),
  '--unit': by(unitName),
  '--exec': by(shellLine),
  '--port': portRule,
  '--health-path': by(urlPath),
  '--version-header': by(headerName),
  '--balancer-host': oneHostRule,
  '--backend': by(backendName),
  '--socket': by(socket),
} as const satisfies Readonly<Record<string, Rule>>

export type AnswerFlag = keyof typeof RULES

/** @throws RollgateError E_USAGE naming the flag */
export function checkFlag(flag: AnswerFlag, value: string): string {
  const problem = RULES[flag](value)
  if (problem === null) return value
  throw new RollgateError('E_USAGE', `${flag} ${problem}`, { now: 'nothing was written', hints: ['rollgate init --help'] })
}

function hostsRule(value: string): string | null {
  const hosts = parseHostList(value)
  if (hosts.length === 0) return 'is empty: NAME=ADDRESS, several with commas'
  const twice = hosts.find((host, index) => hosts.findIndex((other) => other.name === host.name) !== index)
  if (twice !== undefined) return `names ${twice.name} twice`
  return hosts.map(hostProblem).find((problem) => problem !== null) ?? null
}

function oneHostRule(value: string): string | null {
  return parseHostList(value).length === 1 ? hostsRule(value) : 'must be one host: NAME=ADDRESS'
}

function hostProblem(host: InitHost): string | null {
  const name = hostName.parse(host.name)
  if ('problem' in name) return name.problem
  const where = address.parse(host.address)
  if ('problem' in where) return host.address === '' ? `has no address for ${host.name}: NAME=ADDRESS` : where.problem
  return host.port === undefined ? null : portRule(String(host.port))
}
