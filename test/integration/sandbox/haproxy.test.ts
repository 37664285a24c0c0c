// The embedded balancer beside a real HAProxy, both before the same two servers: whatever our HAProxy driver reads or
// writes must look the same in both. Skipped where no haproxy is installed.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startBalancer } from '../../../src/sandbox/balancer.ts'
import { ask, stateRow, statRow, temporaryFolder, until } from './helpers.ts'

const installed = spawnSync('haproxy', ['-v']).error === undefined

/** One app that can be switched off and on again on its port, as a restart does. */
async function app() {
  const server = createServer((_request, response) => void response.end('ok'))
  const listen = (port: number) => new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const off = async () => {
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    await closed
  }
  onTestFinished(() => off())
  return { port, off, on: () => listen(port) }
}

async function haproxy(ports: readonly number[], everyMs: number): Promise<number> {
  const folder = temporaryFolder()
  // HAProxy cannot be asked for a free port: one is looked for and given.
  const probe = createServer()
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done))
  const { port } = probe.address() as AddressInfo
  await new Promise((done) => probe.close(done))
  const servers = ports.map((each, index) => `  server web-${index + 1} 127.0.0.1:${each} check inter ${everyMs}ms rise 2 fall 2`)
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  stats socket ipv4@127.0.0.1:${port} level admin
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend demo
  option httpchk GET /healthz
