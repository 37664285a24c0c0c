// What in HAProxy's own configuration would spoil a drain or surprise somebody after it. Pure: the text of the files in,
// findings out. Lines are looked at one by one; it is no parser, and it only ever warns.
import type { PreflightFinding } from '../../../domain/balancer.ts'

export function fileTraps(text: string): readonly PreflightFinding[] {
  const lines = text.split('\n').map((line) => line.replace(/(^|\s)#.*$/, '').trim())
  const has = (pattern: RegExp): boolean => lines.some((line) => pattern.test(line))
  const findings: PreflightFinding[] = []
  if (has(/^(server|default-server)\s.*\bon-marked-down\s+shutdown-sessions\b/))
    findings.push({
      level: 'warning',
      id: 'marked-down',
      message: 'on-marked-down shutdown-sessions cuts requests in flight when a health check fails',
      fix: 'take it out: a drain never needs it',
    })
  if (has(/^server-state-file\s/) && has(/^load-server-state-from-file\s+(global|local)\b/))
    findings.push({
      level: 'warning',
      id: 'state-file',
      message: 'a reload takes server states from its state file: one written during a deploy brings the drain back',
      fix: 'write the file anew after each deploy (show servers state), or do without it',
    })
  if (has(/^http-reuse\s+(always|aggressive)\b/)) findings.push(reuse(lines))
  if (!has(/^option\s+idle-close-on-response\b/))
    findings.push({
      level: 'ok',
      id: 'reload-idle',
      message: 'a reload of HAProxy may reset idle keep-alive clients; option idle-close-on-response avoids it (rollgate never reloads it)',
    })
  return findings
}

/** An idle connection is used again until it is purged: an app that closes it earlier loses a request now and then. */
function reuse(lines: readonly string[]): PreflightFinding {
  const delay = lines.map((line) => /\bpool-purge-delay\s+(\S+)/.exec(line)?.[1]).find((each) => each !== undefined) ?? '5s'
  return {
    level: 'warning',
    id: 'idle',
    message: `idle connections to servers are used again (http-reuse) and purged only every ${delay}: an app with a shorter keep-alive timeout loses requests`,
    fix: 'let the app keep idle connections for a minute or more (Node: server.keepAliveTimeout)',
  }
}
