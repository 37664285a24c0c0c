import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { createKeyPair } from '../../../src/sandbox/keys.ts'
import { temporaryFolder } from './helpers.ts'

describe('generated keys', () => {
  test('ssh2 reads every one of 500, and both halves belong together', () => {
    for (let turn = 0; turn < 500; turn += 1) {
      const pair = createKeyPair('x')
      const [secret, open] = [ssh2.utils.parseKey(pair.privateText), ssh2.utils.parseKey(pair.publicLine)]
      if (secret instanceof Error || open instanceof Error) throw new Error(`key ${turn} cannot be read`)
      expect(secret.getPublicSSH().equals(open.getPublicSSH())).toBe(true)
      expect(open.verify('text', secret.sign('text'))).toBe(true)
    }
  })

  const installed = spawnSync('ssh-keygen', ['-?']).error === undefined
  test.skipIf(!installed)('ssh-keygen reads it and names the same fingerprint', () => {
    const pair = createKeyPair('somebody')
    const file = join(temporaryFolder(), 'key')
    writeFileSync(file, pair.privateText, { mode: 0o600 })
    expect(execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim()).toBe(`${pair.publicLine} somebody`)
    expect(execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' })).toContain(pair.fingerprint)
  })
})
