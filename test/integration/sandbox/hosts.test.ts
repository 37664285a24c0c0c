// The embedded hosts, asked by ssh2's client and by the system's ssh.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createKeyPair } from '../../../src/sandbox/keys.ts'
import { host, login, sandbox, until } from './helpers.ts'

describe('commands', () => {
  test('run in a real shell in the host’s folder, with output, errors and exit code apart', async () => {
    const fleet = await sandbox(2)
    const ssh = await login(fleet, host(fleet))
    expect(await ssh.run('echo out; echo err >&2; exit 7')).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' })
    expect(await ssh.run('pwd -P; echo "$HOME $USER"')).toMatchObject({
      stdout: `${dirname(fleet.releaseRoot)}\n${dirname(fleet.releaseRoot)} demo\n`,
    })
    expect((await ssh.run('exit 0')).code).toBe(0)
    expect((await ssh.run('no-such-command-here')).code).toBe(127)
  })

  test('a shell that a signal ended says which', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    expect(await ssh.run('kill -KILL $$')).toMatchObject({ code: null, signal: 'SIGKILL' })
  })

  test('a signal that the client sends reaches the whole process group', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    const channel = await ssh.exec('sleep 600 & echo started; wait')
    const exit = new Promise((done) => channel.on('exit', (code: number | null, signal?: string) => done({ code, signal })))
    channel.once('data', () => channel.signal('TERM'))
    expect(await exit).toEqual({ code: null, signal: 'SIGTERM' })
    await until(async () => (await fleet.processes()).length === 0)
  })

  test('five megabytes go in and come out unchanged', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    const input = randomBytes(5 << 20)
    const sum = createHash('sha256').update(input).digest('hex')
    const channel = await ssh.exec('tee copy | cat')
    const back = createHash('sha256')
    channel.on('data', (chunk: Buffer) => back.update(chunk))
    const closed = new Promise((done) => channel.on('close', done))
    channel.end(input)
    await closed
    expect(back.digest('hex')).toBe(sum)
    expect(statSync(`${host(fleet).folder}/copy`).size).toBe(5 << 20)
  })

  test.each([
    { stream: 'output', redirect: '' },
    { stream: 'errors', redirect: ' >&2' },
  ])('a client that begins to read late still gets all of the $stream', async ({ stream, redirect }) => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    // More than ssh2's client takes in unread (3 MiB), less than that and what the server keeps: the process ends, bytes wait.
    const size = 4 << 20
    const channel = await ssh.exec(`head -c ${size} /dev/zero${redirect}; exit 4`)
    expect(await new Promise((done) => channel.on('exit', (code: number | null) => done(code)))).toBe(4)
    expect((await ssh.run('true')).code).toBe(0)
    const [output, errors] = await Promise.all([buffer(channel as Readable), buffer(channel.stderr)])
    expect([output.length, errors.length]).toEqual(stream === 'output' ? [size, 0] : [0, size])
  })

  test('a command that does not read its input ends all the same', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    expect(await ssh.run('exec <&-; echo done', { input: randomBytes(3 << 20) })).toMatchObject({ code: 0, stdout: 'done\n' })
  })

  test('environment that the client passes arrives; HOME and PORT are the host’s own', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    const seen = await ssh.run('echo "$LC_TEST $HOME $PORT"', { env: { LC_TEST: 'a b', HOME: '/', PORT: '1' } })
    expect(seen.stdout).toBe(`a b ${dirname(fleet.releaseRoot)} ${host(fleet).appPort}\n`)
  })

  test('a process in the background survives its channel and its connection', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    const { stdout } = await ssh.run('nohup sleep 600 >/dev/null 2>&1 </dev/null & echo $!')
    const closed = new Promise<void>((done) => void ssh.client.on('close', () => done()))
    ssh.end()
    await closed
    expect(await fleet.processes()).toEqual([Number(stdout)])
  })

  test('each host has its own folder behind the common path', async () => {
    const fleet = await sandbox(2)
    const [first, second] = [await login(fleet, host(fleet, 0)), await login(fleet, host(fleet, 1))]
    await first.run(`mkdir ${fleet.releaseRoot} && echo one >${fleet.releaseRoot}/mark`)
    await second.run(`mkdir ${fleet.releaseRoot} && cat >${fleet.releaseRoot}/mark`, { input: `two ${fleet.releaseRoot}` })
    expect((await first.run(`cat ${fleet.releaseRoot}/mark`)).stdout).toBe('one\n')
    expect((await second.run(`cat ${fleet.releaseRoot}/mark; cd ${fleet.releaseRoot}; pwd -P`)).stdout).toBe(
      `two ${fleet.releaseRoot}${fleet.releaseRoot}\n`,
    )
  })
})

