// exec: one command on the selected hosts, words and not a sentence, bounded parallelism, prefixed lines as they come.
import type { ExecDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import { openSession } from './compose.ts'
import type { AppContext } from './context.ts'
import type { Selection } from './rollout.ts'
import { createTelling } from './telling.ts'

const AT_ONCE = 16

export async function exec(options: Selection & { readonly argv: readonly string[] }, context: AppContext): Promise<ExecDocument> {
  const [program, ...words] = options.argv
  if (program === undefined) throw new RollgateError('E_USAGE', 'exec needs a command', { hints: ['rollgate exec -- uptime'] })
  const { emit } = createTelling('exec', context.renderers, () => new Date())
  const session = await openSession(context, { emit, ...options })
  try {
    const width = Math.max(...session.chosen.map((host) => host.name.length), 0)
    const connections = await session.connectAll(session.chosen, context.signal)
    const hosts = await inBatches(session.chosen, AT_ONCE, async (host): Promise<ExecDocument['hosts'][number]> => {
      const connection = connections.get(host.name)
      const empty = { name: host.name, exitCode: null, stdout: '', stderr: '' }
      if (connection === undefined) return { ...empty, error: { code: 'E_UNREACHABLE', message: 'not tried' } }
      if (connection instanceof Error) return { ...empty, error: { code: connection.code, message: connection.message } }
      try {
        const result = await connection.run(
          { argv: [program, ...words] },
          {
            signal: AbortSignal.any([context.signal, context.control.asked]),
            onLine: (line) => {
              if (context.flags.json) return
              if (line.stream === 'stdout') context.stdout(`${host.name.padEnd(width)} | ${line.text}`)
              else emit({ type: 'output', source: 'exec', host: host.name, line })
            },
          },
        )
        const { exitCode, stdout, stderr } = result
        return {
          name: host.name,
          exitCode,
          stdout,
          stderr,
          ...(result.lost ? { error: { code: 'E_LOST', message: 'the connection was lost: how the command ended is unknown' } } : {}),
        }
      } catch (error) {
        const info = errorInfo(error)
        if (info.code === 'E_CANCELLED') throw error
        return { ...empty, error: { code: info.code, message: info.message } }
      }
    })
    const unreachable = hosts.filter((host) => host.error !== undefined)
    const failed = hosts.filter((host) => host.error === undefined && host.exitCode !== 0)
    const exitCode =
      failed.length > 0 ? 12 : unreachable.length === 0 ? 0 : unreachable.some((host) => host.error?.code === 'E_LOST') ? 12 : 4
    const bad = [...failed, ...unreachable].map(
      (host) => `${host.name} (${host.error?.message ?? `exit ${host.exitCode ?? 'by a signal'}`})`,
    )
    return {
      version: 1,
      command: 'exec',
      exitCode,
      outcome: exitCode === 0 ? 'ok' : 'failed',
      ...(exitCode === 0
        ? {}
        : {
            error: {
              code: exitCode === 4 ? ('E_UNREACHABLE' as const) : ('E_EXEC_FAILED' as const),
              message: `${program} failed on ${bad.length} of ${hosts.length} hosts: ${bad.join(', ')}`,
              hints: [],
            },
          }),
      hosts,
    }
  } finally {
    await session.close()
  }
}

/** Results in the order of the items, at most `limit` at work at once. */
export async function inBatches<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next; index < items.length; index = next) {
      next += 1
      const item = items[index]
      if (item !== undefined) results[index] = await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}
