// Private keys: files, or an environment variable that holds the key itself (CI). Formats that ssh2 cannot read are
// converted where Node's crypto can, else named with the command that helps. Key material never gets into an error.
import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { RollgateError } from '../../domain/error.ts'
import { quote } from '../../util/shell.ts'

export type KeyText = { readonly from: string; readonly text: string }

/** null: there is none, and nobody said that there is. @throws RollgateError E_KEY when a key that was named explicitly is not there */
export async function readKeyFile(path: string, explicit: boolean): Promise<KeyText | null> {
  try {
    return { from: path, text: await readFile(path, 'utf8') }
  } catch (cause) {
    if (!explicit) return null
    throw new RollgateError('E_KEY', `the private key ${path} cannot be read`, { cause, hints: ['set ssh.identity to the right file'] })
  }
}

/** PEM text, PEM with literal `\n`, or base64 of a PEM: what CI systems make of a pasted key. @throws RollgateError E_KEY */
export function keyFromEnvironment(name: string, env: Readonly<Record<string, string | undefined>>): KeyText {
  const value = env[name]
  if (value === undefined || value.trim() === '') {
    throw new RollgateError('E_KEY', `ssh.identity names the variable ${name}, and it is not set`, {
      hints: [`put the private key into the secret that becomes ${name}`],
    })
  }
  const pem = value.includes('-----BEGIN') ? value.replaceAll('\\n', '\n') : Buffer.from(value, 'base64').toString('utf8')
  if (!pem.includes('-----BEGIN')) throw new RollgateError('E_KEY', `${name} holds no private key (no BEGIN line)`)
  const unix = pem.replaceAll('\r\n', '\n')
  return { from: `$${name}`, text: unix.endsWith('\n') ? unix : `${unix}\n` }
}

const OPENSSH = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END OPENSSH PRIVATE KEY-----/
const MAGIC = 'openssh-key-v1\0'

/** What can be said about a key without a passphrase. `blob`: its public half, where the file shows it. */
export function inspect(text: string): { readonly locked: boolean; readonly blob: Buffer | null } {
  const openssh = OPENSSH.exec(text)?.[1]
  if (openssh === undefined)
    return { locked: /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED|^Encryption: aes/m.test(text), blob: null }
  const body = Buffer.from(openssh, 'base64')
  if (body.toString('latin1', 0, MAGIC.length) !== MAGIC) return { locked: false, blob: null }
  let at = MAGIC.length
  const field = (): Buffer => {
    const length = at + 4 <= body.length ? body.readUInt32BE(at) : 0
    const value = body.subarray(at + 4, at + 4 + length)
    at += 4 + length
    return value
  }
  const cipher = field().toString('latin1')
  field()
  field()
  at += 4
  const blob = field()
  return { locked: cipher !== 'none', blob: blob.length === 0 ? null : Buffer.from(blob) }
}

/** The error for a key that is whole and still cannot be used. `type` as in the key itself, as far as it is known. */
export function unusable(key: KeyText, type: string): RollgateError {
  if (type.startsWith('sk-'))
    return new RollgateError('E_KEY', `${key.from} lives in a security key (${type}), which cannot be used here`, {
      hints: ['ssh-keygen -t ed25519 -f ~/.ssh/deploy   (a key of its own for deploys; then ssh.identity: ~/.ssh/deploy)'],
    })
  if (type.includes('cert'))
    return new RollgateError('E_KEY', `${key.from} is a certificate, and logging in with certificates is not possible here`, {
      hints: ['add a plain public key to authorized_keys on the host, and name its private key in ssh.identity'],
    })
  if (/^PuTTY-User-Key-File-3/m.test(key.text))
    return new RollgateError('E_KEY', `the private key ${key.from} is in PuTTY’s newer format, which cannot be read here`, {
      hints: [`puttygen ${quote(key.from)} -O private-openssh -o key   (writes it in OpenSSH’s own format)`],
    })
  return new RollgateError('E_KEY', `the private key ${key.from} cannot be read`, {
    hints: [`ssh-keygen -p -f ${quote(key.from)}   (writes it in a format that can be read)`, 'or add it to your SSH agent: ssh-add'],
  })
}

/** PKCS#8, which ssh2 cannot read, as a format that it can. Other formats come back as they are; null: not with this passphrase. */
export function readable(text: string, passphrase: string | undefined): string | null {
  if (!/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) return text
  try {
    const parsed = createPrivateKey({ key: text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
    if (parsed.asymmetricKeyType === 'rsa') return parsed.export({ type: 'pkcs1', format: 'pem' }).toString()
    if (parsed.asymmetricKeyType === 'ec') return parsed.export({ type: 'sec1', format: 'pem' }).toString()
    if (parsed.asymmetricKeyType === 'ed25519') return opensshEd25519(parsed.export({ format: 'jwk' }))
    return null
  } catch {
    return null
  }
}

/** Format: OpenSSH's PROTOCOL.key, not encrypted. */
function opensshEd25519(jwk: { readonly x?: string; readonly d?: string }): string {
  const publicBytes = Buffer.from(jwk.x ?? '', 'base64url')
  const seed = Buffer.from(jwk.d ?? '', 'base64url')
  const field = (value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const check = Buffer.alloc(8)
  const inner = Buffer.concat([check, field('ssh-ed25519'), field(publicBytes), field(Buffer.concat([seed, publicBytes])), field('')])
  const padding = Buffer.from(Array.from({ length: (8 - (inner.length % 8)) % 8 }, (_, index) => index + 1))
  const blob = Buffer.concat([field('ssh-ed25519'), field(publicBytes)])
  const body = Buffer.concat([
    Buffer.from(MAGIC),
    field('none'),
    field('none'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(blob),
    field(Buffer.concat([inner, padding])),
  ])
  return [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    ...(body.toString('base64').match(/.{1,70}/g) ?? []),
    '-----END OPENSSH PRIVATE KEY-----',
    '',
  ].join('\n')
}
