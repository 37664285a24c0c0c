// The last word of a command: its document, as JSON or as text made from the same document. In text mode the data goes
// to stdout and the error, if there is one, to stderr.
import { documentError } from '../app/documents.ts'
import type { BaseDocument } from '../domain/document.ts'
import type { ErrorInfo } from '../domain/error.ts'
import { type Streams, write } from './streams.ts'

export async function writeDocument(document: BaseDocument, streams: Streams, text?: (document: BaseDocument) => string): Promise<void> {
  if (streams.json) return write(process.stdout, `${JSON.stringify(document, null, 2)}\n`)
  const { renderDocument } = await import('../render/document.ts')
  const { error, ...rest } = document
  const shown =
    text?.(document) ??
    renderDocument(document, { color: streams.color.stdout, columns: columnsOf(process.stdout), verbose: streams.verbose })
  await write(streams.stdoutIsFree ? process.stdout : process.stderr, await forThisLog(ended(shown)))
  if (error !== undefined) await writeError({ ...error, exitCode: rest.exitCode }, streams, logOf(document))
}

/** Where to read more: what this machine keeps of the rollout or the load test; nothing where nothing was begun. */
function logOf(document: BaseDocument): string | undefined {
  if ('minReadySeen' in document && 'rollout' in document && typeof document.rollout === 'string')
    return `rollgate report ${document.rollout}`
  if ('evidence' in document && typeof document.evidence === 'string' && 'run' in document) return `rollgate report ${document.run}`
  return undefined
}

/** @param log where to read more; an error that no document carries has no such place */
export async function writeError(info: ErrorInfo, streams: Streams, log?: string): Promise<void> {
  const { renderError } = await import('../render/error.ts')
  await write(
    process.stderr,
    await forThisLog(
      ended(
        renderError(info, {
          ...{ color: streams.color.stderr, columns: columnsOf(process.stderr), verbose: streams.verbose },
          ...(log === undefined ? {} : { log }),
        }),
      ),
    ),
  )
}

export function failureDocument(command: string, info: ErrorInfo, more: object = {}): BaseDocument {
  return { version: 1, command, exitCode: info.exitCode, outcome: failedOutcome(command, info), error: documentError(info), ...more }
}

const ROLLOUTS: ReadonlySet<string> = new Set(['deploy', 'rollback', 'restart', 'resume', 'abort', 'promote'])

/** The outcome that goes with an exit code (cli.md). A bug has none of a rollout's: nobody knows how it ended. */
function failedOutcome(command: string, info: ErrorInfo): string {
  if (!ROLLOUTS.has(command) || info.code === 'E_BUG') return 'failed'
  return info.code === 'E_CANCELLED' ? 'cancelled' : 'refused'
}

/** A runner of GitHub obeys commands in the log: nothing that came from a host may be one. */
async function forThisLog(text: string): Promise<string> {
  return process.env.GITHUB_ACTIONS === 'true' ? (await import('../render/github.ts')).defuse(text) : text
}

const columnsOf = (stream: { readonly columns?: number }): number => stream.columns ?? 80

const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
