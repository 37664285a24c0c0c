// May we talk to this host? Decided from its key before anything of ours is sent: the pin of the config first, then
// known_hosts. A key that nobody vouches for is shown and asked about where there is a person, else refused with the
// exact line that would vouch for it. Careful about: a revoked key is refused whatever else says yes; a changed key is
// never asked about.
import type { Ask } from '../../domain/ask.ts'
import { RollgateError } from '../../domain/error.ts'
import { quote } from '../../util/shell.ts'
import {
  addKnownHost,
  fingerprint,
  hostPattern,
  type Judgement,
  judgeKey,
  type KnownHostsLine,
  keyType,
  matchesHost,
  readKnownHosts,
} from './known-hosts.ts'
import type { Destination } from './resolve.ts'
import { revokedBy } from './revoked-keys.ts'

export type HostKeyContext = {
  readonly ask: Ask | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly warn: (message: string) => void
  /** Questions of several hosts come one after the other. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  /** The connection's clock stands still meanwhile. */
  readonly paused: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * The names a host is listed under, the decisive one first. Without its port it is looked up only when the name with
 * the port is unknown, as OpenSSH does.
 */
export function hostKeyNames(to: Destination): readonly string[] {
  if (to.hostKeyAlias !== null) return [to.hostKeyAlias.toLowerCase()]
  const name = hostPattern(to.address, to.port)
  return to.port === 22 ? [name] : [name, to.address.toLowerCase()]
}

/** Resolves when the key may be trusted. @throws RollgateError E_HOST_KEY; E_CANCELLED while it asks */
export async function decideHostKey(
  to: Destination,
  key: Buffer,
  lines: readonly KnownHostsLine[],
  context: HostKeyContext,
): Promise<void> {
  const revoked = to.revokedKeysFile === null ? null : await revokedBy(to.revokedKeysFile, key, context.env)
  if (revoked !== null) throw isRevoked(to, key, revoked)
  if (judged(to, key, lines)) return
  // Several hosts may wait for an answer about one key (or one file): whoever comes second looks again.
  await context.paused(() =>
    context.inTurn(async () => {
      const now = await readKnownHosts([...to.knownHostsFiles, ...to.globalKnownHostsFiles])
      if (!judged(to, key, now)) await decideUnknown(to, key, now, context)
    }),
  )
}

/** true: trusted; false: not known. @throws RollgateError E_HOST_KEY */
function judged(to: Destination, key: Buffer, lines: readonly KnownHostsLine[]): boolean {
  const judgement = judge(to, key, lines)
  if (judgement.kind === 'revoked') throw isRevoked(to, key, judgement.at)
  if (to.hostKeyPin !== null) {
    if (isPinned(to.hostKeyPin, key)) return true
    throw refused(to, `${shown(to)} showed another host key than the config pins`, {
      why: `pinned is ${pinShown(to.hostKeyPin)}, shown was ${keyType(key)} ${fingerprint(key)}`,
      hints: ['if the host was set up again and you compared the key on it, change host_key in the config', ...compare(key)],
    })
  }
  if (judgement.kind === 'changed') {
    const name = hostKeyNames(to)[0] ?? to.address
    throw refused(to, `the host key of ${shown(to)} has changed: somebody may be listening in`, {
      why: `known is ${judgement.known.join(', ')} (${judgement.at}), shown was ${keyType(key)} ${fingerprint(key)}`,
      hints: [
        ...compare(key),
        ...judgement.files.map(
          (file) => `ssh-keygen -R ${quote(name)} -f ${quote(file)}   (forgets the old key, once you know why it changed)`,
        ),
      ],
    })
  }
  return judgement.kind === 'known'
}

function isRevoked(to: Destination, key: Buffer, by: string): RollgateError {
  return refused(to, `${shown(to)} showed a key that is revoked (${by})`, {
    why: `${keyType(key)} ${fingerprint(key)} must not be trusted any more`,
    hints: ['give the host a new key, or ask who revoked this one'],
  })
}

/** Does a pin, `SHA256:…` or `type base64`, name this key? */
export function isPinned(pin: string, key: Buffer): boolean {
  if (pin.startsWith('SHA256:')) return pin.replace(/=+$/, '') === fingerprint(key)
  const [, base64] = pin.trim().split(/\s+/)
  return base64 !== undefined && Buffer.from(base64, 'base64').equals(key)
}

function judge(to: Destination, key: Buffer, lines: readonly KnownHostsLine[]): Judgement {
  const [first, ...others] = hostKeyNames(to)
  const named = judgeKey(lines, first === undefined ? [] : [first], key)
  if (named.kind !== 'unknown') return named
  const without = judgeKey(lines, others, key)
  // Another sshd on the same machine has keys of its own: only a yes or a revocation counts there.
  return without.kind === 'known' || without.kind === 'revoked' ? without : named
}

async function decideUnknown(to: Destination, key: Buffer, lines: readonly KnownHostsLine[], context: HostKeyContext): Promise<void> {
  const name = hostKeyNames(to)[0] ?? to.address
  const what = `${keyType(key)} ${fingerprint(key)}`
  const authority = lines.find((line) => line.marker === 'cert-authority' && matchesHost(line.hosts, name))
  const file = to.knownHostsFiles[0]
  const accept = async (): Promise<void> => {
    if (file === undefined) return
    await addKnownHost(file, name, key, { hashed: to.hashKnownHosts }).catch((error: unknown) =>
      context.warn(`the host key of ${to.name} could not be written to ${file}: ${error instanceof Error ? error.message : String(error)}`),
    )
  }
  if (authority === undefined && to.strict === 'accept-new') {
    await accept()
    context.warn(`the host key of ${shown(to)} was unknown and is now trusted, as your OpenSSH configuration says: ${what}`)
    return
  }
  if (authority === undefined && to.strict === 'ask' && context.ask !== null) {
    const question = `The host key of ${shown(to)} is not known yet: ${what}. Does the host itself show the same? Trust it from now on?`
    if (await context.ask.confirm(question, { initial: false, signal: context.signal })) return accept()
    throw refused(to, `the host key of ${shown(to)} was not accepted`, { why: what, hints: compare(key) })
  }
  const line = `${name} ${keyType(key)} ${key.toString('base64')}`
  throw refused(
    to,
    authority === undefined
      ? `the host key of ${shown(to)} is not known`
      : `the host key of ${shown(to)} is only vouched for by a certificate authority (${authority.file}:${authority.line}), and host certificates cannot be checked here`,
    {
      why: `it showed ${what}`,
      hints: [
        ...compare(key),
        ...(file === undefined ? [] : [`echo ${quote(line)} >> ${quote(file)}   (trusts this key)`]),
        ...(to.ours ? [`or pin it in the config: hosts.${to.name}.host_key: ${fingerprint(key)}`] : []),
      ],
    },
  )
}

const shown = (to: Destination): string => `${to.name} (${to.address}:${to.port})`

function pinShown(pin: string): string {
  const [type, base64] = pin.trim().split(/\s+/)
  return base64 === undefined ? pin : `${type} ${fingerprint(Buffer.from(base64, 'base64'))}`
}

function compare(key: Buffer): readonly string[] {
  const type = keyType(key)
  const name = type === 'ssh-rsa' ? 'rsa' : type.startsWith('ecdsa-') ? 'ecdsa' : 'ed25519'
  return [`ssh-keygen -lf /etc/ssh/ssh_host_${name}_key.pub   (on the host itself: shows its fingerprint, to be compared)`]
}

function refused(to: Destination, message: string, more: { readonly why: string; readonly hints: readonly string[] }): RollgateError {
  return new RollgateError('E_HOST_KEY', message, { host: to.name, ...more })
}
