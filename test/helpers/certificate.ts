// Certificates for servers of tests: an authority of the test's own, and what it signs. Made by openssl 3, where it is there.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const noOpenssl = !/^OpenSSL [3-9]/.test(spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '')

export type Certificate = { readonly key: string; readonly cert: string; readonly ca: string }

/** @param names such as `DNS:shop.test`, `IP:127.0.0.1` */
export function certificateFor(...names: readonly string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-tls-'))
  const at = (name: string): string => join(folder, name)
  const made = (what: string, words: readonly string[]) =>
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-keyout', at(`${what}.key`), '-out', at(`${what}.pem`), ...words],
      ],
      { stdio: 'ignore' },
    )
  try {
    made('ca', ['-subj', '/CN=Test Authority'])
    const leaf = ['-subj', '/CN=server', '-addext', `subjectAltName=${names.join(',')}`, '-addext', 'basicConstraints=critical,CA:FALSE']
    made('server', [...leaf, '-CA', at('ca.pem'), '-CAkey', at('ca.key')])
    const read = (name: string): string => readFileSync(at(name), 'utf8')
    return { key: read('server.key'), cert: read('server.pem'), ca: read('ca.pem') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
