// A sandbox of its own for each test, an SSH client that is not ours (ssh2's, spoken to directly), and HAProxy's way
// of asking: one line, one answer, closed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import ssh2 from 'ssh2'
import { onTestFinished } from 'vitest'
import { type Sandbox, type SandboxHost, startSandbox } from '../../../src/sandbox/fleet.ts'

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-sandbox-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function sandbox(hosts: number): Promise<Sandbox> {
  const made = await startSandbox({ hosts, directory: temporaryFolder(), signal: new AbortController().signal })
  onTestFinished(() => made.stop())
  return made
}

export function host(fleet: Sandbox, index = 0): SandboxHost {
  const found = fleet.hosts[index]
  if (found === undefined) throw new Error(`no host ${index}`)
  return found
}

export type Ended = { readonly code: number | null; readonly signal?: string | undefined; readonly stdout: string; readonly stderr: string }

export async function login(
  fleet: Sandbox,
  to: SandboxHost,
  privateKey = readFileSync(fleet.clientKeyPath, 'utf8'),
  username = fleet.user,
) {
  const client = new ssh2.Client()
  await new Promise<void>((done, fail) => {
    client
      .once('ready', done)
      .once('error', fail)
      .connect({ host: to.address, port: to.port, username, privateKey, authHandler: ['publickey'] })
  })
  client.on('error', () => {})
  onTestFinished(() => void client.end())
  const exec = (command: string, env: Record<string, string> = {}) =>
    new Promise<ssh2.ClientChannel>((done, fail) =>
      client.exec(command, { env }, (error, channel) => (error ? fail(error) : done(channel))),
    )
  const run = async (command: string, options: { input?: Buffer | string; env?: Record<string, string> } = {}): Promise<Ended> => {
    const channel = await exec(command, options.env)
    const end = new Promise<{ code: number | null; signal?: string }>((done) =>
      channel.on('exit', (code: number | null, signal?: string) => done(signal === undefined ? { code } : { code, signal })),
    )
    channel.end(options.input ?? '')
    const [stdout, stderr] = await Promise.all([text(channel as Readable), text(channel.stderr)])
    return { ...(await end), stdout, stderr }
  }
  const forward = (address: string, port: number) =>
    new Promise<Duplex>((done, fail) =>
      client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => (error ? fail(error) : done(channel))),
    )
  const forwardSocket = (path: string) =>
    new Promise<Duplex>((done, fail) =>
      client.openssh_forwardOutStreamLocal(path, (error, channel) => (error ? fail(error) : done(channel))),
    )
  return { client, exec, run, forward, forwardSocket, end: () => client.end() }
}

/** One question to a runtime API on this machine. */
export async function ask(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${line}\n`)
  return text(socket)
}

/** A `show stat` row by the names of its columns. */
export function statRow(answer: string, server: string): Readonly<Record<string, string>> {
  const [head = '', ...rows] = answer.trim().split('\n')
  const names = head.replace(/^# /, '').split(',')
  const row = rows.map((line) => line.split(',')).find((cells) => cells[1] === server)
  return Object.fromEntries(names.map((name, index) => [name, row?.[index] ?? '']))
}

/** A row of `show servers state`. */
export function stateRow(answer: string, server: string): Readonly<Record<string, string>> {
  const lines = answer.trim().split('\n')
  const names = (lines.find((line) => line.startsWith('# ')) ?? '').slice(2).split(' ')
  const row = lines.map((line) => line.split(' ')).find((cells) => cells[3] === server)
  return Object.fromEntries(names.map((name, index) => [name, row?.[index] ?? '']))
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 10))
}
