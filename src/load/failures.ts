// Which class a broken exchange belongs to. Decided by error codes and by how far the exchange had come, never by the
// words of a message.
import type { FailureClass } from '../domain/slice.ts'

/** connect: not sent yet · first-byte: sent, no head of an answer · body: the head has come */
export type Phase = 'connect' | 'first-byte' | 'body'

export type Failure = { readonly class: FailureClass; readonly detail: string }

export function classify(error: unknown, phase: Phase): Failure {
  const found = codesOf(error)
  const detail = found.join(' ') || (error instanceof Error ? error.name : 'unknown')
  return { class: classOf(found, phase), detail }
}

function classOf(found: readonly string[], phase: Phase): FailureClass {
  const has = (...codes: readonly string[]) => found.some((code) => codes.includes(code))
  if (has('UND_ERR_CONNECT_TIMEOUT', 'E_CONNECT_TIMEOUT', 'E_TIMEOUT')) return 'connect-timeout'
  // The kernel gave up on a peer that no longer answers.
  if (has('ETIMEDOUT')) return phase === 'connect' ? 'connect-timeout' : 'reset'
  // Whatever broke after the head broke the body.
  if (phase === 'body') return 'truncated'
  if (has('ECONNREFUSED', 'E_CONNECT_REFUSED')) return 'refused'
  if (has('ECONNRESET', 'EPIPE', 'ECONNABORTED', 'E_LOST', 'ERR_HTTP2_STREAM_ERROR', 'ERR_HTTP2_SESSION_ERROR')) return 'reset'
  if (has('ENOTFOUND', 'EAI_AGAIN', 'E_DNS')) return 'dns'
  if (found.some(isTls)) return 'tls'
  if (found.some((code) => code.startsWith('HPE_')) || has('UND_ERR_HEADERS_OVERFLOW')) return 'protocol'
  if (has('UND_ERR_SOCKET', 'UND_ERR_INFO', 'UND_ERR_DESTROYED')) return 'closed'
  return 'other'
}

/** Codes of an error, its causes, and the members of an AggregateError (both addresses of `localhost` refused). */
function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  // undici names its parser's errors by the parser's own code, or by none at all.
  const parser = error.name === 'HTTPParserError' && own.length === 0 ? ['HPE_UNKNOWN'] : []
  const members = error instanceof AggregateError ? error.errors.flatMap(codesOf) : []
  return [...new Set([...own, ...parser, ...members, ...codesOf(error.cause)])]
}

/** OpenSSL's verification results (X509_verify_cert_error_string) and Node's own. */
function isTls(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/.test(code)
}
