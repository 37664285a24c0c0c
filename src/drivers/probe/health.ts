// One health question, one answer. http and tcp go through the connection, so the app's port need not be public. No is
// an answer and never an error; the words say what a person needs to know (who refused, which status, which release).
import type { CommandResult } from '../../domain/command.ts'
import { RollgateError } from '../../domain/error.ts'
import type { HealthCheck, HealthSettings, ProbeAnswer, VersionProof } from '../../domain/health.ts'
import type { Connection } from '../../domain/transport.ts'
import { atJsonPath, parseJsonPath } from '../../util/json-path.ts'
import { cleanText } from '../../util/text.ts'
import { type HttpAnswer, httpOver } from './http.ts'

/** `release`: null where nothing is configured that could name one; `''` where something is, and it names none. */
type Answer = Omit<ProbeAnswer, 'durationMs'>

const VERSION_TIMEOUT_MS = 10_000
const SHOWN = 200

/** @throws RollgateError E_CANCELLED when the signal fires; never for an unhealthy answer */
export async function probeOnce(connection: Connection, health: HealthSettings, signal: AbortSignal): Promise<ProbeAnswer> {
  const began = performance.now()
  const { check, version } = health
  const limit = check.kind === 'service' ? VERSION_TIMEOUT_MS : check.timeoutMs
  const deadline = AbortSignal.timeout(limit)
  const both = AbortSignal.any([signal, deadline])
  let answer: Answer
  try {
    answer = await ask(connection, check, version, both)
  } catch (error) {
    answer = {
      healthy: false,
      release: null,
      detail: deadline.aborted ? `timed out after ${limit} ms${whereOf(check)}` : failureOf(error, check),
    }
  }
  if (signal.aborted) throw new RollgateError('E_CANCELLED', 'interrupted', { cause: signal.reason })
  if (answer.healthy && version.kind === 'command') answer = await versionByCommand(connection, version.run, answer, signal)
  return { ...answer, durationMs: performance.now() - began }
}

async function ask(connection: Connection, check: HealthCheck, version: VersionProof, signal: AbortSignal): Promise<Answer> {
  switch (check.kind) {
    case 'service':
      return { healthy: true, release: null, detail: 'no health check is configured' }
    case 'tcp': {
      const stream = await until(connection.forward({ host: check.address, port: check.port }, { signal }), signal)
      stream.on('error', () => undefined)
      stream.destroy()
      return { healthy: true, release: null, detail: `connected to ${check.address}:${check.port}` }
    }
    case 'http': {
      const began = performance.now()
      const stream = await until(connection.forward({ host: check.address, port: check.port }, { signal }), signal)
      stream.on('error', () => undefined)
      const { address, port, path, headers } = check
      return judgeHttp(await httpOver(stream, { host: address, port, path, headers, signal }), check, version, performance.now() - began)
    }
    case 'command': {
      const result = await connection.run(
        { argv: ['sh', '-c', check.run], timeoutMs: check.timeoutMs },
        { signal, maxOutputBytes: 64 * 1024 },
      )
      return { healthy: result.exitCode === 0, release: null, detail: `command ${endOf(result)}${said(result)}` }
    }
    default:
      return check satisfies never
  }
}

/** What an HTTP answer means. Pure. */
export function judgeHttp(
  answer: HttpAnswer,
  check: Extract<HealthCheck, { kind: 'http' }>,
  version: VersionProof,
  durationMs: number,
): Answer {
  const healthy = check.status.includes(answer.status)
  const first = `HTTP ${answer.status} in ${Math.round(durationMs)} ms`
  if (!healthy) {
    const body = cleanText(answer.body.trim().replace(/\s+/g, ' '), SHOWN)
    const target = answer.headers.location === undefined ? '' : ` to ${cleanText(answer.headers.location, SHOWN)}`
    return {
      healthy,
      release: releaseOf(answer, version).release,
      detail: `${first}${target}${body === '' ? '' : `: ${JSON.stringify(body)}`}`,
    }
  }
  const { release, problem } = releaseOf(answer, version)
  if (problem !== null) return { healthy, release, detail: `${first}, but ${problem}` }
  return {
    healthy,
    release,
    detail: release === null ? first : `${first}, ${version.kind === 'header' ? version.name.toLowerCase() : 'release'} is ${release}`,
  }
}

