// Ed25519 keys for the sandbox: host keys live in memory, the one client key is written for `ssh` and for Rollgate's
// own transport. They come from Node's crypto and are written in OpenSSH's format here, because ssh2's own generator
// now and then makes a key that ssh2 itself cannot read back (22 of 3,000 tried).
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'

export type KeyPair = {
  /** In OpenSSH's own format (`BEGIN OPENSSH PRIVATE KEY`), not encrypted. */
  readonly privateText: string
  /** `ssh-ed25519 AAAA…`, as in authorized_keys and known_hosts. */
  readonly publicLine: string
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
}

/** A new key pair. Format: PROTOCOL.key of OpenSSH. */
export function createKeyPair(comment: string): KeyPair {
  const { privateKey } = generateKeyPairSync('ed25519')
  const jwk = privateKey.export({ format: 'jwk' })
  const publicBytes = Buffer.from(jwk.x ?? '', 'base64url')
  const seed = Buffer.from(jwk.d ?? '', 'base64url')
  const publicBlob = Buffer.concat([field('ssh-ed25519'), field(publicBytes)])
  const check = randomBytes(4)
  const secret = padded(
    Buffer.concat([check, check, field('ssh-ed25519'), field(publicBytes), field(Buffer.concat([seed, publicBytes])), field(comment)]),
  )
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(publicBlob),
    field(secret),
  ])
  const lines = body.toString('base64').match(/.{1,70}/g) ?? []
  return {
    privateText: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
    publicLine: `ssh-ed25519 ${publicBlob.toString('base64')}`,
    fingerprint: `SHA256:${createHash('sha256').update(publicBlob).digest('base64').replace(/=+$/, '')}`,
  }
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function padded(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))])
}
