// Private keys: files, or an environment variable that holds the key itself (CI). Formats that ssh2 cannot read are
// converted where Node's crypto can, else named with the command that helps. Key material never gets into an error.
import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { RollgateError } from '../../domain/error.ts'

export type KeyText = { readonly from: string; readonly text: string }

/** @throws RollgateError E_KEY when a key that was named explicitly is not there */
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
  return { from: `$${name}`, text: pem.endsWith('\n') ? pem : `${pem}\n` }
}

/** PKCS#8, which ssh2 cannot read, as a format that it can. Other formats come back as they are. @throws RollgateError E_KEY */
export function readable(key: KeyText, passphrase: string | undefined): KeyText {
  if (!/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(key.text)) return key
  try {
    const parsed = createPrivateKey({ key: key.text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
    if (parsed.asymmetricKeyType === 'rsa') return { ...key, text: parsed.export({ type: 'pkcs1', format: 'pem' }).toString() }
    if (parsed.asymmetricKeyType === 'ec') return { ...key, text: parsed.export({ type: 'sec1', format: 'pem' }).toString() }
    if (parsed.asymmetricKeyType === 'ed25519') return { ...key, text: opensshEd25519(parsed.export({ format: 'jwk' })) }
  } catch (cause) {
    throw new RollgateError(
      'E_KEY',
      `the private key ${key.from} cannot be read${passphrase === undefined ? '' : ' with this passphrase'}`,
      { cause, hints: [`ssh-keygen -p -f ${key.from}   (writes it in OpenSSH's own format)`] },
    )
  }
  throw new RollgateError('E_KEY', `the private key ${key.from} is of a kind that is not supported`, {
    hints: ['ssh-keygen -t ed25519   (makes one that is)'],
  })
}

export const isEncryptedPkcs8 = (text: string): boolean => text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')

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
    Buffer.from('openssh-key-v1\0'),
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
