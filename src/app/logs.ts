// logs: the services' own log lines of the selected hosts, prefixed, as they come; -f follows until Ctrl-C.
import type { CommandResult } from '../domain/command.ts'
import type { ExecDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import type { Connection } from '../domain/transport.ts'
import { cleanText } from '../util/text.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import { type ExecHost, execDocument, failureOf, onHost, showLine } from './exec.ts'
import type { Selection } from './rollout.ts'
import { createTelling } from './telling.ts'

export type LogsOptions = Selection & { readonly follow?: boolean; readonly since?: string; readonly lines?: number }

const USUAL_LINES = 50

export async function logs(options: LogsOptions, context: AppContext): Promise<ExecDocument> {
  const { emit } = createTelling('logs', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const chosen = session.chosen.filter((host) => session.manager(host).units.length > 0)
    if (chosen.length === 0)
      throw new RollgateError('E_USAGE', 'there are no logs: no service is configured for these hosts', { hints: ['set service.kind'] })
    const width = Math.max(...chosen.map((host) => host.name.length))
    const connections = await session.connectAll(chosen, context.signal)
    const signal = AbortSignal.any([context.signal, context.control.asked])
    // All of them at once, however many: each follows for ever.
    const hosts = await Promise.all(
      chosen.map((host) =>
        onHost(host.name, connections.get(host.name), async (connection) => {
          const manager = session.manager(host)
          const results = await Promise.all(
            manager.units.map((unit) => {
              const label = manager.units.length > 1 ? `${host.name.padEnd(width)} ${unit}` : host.name.padEnd(width)
              const { follow = false, since, lines = USUAL_LINES } = options
              const command = manager.logs(unit, { lines, follow, ...(since === undefined ? {} : { since }) })
              const onLine = (line: { readonly text: string }): void => {
                if (!context.flags.json) context.stdout(`${label} | ${showLine(line.text)}`)
              }
              return followed(connection.run(command, { signal, onLine }), follow)
            }),
          )
          return resultOf(
            host.name,
            results.flatMap((result) => (result === null ? [] : [result])),
          )
        }),
      ),
    )
    return execDocument('logs', hosts, (bad) => `no logs from ${bad.map(whyNot).join(', ')}`)
  } finally {
    await session.close()
  }
}

/** Ctrl-C is how following ends: null. */
async function followed(running: ReturnType<Connection['run']>, follow: boolean): Promise<CommandResult | null> {
  try {
    return await running
  } catch (error) {
    if (follow && errorInfo(error).code === 'E_CANCELLED') return null
    throw error
  }
}

function resultOf(name: string, results: readonly CommandResult[]): ExecHost {
  const bad = results.find((result) => result.exitCode !== 0)
  const lost = results.some((result) => result.lost)
  return {
    name,
    exitCode: bad === undefined ? 0 : bad.exitCode,
    stdout: results.map((result) => result.stdout).join(''),
    stderr: results.map((result) => result.stderr).join(''),
    ...(lost ? { error: { code: 'E_LOST', message: 'the connection was lost' } } : {}),
  }
}

function whyNot(host: ExecHost): string {
  const said = cleanText(host.stderr.trim().split('\n')[0] ?? '', 200)
  return said === '' || host.error !== undefined ? failureOf(host) : `${host.name} (${said})`
}