function releaseOf(answer: HttpAnswer, version: VersionProof): { readonly release: string | null; readonly problem: string | null } {
  if (version.kind === 'header') {
    const value = answer.headers[version.name.toLowerCase()]
    if (value === undefined) return { release: '', problem: `there is no ${version.name.toLowerCase()} header` }
    return { release: cleanText(value.trim(), SHOWN), problem: null }
  }
  if (version.kind !== 'json') return { release: null, problem: null }
  const path = parseJsonPath(version.path)
  if (path === null) return { release: '', problem: `${version.path} is no path that we can follow` }
  let value: unknown
  try {
    value = JSON.parse(answer.body)
  } catch {
    return { release: '', problem: answer.truncated ? 'its body is too long to be read as JSON' : 'its body is not JSON' }
  }
  const found = atJsonPath(value, path)
  if (typeof found === 'string') return { release: cleanText(found.trim(), SHOWN), problem: null }
  if (typeof found === 'number') return { release: String(found), problem: null }
  return { release: '', problem: `there is no text at ${version.path}` }
}

async function versionByCommand(connection: Connection, run: string, answer: Answer, signal: AbortSignal): Promise<Answer> {
  let result: CommandResult
  try {
    result = await connection.run({ argv: ['sh', '-c', run], timeoutMs: VERSION_TIMEOUT_MS }, { signal, maxOutputBytes: 64 * 1024 })
  } catch (error) {
    if (signal.aborted) throw error
    return { ...answer, release: '', detail: `${answer.detail}, but the version command could not be run: ${failureOf(error, null)}` }
  }
  if (result.exitCode !== 0)
    return { ...answer, release: '', detail: `${answer.detail}, but the version command ${endOf(result)}${said(result)}` }
  const release = cleanText(result.stdout.trim(), SHOWN)
  return { ...answer, release, detail: `${answer.detail}, release is ${release === '' ? 'not named' : release}` }
}

function failureOf(error: unknown, check: HealthCheck | null): string {
  const where = check === null ? '' : whereOf(check)
  if (error instanceof RollgateError) {
    if (error.code === 'E_CONNECT_REFUSED') return `connection refused${where}`
    return cleanText(error.message, SHOWN)
  }
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return `connection refused${where}`
  if (code === 'ECONNRESET' || code === 'EPIPE') return `the connection was reset${where}`
  if (code === 'UND_ERR_SOCKET') return `the connection was closed without a complete answer${where}`
  if (code?.startsWith('HPE_') === true) return `the answer is not HTTP${where}`
  return cleanText(error instanceof Error ? error.message : String(error), SHOWN)
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  return 'code' in error && typeof error.code === 'string' ? error.code : codeOf(error.cause)
}

function whereOf(check: HealthCheck): string {
  return check.kind === 'http' || check.kind === 'tcp' ? ` on ${check.address}:${check.port}` : ''
}

function endOf(result: CommandResult): string {
  if (result.lost) return 'was lost with the connection'
  if (result.timedOut) return 'did not end in time'
  return result.exitCode === null ? `ended by signal ${result.signal ?? '?'}` : `ended with ${result.exitCode}`
}

function said(result: CommandResult): string {
  const line = (result.exitCode === 0 ? result.stdout : `${result.stderr}\n${result.stdout}`).split('\n').find((text) => text.trim() !== '')
  return line === undefined ? '' : `: ${JSON.stringify(cleanText(line.trim(), SHOWN))}`
}

/** A forward that does not notice the signal must not hold us; a stream that comes too late is closed. */
function until<T extends { destroy(): unknown }>(opening: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    opening.then(
      (stream) => {
        signal.removeEventListener('abort', stop)
        if (signal.aborted) stream.destroy()
        resolve(stream)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', stop)
        reject(error)
      },
    )
  })
}
