// logs: the services' own log lines of the selected hosts, prefixed, as they come; -f follows until Ctrl-C.
import type { ExecDocument } from '../domain/document.ts'
import { errorInfo } from '../domain/error.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import type { Selection } from './rollout.ts'
import { createTelling } from './telling.ts'

export type LogsOptions = Selection & { readonly follow?: boolean; readonly since?: string; readonly lines?: number }

export async function logs(options: LogsOptions, context: AppContext): Promise<ExecDocument> {
  const { emit } = createTelling('logs', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const width = Math.max(...session.chosen.map((host) => host.name.length), 0)
    const connections = await session.connectAll(session.chosen, context.signal)
    const stop = AbortSignal.any([context.signal, context.control.asked])
    const hosts = await Promise.all(
      session.chosen.map(async (host): Promise<ExecDocument['hosts'][number]> => {
        const connection = connections.get(host.name)
        const gone = { name: host.name, exitCode: null, stdout: '', stderr: '' }
        if (connection === undefined) return { ...gone, error: { code: 'E_UNREACHABLE', message: 'not tried' } }
        if (connection instanceof Error) return { ...gone, error: { code: connection.code, message: connection.message } }
        const manager = session.manager(host)
        const results = await Promise.all(
          manager.units.map(async (unit) => {
            const command = manager.logs(unit, {
              lines: options.lines ?? 50,
              follow: options.follow === true,
              ...(options.since === undefined ? {} : { since: options.since }),
            })
            const label = manager.units.length > 1 ? `${host.name.padEnd(width)} ${unit}` : host.name.padEnd(width)
            try {
              const onLine = (line: { stream: string; text: string }): void => {
                if (!context.flags.json) context.stdout(`${label} | ${line.text}`)
              }
              return await connection.run(command, { signal: stop, onLine })
            } catch (error) {
              // Ctrl-C is how following ends.
              if (errorInfo(error).code === 'E_CANCELLED' && options.follow === true) return null
              throw error
            }
          }),
        )
        const done = results.flatMap((result) => (result === null ? [] : [result]))
        const bad = done.find((result) => result.exitCode !== 0)
        return {
          name: host.name,
          exitCode: bad === undefined ? 0 : bad.exitCode,
          stdout: done.map((result) => result.stdout).join(''),
          stderr: done.map((result) => result.stderr).join(''),
        }
      }),
    )
    const unreachable = hosts.filter((host) => host.error !== undefined)
    const failed = hosts.filter((host) => host.error === undefined && host.exitCode !== 0)
    const exitCode = failed.length > 0 ? 12 : unreachable.length > 0 ? 4 : 0
    return {
      version: 1,
      command: 'logs',
      exitCode,
      outcome: exitCode === 0 ? 'ok' : 'failed',
      ...(exitCode === 0
        ? {}
        : {
            error: {
              code: exitCode === 4 ? ('E_UNREACHABLE' as const) : ('E_EXEC_FAILED' as const),
              message: `no logs from ${[...failed, ...unreachable].map((host) => `${host.name} (${host.error?.message ?? host.stderr.trim().split('\n')[0] ?? ''})`).join(', ')}`,
              hints: [],
            },
          }),
      hosts,
    }
  } finally {
    await session.close()
  }
}
