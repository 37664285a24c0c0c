// known_hosts, read as OpenSSH does (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): plain, hashed, patterns, negation,
// `[host]:port`, `@revoked`. `@cert-authority` needs certificates, which ssh2 cannot check: the caller says so.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export type KnownHostsLine = {
  readonly file: string
  readonly line: number
  readonly marker: 'revoked' | 'cert-authority' | null
  readonly hosts: string
  readonly type: string
  readonly key: Buffer
}

export function parseKnownHosts(text: string, file: string): readonly KnownHostsLine[] {
  const lines: KnownHostsLine[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const fields = line.split(/[ \t]+/)
    const marked = fields[0]?.startsWith('@') === true
    const marker = marked ? fields[0] : null
    const [hosts, type, key] = marked ? fields.slice(1) : fields
    if (hosts === undefined || type === undefined || key === undefined) continue
    if (marker !== null && marker !== '@revoked' && marker !== '@cert-authority') continue
    const blob = Buffer.from(key, 'base64')
    if (keyType(blob) !== type) continue
    lines.push({
      file,
      line: index + 1,
      marker: marker === '@revoked' ? 'revoked' : marker === '@cert-authority' ? 'cert-authority' : null,
      hosts,
      type,
      key: blob,
    })
  }
  return lines
}

export async function readKnownHosts(files: readonly string[]): Promise<readonly KnownHostsLine[]> {
  const read = await Promise.all(files.map(async (file) => parseKnownHosts(await readFile(file, 'utf8').catch(() => ''), file)))
  return read.flat()
}

/** How a host is written there: `name`, or `[name]:port` when the port is not 22. */
export function hostPattern(name: string, port: number): string {
  return port === 22 ? name.toLowerCase() : `[${name.toLowerCase()}]:${port}`
}

/** Does a line's host field name this host? A negated pattern that matches excludes it, whatever else matches. */
export function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) {
    const [, , salt, hash] = hosts.split('|')
    if (salt === undefined || hash === undefined) return false
    const wanted = Buffer.from(hash, 'base64')
    return wanted.equals(hostHash(name, Buffer.from(salt, 'base64')))
  }
  let matched = false
  for (const pattern of hosts.split(',')) {
    const negated = pattern.startsWith('!')
    if (!glob(negated ? pattern.slice(1) : pattern, name)) continue
    if (negated) return false
    matched = true
  }
  return matched
}

const hostHash = (name: string, salt: Buffer): Buffer => createHmac('sha1', salt).update(name).digest()

export const hashedName = (name: string, salt: Buffer): string => `|1|${salt.toString('base64')}|${hostHash(name, salt).toString('base64')}`

/** `*` and `?`, in time that does not explode: known_hosts of a project come from whoever wrote it. */
function glob(pattern: string, name: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), name.toLowerCase()]
  let at = 0
  let star = -1
  let after = 0
  for (let position = 0; position < given.length; ) {
    if (wanted[at] === '*') {
      star = at
      after = position
      at += 1
    } else if (at < wanted.length && (wanted[at] === '?' || wanted[at] === given[position])) {
      at += 1
      position += 1
    } else if (star !== -1) {
      // The last star takes one letter more.
      after += 1
      position = after
      at = star + 1
    } else return false
  }
  while (wanted[at] === '*') at += 1
  return at === wanted.length
}

export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The algorithm name at the start of a public key blob. */
export function keyType(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0
  return length > 0 && length <= 64 && key.length >= 4 + length ? key.toString('latin1', 4, 4 + length) : 'unknown'
}

export type Judgement =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked'; readonly at: string }
  | { readonly kind: 'changed'; readonly at: string; readonly files: readonly string[]; readonly known: readonly string[] }

/** @param names every name it may be listed under: alias or name, and the address */
export function judgeKey(lines: readonly KnownHostsLine[], names: readonly string[], key: Buffer): Judgement {
  const own = lines.filter((line) => names.some((name) => matchesHost(line.hosts, name)))
  const revoked = own.find((line) => line.marker === 'revoked' && line.key.equals(key))
  if (revoked !== undefined) return { kind: 'revoked', at: `${revoked.file}:${revoked.line}` }
  const plain = own.filter((line) => line.marker === null)
  if (plain.some((line) => line.key.equals(key))) return { kind: 'known' }
  const first = plain[0]
  if (first === undefined) return { kind: 'unknown' }
  const same = plain.filter((line) => line.type === keyType(key))
  const shown = same.length > 0 ? same : plain
  return {
    kind: 'changed',
    at: shown.map((line) => `${line.file}:${line.line}`).join(', '),
    files: [...new Set(shown.map((line) => line.file))],
    known: shown.map((line) => fingerprint(line.key)),
  }
}

/** Key types that are on record for a host, so that these are asked for first: a host known by RSA only must not look unknown. */
export function knownTypes(lines: readonly KnownHostsLine[], names: readonly string[]): readonly string[] {
  return [
    ...new Set(
      lines.filter((line) => line.marker === null && names.some((name) => matchesHost(line.hosts, name))).map((line) => line.type),
    ),
  ]
}

/** Appends one line with one write, mode 0600; what is there is never rewritten, so that two writers cannot lose each other's lines. */
export async function addKnownHost(file: string, name: string, key: Buffer, options: { readonly hashed?: boolean } = {}): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const before = await readFile(file, 'utf8').catch(() => '')
  const listed = options.hashed === true ? hashedName(name, randomBytes(20)) : name
  const handle = await open(file, 'a', 0o600)
  try {
    await handle.appendFile(`${before === '' || before.endsWith('\n') ? '' : '\n'}${listed} ${keyType(key)} ${key.toString('base64')}\n`)
    // /dev/null cannot be flushed.
    if ((await handle.stat()).isFile()) await handle.sync()
  } finally {
    await handle.close()
  }
}
