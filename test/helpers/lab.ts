// The lab (test/lab) as tests see it. They run inside `lab run`, on the lab's own network; everywhere else `lab` is
// null and the suites are skipped by name. Careful about exactly that: an address of the lab means some other machine
// outside of it, so nothing here is offered unless this process really sits on the lab's network.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

export type LabHost = { readonly name: string; readonly address: string; readonly role: 'app' | 'balancer' }
export type Ended = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

export type Lab = {
  readonly name: string
  /** For `ssh -F`: keys, known hosts, the user deploy. */
  readonly sshConfig: string
  /** Without the balancer. */
  readonly hosts: readonly LabHost[]
  readonly balancer: LabHost
}

const script = fileURLToPath(new URL('../lab/lab', import.meta.url))

/** The lab that this process runs in. */
export const lab: Lab | null = readLab(process.env.ROLLGATE_LAB)

function readLab(name: string | undefined): Lab | null {
  if (name === undefined) return null
  const state = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'host-lab', name)
  const read = JSON.parse(readFileSync(join(state, 'inventory.json'), 'utf8')) as { sshConfig: string; hosts: LabHost[] }
  const balancer = read.hosts.find((host) => host.role === 'balancer')
  if (balancer === undefined) throw new Error(`the lab ${name} has no balancer`)
  const client = balancer.address.replace(/\d+$/, '2')
  const mine = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map((each) => each.address))
  if (!mine.includes(client)) throw new Error(`ROLLGATE_LAB is set, but this process is not in \`lab run\` (no interface has ${client})`)
  return { name, sshConfig: read.sshConfig, balancer, hosts: read.hosts.filter((host) => host.role === 'app') }
}

/** Only so that the skipped tests can be counted: their hooks and bodies never run. */
const ABSENT: Lab = { name: 'none', sshConfig: '/dev/null', hosts: [], balancer: { name: 'lb1', address: '127.0.0.1', role: 'balancer' } }

/** A suite that needs the lab: skipped by name without it. The body only declares tests and hooks. */
export function describeOnLab(name: string, body: (lab: Lab) => void): void {
  const reason = lab === null ? ' (needs the lab: root, namespaces, `npm test -- e2e`)' : ''
  describe.skipIf(lab === null)(`${name}${reason}`, () => body(lab ?? ABSENT))
}

/** One lab command: `labDo('cut', 'h1')`. @throws Error when it fails */
export async function labDo(...words: readonly string[]): Promise<string> {
  const ended = await finished(startLab(words))
  if (ended.exitCode !== 0) throw new Error(`lab ${words.join(' ')}: exit ${ended.exitCode}: ${ended.stderr}`)
  return ended.stdout
}

/** A shell script inside a host, as root, without SSH. Its exit code is a value. */
export async function inHost(host: string, text: string, options: { readonly stdin?: string | Buffer } = {}): Promise<Ended> {
  const child = startLab(['exec', host, 'bash', '-c', text])
  child.stdin?.on('error', () => {}) // the script may not read it
  child.stdin?.end(options.stdin ?? '')
  return finished(child)
}

/** The same, where a failure is a fault of the test: its output. */
export async function mustInHost(host: string, text: string, options: { readonly stdin?: string | Buffer } = {}): Promise<string> {
  const ended = await inHost(host, text, options)
  if (ended.exitCode !== 0) throw new Error(`on ${host}: exit ${ended.exitCode}: ${ended.stderr || ended.stdout}\n${text}`)
  return ended.stdout
}

function startLab(words: readonly string[]): ChildProcess {
  if (lab === null) throw new Error('no lab')
  return spawn(script, [...words], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, LAB_NAME: lab.name } })
}

export function finished(child: ChildProcess): Promise<Ended> {
  return new Promise((done, fail) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', fail)
    child.on('close', (code) =>
      done({ exitCode: code ?? -1, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }),
    )
  })
}
