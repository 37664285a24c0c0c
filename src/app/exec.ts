// exec: one command on the selected hosts, words and not a sentence, bounded parallelism, prefixed lines as they come.
// What one host does or does not do never hides what another one said.
import type { ExecDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { Connection } from '../domain/transport.ts'
import { limited } from '../util/limit.ts'
import { cleanText } from '../util/text.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import type { Selection } from './rollout.ts'
import { createTelling } from './telling.ts'

export type ExecHost = ExecDocument['hosts'][number]

const AT_ONCE = 16
const LINE_LIMIT = 64 * 1024

export async function exec(options: Selection & { readonly argv: readonly string[] }, context: AppContext): Promise<ExecDocument> {
  const [program, ...words] = options.argv
  if (program === undefined) throw new RollgateError('E_USAGE', 'exec needs a command', { hints: ['rollgate exec -- uptime'] })
  const { emit } = createTelling('exec', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const width = Math.max(...session.chosen.map((host) => host.name.length), 0)
    const connections = await session.connectAll(session.chosen, context.signal)
    const signal = AbortSignal.any([context.signal, context.control.asked])
    const hosts = await limited(session.chosen, AT_ONCE, (host) =>
      onHost(host.name, connections.get(host.name), async (connection) => {
        const { exitCode, stdout, stderr, lost } = await connection.run(
          { argv: [program, ...words] },
          {
            signal,
            onLine: (line) => {
              if (context.flags.json) return
              if (line.stream === 'stdout') context.stdout(`${host.name.padEnd(width)} | ${showLine(line.text)}`)
              else emit({ type: 'output', source: 'exec', host: host.name, line: { ...line, text: showLine(line.text) } })
            },
          },
        )
        const error = { code: 'E_LOST', message: 'the connection was lost: how the command ended is unknown' }
        return { name: host.name, exitCode, stdout, stderr, ...(lost ? { error } : {}) }
      }),
    )
    return execDocument(
      'exec',
      hosts,
      (bad) => `${program} failed on ${bad.length} of ${hosts.length} hosts: ${bad.map(failureOf).join(', ')}`,
    )
  } finally {
    await session.close()
  }
}

/** A host's part, whatever became of its connection. @throws RollgateError E_CANCELLED */
export async function onHost(
  name: string,
  connection: Connection | RollgateError | undefined,
  work: (connection: Connection) => Promise<ExecHost>,
): Promise<ExecHost> {
  const nothing = { name, exitCode: null, stdout: '', stderr: '' }
  if (connection === undefined) return { ...nothing, error: { code: 'E_UNREACHABLE', message: 'not tried' } }
  if (connection instanceof RollgateError) return { ...nothing, error: { code: connection.code, message: connection.message } }
  try {
    return await work(connection)
  } catch (error) {
    const info = errorInfo(error)
    if (info.code === 'E_CANCELLED' || info.code === 'E_BUG') throw error
    return { ...nothing, error: { code: info.code, message: info.message } }
  }
}

/** 12 when it failed anywhere, else 4 when a host could not be reached. */
export function execDocument(command: string, hosts: readonly ExecHost[], message: (bad: readonly ExecHost[]) => string): ExecDocument {
  const failed = hosts.filter((host) => (host.error === undefined && host.exitCode !== 0) || host.error?.code === 'E_LOST')
  const unreachable = hosts.filter((host) => host.error !== undefined && host.error.code !== 'E_LOST')
  const exitCode = failed.length > 0 ? 12 : unreachable.length > 0 ? 4 : 0
  if (exitCode === 0) return { version: 1, command, exitCode, outcome: 'ok', hosts }
  const code = exitCode === 4 ? 'E_UNREACHABLE' : 'E_EXEC_FAILED'
  return {
    version: 1,
    command,
    exitCode,
    outcome: 'failed',
    error: { code, message: message([...failed, ...unreachable]), hints: [] },
    hosts,
  }
}

/** `web-1 (exit 3)`. */
export function failureOf(host: ExecHost): string {
  return `${host.name} (${cleanText(host.error?.message ?? (host.exitCode === null ? 'ended by a signal' : `exit ${host.exitCode}`), 200)})`
}

/** What a host says, without what could move a cursor; its tabs are kept, tables are made of them. */
export function showLine(text: string): string {
  return text
    .split('\t')
    .map((part) => cleanText(part, LINE_LIMIT))
    .join('\t')
}