${servers.join('\n')}
`,
  )
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'ignore' })
  const ended = new Promise((done) => child.on('exit', done))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await until(() =>
    ask(port, 'show info').then(
      (answer) => answer.includes('Version'),
      () => false,
    ),
  )
  return port
}

async function both(checkEveryMs = 200) {
  const apps = [await app(), await app()] as const
  const ports = apps.map(({ port }) => port)
  const servers = ports.map((port, index) => ({ name: `web-${index + 1}`, port }))
  const ours = await startBalancer({ backend: 'demo', servers, checkPath: '/healthz', shownPort: 8080, checkEveryMs })
  onTestFinished(() => ours.close())
  const theirs = await haproxy(ports, checkEveryMs)
  const apis = [ours.apiPort, theirs] as const
  await Promise.all(apis.map((port) => seen(port, 'UP')))
  return { apps, apis }
}

/** The status words of web-1 in the order in which they are seen, until the last one. */
async function seen(port: number, last: string): Promise<readonly string[]> {
  const words: string[] = []
  while (words.at(-1) !== last) {
    const { status = '' } = statRow(await ask(port, 'show stat'), 'web-1')
    if (status !== words.at(-1)) words.push(status)
    await new Promise((done) => setTimeout(done, 5))
  }
  return words
}

const STAT = ['pxname', 'svname', 'qcur', 'scur', 'status', 'weight', 'act', 'bck', 'throttle', 'type', 'mode', 'check_status']
const STAT_MORE = ['check_code', 'check_rise', 'check_fall', 'check_health', 'agent_status', 'tracked', 'uweight', 'srv_icur']
const STATE = ['be_name', 'srv_name', 'srv_addr', 'srv_op_state', 'srv_admin_state', 'srv_uweight', 'srv_iweight']
const STATE_MORE = ['srv_check_status', 'srv_check_result', 'srv_check_health', 'srv_check_state', 'srv_agent_state', 'srv_fqdn']

async function facts(port: number): Promise<unknown> {
  const read = async () => {
    const [stat, state] = [statRow(await ask(port, 'show stat'), 'web-1'), stateRow(await ask(port, 'show servers state demo'), 'web-1')]
    return [
      ...[...STAT, ...STAT_MORE].map((name) => `${name}=${stat[name]}`),
      ...[...STATE, ...STATE_MORE].map((name) => `${name}=${state[name]}`),
    ]
  }
  let now = await read()
  // A star says that a check is running this very moment.
  while (now.some((fact) => fact.startsWith('check_status=*'))) now = await read()
  return now
}

describe.skipIf(!installed)('beside a real HAProxy', () => {
  test('the columns are the same, in the same order', async () => {
    const { apis } = await both()
    const [ours, theirs] = await Promise.all(apis.map((port) => ask(port, 'show stat')))
    const columns = (answer = '') => (answer.split('\n')[0] ?? '').replace(/,$/, '').split(',')
    expect(columns(theirs).slice(0, columns(ours).length)).toEqual(columns(ours))
    const [ourState, theirState] = await Promise.all(apis.map((port) => ask(port, 'show servers state')))
    expect(ourState?.split('\n').slice(0, 2)).toEqual(theirState?.split('\n').slice(0, 2))
    const cells = (answer = '') => answer.split('\n').map((line) => line.split(/[ ,]/).length)
    expect(cells(ourState)).toEqual(cells(theirState))
  })

  test('the golden sequence shows the same words, masks and counts at each step', async () => {
    // Slow checks, so that no word between two of them is missed on a busy machine.
    const { apis, apps } = await both(600)
    const same = async (command: string | null, words: readonly string[]) => {
      if (command !== null) {
        const answers = await Promise.all(apis.map((port) => ask(port, command)))
        expect(answers[0], command).toBe(answers[1])
      }
      const last = words.at(-1) ?? ''
      const [ours, theirs] = await Promise.all(apis.map((port) => seen(port, last)))
      expect([command, ours]).toEqual([command, theirs])
      expect(ours).toEqual(words)
      const [ourFacts, theirFacts] = await Promise.all(apis.map(facts))
      expect([command, ourFacts]).toEqual([command, theirFacts])
    }
    await same(null, ['UP'])
    await same('set server demo/web-1 state drain', ['DRAIN'])
    await same('set server demo/web-1 state drain', ['DRAIN'])
    await same('set server demo/web-1 state maint', ['MAINT'])
    await same('set server demo/web-1 state drain', ['DRAIN 1/2', 'DRAIN'])
    await same('set server demo/web-1 weight 40', ['DRAIN'])
    await same('set server demo/web-1 weight 100%', ['DRAIN'])
    await same('set server demo/web-1 state ready', ['UP'])
    await same('set server demo/web-1 state maint', ['MAINT'])
    await apps[0].off()
    await same('set server demo/web-1 state drain', ['DRAIN 1/2', 'DOWN'])
    await same('set server demo/web-1 state ready', ['DOWN'])
    await same('set server demo/web-1 state maint', ['MAINT'])
    await same('set server demo/web-1 state ready', ['UP 1/2', 'DOWN'])
    await apps[0].on()
    await same(null, ['DOWN', 'DOWN 1/2', 'UP'])
    await apps[0].off()
    await same(null, ['UP', 'UP 1/2', 'DOWN'])
  })

  test.each([
    'show cli level',
    'set severity-output number; show cli level',
    'set server demo/nope state drain',
    'set server nope/web-1 state drain',
    'set severity-output number; set server demo/nope state drain',
    'set server demo/web-1 state bogus',
    'set server demo/web-1 weight 300',
    'set server demo/web-1 weight',
    'set severity-output number; set server demo/web-1 weight 300',
    'get weight demo/web-1',
    'get weight demo/nope',
    'get weight demo/web-1;show cli level',
    'shutdown sessions server demo/web-1',
    'shutdown sessions server demo/nope',
    'show servers state nope',
  ])('the answer is the same byte for byte: %s', async (line) => {
    const { apis } = await both()
    const [ours, theirs] = await Promise.all(apis.map((port) => ask(port, line)))
    expect(ours).toBe(theirs)
  })

  test('show info has the lines that are looked at', async () => {
    const { apis } = await both()
    const [ours, theirs] = await Promise.all(apis.map((port) => ask(port, 'show info')))
    const names = (answer = '') => answer.split('\n').map((line) => line.split(':')[0] ?? '')
    expect(names(theirs)).toEqual(expect.arrayContaining(names(ours)))
    expect(ours).toMatch(/^Name: HAProxy\nVersion: 2\.6/)
    expect(ours).toMatch(/\nStopping: 0\n/)
    expect(ours?.endsWith('\n\n')).toBe(true)
  })
})