describe('logging in', () => {
  test('only the one key of the one user gets in', async () => {
    const fleet = await sandbox(1)
    await expect(login(fleet, host(fleet), createKeyPair('stranger').privateText)).rejects.toThrow(/authentication/i)
    await expect(login(fleet, host(fleet), undefined, 'root')).rejects.toThrow(/authentication/i)
    expect((await (await login(fleet, host(fleet))).run('true')).code).toBe(0)
  })

  test('the key is readable by its owner only', async () => {
    const fleet = await sandbox(1)
    expect(statSync(fleet.clientKeyPath).mode & 0o777).toBe(0o600)
  })
})

describe('forwarding', () => {
  test('the app’s port means this host’s own app; other loopback ports are the machine’s; nothing leaves loopback', async () => {
    const fleet = await sandbox(2)
    const [first, second] = [await login(fleet, host(fleet, 0)), await login(fleet, host(fleet, 1))]
    const listenOn = async (port: number, word: string) => {
      const server = createServer((socket) => socket.on('error', () => {}).end(word))
      await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
      onTestFinished(() => void server.close())
      return server.address() as { port: number }
    }
    await listenOn(host(fleet, 0).appPort ?? 0, 'app of one')
    await listenOn(host(fleet, 1).appPort ?? 0, 'app of two')
    const other = await listenOn(0, 'somebody else')
    expect(await text(await first.forward('127.0.0.1', 8080))).toBe('app of one')
    expect(await text(await second.forward('localhost', 8080))).toBe('app of two')
    expect(await text(await first.forward('127.0.0.1', other.port))).toBe('somebody else')
    await expect(first.forward('192.0.2.1', 80)).rejects.toThrow()
    await expect(first.forward('example.com', 80)).rejects.toThrow()
  })

  test('a closed port is refused while others go on', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    await expect(ssh.forward('127.0.0.1', 8080)).rejects.toThrow(/Channel open failure/)
    expect((await ssh.run('echo still here')).stdout).toBe('still here\n')
  })

  test('a socket inside the folder can be reached, one outside cannot', async () => {
    const fleet = await sandbox(1)
    const ssh = await login(fleet, host(fleet))
    const server = createServer((socket) => socket.end('hello'))
    await new Promise<void>((done) => server.listen(`${host(fleet).folder}/s`, done))
    onTestFinished(() => void server.close())
    expect(await text(await ssh.forwardSocket(`${dirname(fleet.releaseRoot)}/s`))).toBe('hello')
    await expect(ssh.forwardSocket(`${dirname(fleet.releaseRoot)}/../07/s`)).rejects.toThrow()
    await expect(ssh.forwardSocket('/var/run/docker.sock')).rejects.toThrow()
  })

  test('the runtime API is the balancer host’s own port 9999', async () => {
    const fleet = await sandbox(1)
    const stream = await (await login(fleet, fleet.balancerHost)).forward('127.0.0.1', 9999)
    stream.end('show cli level\n')
    expect(await text(stream)).toBe('admin\n\n')
  })
})

describe.skipIf(spawnSync('ssh', ['-V']).error !== undefined)('the system’s ssh', () => {
  test('reaches each host by its name, host key checked, with nothing of the user’s own configuration', async () => {
    const fleet = await sandbox(2)
    const ssh = (...words: string[]) =>
      new Promise<{ code: number | null; output: string }>((done) => {
        const child = spawn('ssh', ['-F', fleet.sshConfigPath, '-o', 'BatchMode=yes', ...words], { stdio: ['pipe', 'pipe', 'pipe'] })
        const output = Promise.all([text(child.stdout), text(child.stderr)])
        child.on('close', async (code) => done({ code, output: (await output).join('') }))
        child.stdin.end('show cli level\n')
      })
    expect(await ssh('web-1', 'cat; exit 3')).toEqual({ code: 3, output: 'show cli level\n' })
    expect(await ssh('web-2', 'true')).toEqual({ code: 0, output: '' })
    expect(await ssh('-W', '127.0.0.1:9999', 'lb-1')).toEqual({ code: 0, output: 'admin\n\n' })
    expect(await ssh('-p', String(host(fleet, 1).port), 'web-1', 'true')).toMatchObject({ code: 0 })
    const lines = fleet.knownHostsLines
    expect(new Set(lines.map((line) => line.split(' ')[2])).size).toBe(3)
  })
})
