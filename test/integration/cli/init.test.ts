// The wizard against a sandbox: real SSH servers with host keys, a balancer that answers as HAProxy does. From flags
// without a terminal, and as a person at a terminal would use it (tmux types and reads the screen).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../../src/sandbox/fleet.ts'
import { BIN } from '../../helpers/bin.ts'
import { aPlace, bothWays, documentOf, type Place, run } from './cli.ts'

let sandbox: Sandbox
let directory: string
let place: Place
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rollgate-init-'))
  sandbox = await startSandbox({ hosts: 2, directory, signal: new AbortController().signal })
})
afterAll(async () => {
  await sandbox.stop()
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => {
  place = aPlace()
  return () => place.remove()
})

const file = (): string => join(place.directory, 'rollgate.yml')

function flags(): readonly string[] {
  return [
    ...['--app', 'shop', '--hosts', 'web-1=web-1,web-2=web-2', '--ssh-config', sandbox.sshConfigPath, '--artifact', 'app'],
    ...['--root', sandbox.releaseRoot, '--unit', 'shop', '--port', '8080', '--health-path', '/healthz', '--version-header', 'x-release'],
    ...['--balancer', 'haproxy', '--balancer-host', 'lb-1=lb-1', '--socket', '127.0.0.1:9999'],
  ]
}

describe('init without a terminal', () => {
  test('writes a commented file that validates, with what HAProxy said in it, and ends with check', async () => {
    const result = await run(['init', ...flags(), '--json'], place)
    expect(result.code, result.stderr).toBe(0)
    const document = documentOf(result)
    const text = readFileSync(file(), 'utf8')
    expect(document).toMatchObject({ written: true, file: file(), text })
    // Every server of the sandbox is on loopback: only the names tell which host is which, and nobody named the backend.
    expect(text).toContain('backend: demo')
    expect(text).toContain('web-1: { address: web-1, server: web-1 }')
    expect(text).toContain('# ')
    expect(document.items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: 'ssh', host: 'web-1', level: 'ok' }),
        expect.objectContaining({ id: 'balancer-member', host: 'web-2', level: 'ok' }),
      ]),
    )
    await bothWays(['config', 'validate'], place, { code: 0 })
    expect(readdirSync(place.directory).filter((name) => name.includes('.new'))).toEqual([])
  })

  test('never overwrites, unless that is asked for', async () => {
    writeFileSync(file(), 'mine')
    await bothWays(['init', ...flags()], place, { code: 2, error: 'E_USAGE' })
    expect(readFileSync(file(), 'utf8')).toBe('mine')
    expect((await run(['init', ...flags(), '--force'], place)).code).toBe(0)
    expect(readFileSync(file(), 'utf8')).toContain('app: shop')
  })

  test('--dry-run prints the file and writes none', async () => {
    const { code, stdout } = await run(['init', ...flags(), '--dry-run'], place)
    expect(code).toBe(0)
    expect(stdout).toContain('\napp: shop\n')
    expect(existsSync(file())).toBe(false)
  })

  test('names every flag that is missing at once', async () => {
    const { document } = await bothWays(['init', '--yes', '--balancer', 'haproxy'], place, { code: 2, error: 'E_ANSWER_NEEDED' })
    expect(document.error?.message).toContain('--hosts, --balancer-host')
    expect(existsSync(file())).toBe(false)
  })

  test('writes the file when nobody can be reached, and tells what check found', async () => {
    const result = await run(['init', '--yes', '--app', 'shop', '--hosts', 'web-1=127.0.0.1:1', '--json'], place)
    expect(result.code, result.stderr).toBe(0)
    expect(documentOf(result).items).toEqual([expect.objectContaining({ id: 'ssh', level: 'problem' })])
    expect(readFileSync(file(), 'utf8')).toContain('web-1: { address: 127.0.0.1, port: 1 }')
  })

  test.each([
    ['--app', 'a/b'],
    ['--app', '$(id)'],
    ['--hosts', 'web-1=-oProxyCommand=id'],
    ['--hosts', 'web-1=a,web-1=b'],
    ['--hosts', 'web-1='],
    ['--hosts', 'web 1=a'],
    ['--root', '/'],
    ['--root', 'srv/shop'],
    ['--unit', '-x'],
    ['--unit', 'a b'],
    ['--health-path', 'healthz'],
    ['--version-header', 'x release'],
    ['--user', '-l'],
    ['--balancer-host', 'lb-1=a,lb-2=b'],
    ['--backend', 'a;shutdown sessions'],
    ['--socket', 'run/haproxy.sock'],
    ['--balancer', 'nginx'],
  ])('%s %s is refused by the name of the flag', async (flag, value) => {
    const given = ['--app', 'shop', '--hosts', 'web-1=127.0.0.1', '--balancer-host', 'lb-1=127.0.0.1', '--backend', 'shop']
    const at = given.indexOf(flag)
    const args = at === -1 ? [...given, flag, value] : given.toSpliced(at, 2, flag, value)
    const result = await run(['init', '--dry-run', ...args, '--json'], place)
    expect(result.code, result.stdout).toBe(2)
    expect(documentOf(result).error?.message).toContain(flag)
  })

  test('quotes whatever could be taken for YAML, a variable or a comment', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own variable
    const build = 'echo "${HOME}: #1" && make -j$(nproc)'
    const result = await run(
      ['init', '--app', 'shop', '--hosts', 'no=127.0.0.1', '--build', build, '--artifact', 'on: [x]', '--dry-run'],
      place,
    )
    expect(result.code, result.stderr).toBe(0)
    writeFileSync(file(), result.stdout)
    const shown = documentOf(await run(['config', 'show', '--json'], place))
    expect(shown.config).toMatchObject({ artifact: { path: 'on: [x]' }, hosts: { no: { address: '127.0.0.1' } } })
    expect(JSON.stringify(shown.config)).toContain('make -j$(nproc)')
  })
})

const tmux = hasTmux()

describe.skipIf(!tmux)(`init at a terminal${tmux ? '' : ' (skipped: this machine has no tmux)'}`, () => {
  let socket: string
  beforeEach(() => {
    socket = `rollgate-${process.pid}-${Math.random().toString(36).slice(2)}`
    return () => {
      try {
        execFileSync('tmux', ['-L', socket, 'kill-server'], { stdio: 'ignore' })
      } catch {
        // It has ended by itself.
      }
    }
  })
  const tell = (...args: readonly string[]): string => execFileSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' })
  const screen = (): string => tell('capture-pane', '-p', '-J', '-S', '-200', '-t', 'main')
  const sees = (text: string | RegExp) => expect.poll(screen, { timeout: 200_000, interval: 200 }).toMatch(text)
  const type = (text: string): void => {
    if (text !== '') tell('send-keys', '-t', 'main', '-l', text)
    tell('send-keys', '-t', 'main', 'Enter')
  }

  /** Where only the host keys are unknown: what a new project meets. */
  function begin(args: readonly string[]): void {
    const config = readFileSync(sandbox.sshConfigPath, 'utf8')
      .replace(/UserKnownHostsFile .*/, `UserKnownHostsFile ${join(place.directory, 'known')}`)
      .replace(/StrictHostKeyChecking .*/, 'StrictHostKeyChecking ask')
    const path = join(place.directory, 'ssh_config')
    writeFileSync(path, config)
    const script = join(place.directory, 'session.sh')
    const words = [process.execPath, BIN, 'init', '--ssh-config', path, ...args]
    const env = Object.entries({ ...place.env, TERM: 'screen-256color' }).map(([name, value]) => `${name}='${value}'`)
    writeFileSync(script, `env -i ${env.join(' ')} ${words.map((word) => `'${word}'`).join(' ')}\necho "ended with $?"\nsleep 600\n`)
    tell('-f', '/dev/null', 'new-session', '-d', '-s', 'main', '-x', '140', '-y', '50', '-c', place.directory, `sh ${script}`)
  }

  test('asks, shows each host key to be confirmed, tries the answers, and writes', async () => {
    begin(['--socket', '127.0.0.1:9999'])
    await sees(/What is the app called\?/)
    type('')
    await sees(/Which hosts get it\?/)
    type('web-1=bad name')
    await sees(/contains a blank/)
    for (let letter = 0; letter < 14; letter += 1) tell('send-keys', '-t', 'main', 'BSpace')
    type('web-1=web-1')
    await sees(/Which user logs in/)
    type('')
    await sees(new RegExp(escaped(sandbox.hosts[0]?.fingerprint ?? 'no host')))
    type('y')
    await sees(/✔ web-1: reached as demo@/)
    await sees(/What is shipped\?/)
    type('app')
    await sees(/Which command builds it\?/)
    type('')
    await sees(/do releases live\?/)
    for (let letter = 0; letter < 60; letter += 1) tell('send-keys', '-t', 'main', 'BSpace')
    type(sandbox.releaseRoot)
    await sees(/Which systemd unit/)
    type('')
    await sees(/Which port/)
    type('')
    await sees(/says that it is healthy/)
    type('')
    await sees(/names the release/)
    type('x-release')
    await sees(/Something about the service is not right yet/)
    type('y')
    await sees(/What stands in front/)
    type('')
    await sees(/Which host runs HAProxy/)
    type('lb-1=lb-1')
    await sees(new RegExp(escaped(sandbox.balancerHost.fingerprint)))
    type('y')
    await sees(/demo\/web-1 .* is web-1/)
    await sees(/Which backend do the hosts belong to/)
    type('')
    await sees(/ended with 0/)
    const text = readFileSync(file(), 'utf8')
    expect(text).toContain('web-1: { address: web-1, server: web-1 }')
    expect(text).toContain('backend: demo')
    expect(text).toContain('ssh_config')
    expect(readFileSync(join(place.directory, 'known'), 'utf8').trim().split('\n')).toHaveLength(2)
  })

  test('Ctrl-C at a question ends it with 130, and nothing is written', async () => {
    begin([])
    await sees(/What is the app called\?/)
    type('')
    await sees(/Which hosts get it\?/)
    tell('send-keys', '-t', 'main', 'C-c')
    await sees(/ended with 130/)
    expect(existsSync(file())).toBe(false)
    expect(readdirSync(place.directory).filter((name) => name.includes('rollgate.yml'))).toEqual([])
  })
})

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
