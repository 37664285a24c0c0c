// The demo's project as our own configuration reads it, and as a person's `ssh` would use it.
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { appHosts } from '../../../src/domain/config.ts'
import { startSandbox } from '../../../src/sandbox/fleet.ts'
import { writeDemoProject } from '../../../src/sandbox/project.ts'
import { quote } from '../../../src/util/shell.ts'
import { temporaryFolder } from './helpers.ts'

async function project(hosts = 3, folder = temporaryFolder()) {
  const sandbox = await startSandbox({ hosts, directory: join(folder, 'sandbox'), signal: new AbortController().signal })
  onTestFinished(() => sandbox.stop())
  return { sandbox, project: await writeDemoProject(join(folder, 'project'), sandbox) }
}

const load = (directory: string) => loadConfig({ cwd: directory, env: {}, requireEnvironment: true })

describe('the demo’s rollgate.yml', () => {
  test('is a valid configuration of this very sandbox', async () => {
    const { sandbox, project: demo } = await project()
    const { config } = await load(demo.directory)
    expect(config.file).toBe(demo.configFile)
    expect(appHosts(config).map(({ name }) => name)).toEqual(['web-1', 'web-2', 'web-3'])
    expect(config.release.root).toBe(sandbox.releaseRoot)
    expect(config.ssh.config).toBe(join(demo.directory, 'ssh_config'))
    expect(config.defaults.service).toMatchObject({ kind: 'command', start: './bin/start', stop: './bin/stop', status: './bin/status' })
    expect(config.defaults.health).toMatchObject({
      check: { kind: 'http', port: 8080, path: '/healthz' },
      version: { kind: 'header', name: 'x-release' },
    })
    expect(config.defaults.balancers).toMatchObject([
      { kind: 'haproxy', hosts: ['lb-1'], backend: 'demo', socket: `127.0.0.1:${sandbox.balancer.apiPort}` },
    ])
    expect(config.rollout.probe).toMatchObject({ url: sandbox.entryUrl, ratePerSecond: 20, maxFailed: 0 })
    expect(config.rollout.steps.map((step) => step.kind)).toEqual(['deploy', 'deploy', 'deploy'])
  })

  test('is what the sandbox says of itself', async () => {
    const { sandbox, project: demo } = await project(1)
    expect(readFileSync(demo.configFile, 'utf8')).toBe(sandbox.configText)
  })

  test('the probe can be left out for a first deploy, and nothing else changes', async () => {
    const { sandbox, project: demo } = await project(1)
    await demo.setProbe(false)
    expect((await load(demo.directory)).config.rollout.probe).toBeNull()
    await demo.setProbe(true)
    expect(readFileSync(demo.configFile, 'utf8')).toBe(sandbox.configText)
  })
})

describe('the project', () => {
  test('moves from version to version, and only the app changes', async () => {
    const { project: demo } = await project(1)
    const app = () => readFile(join(demo.directory, 'app', 'server.mjs'), 'utf8')
    const first = await app()
    expect(first).toContain('"v1"')
    await demo.setVersion('v2', 'good')
    expect(await app()).toBe(first.replaceAll('v1', 'v2'))
    await demo.setVersion('v3', 'error')
    expect(await app()).toContain('const behaviour = "error"')
    for (const script of ['start', 'stop', 'status']) {
      expect(statSync(join(demo.directory, 'app', 'bin', script)).mode & 0o777).toBe(0o755)
    }
  })

  const installed = spawnSync('ssh', ['-V']).error === undefined
  test.skipIf(!installed)('works in a folder whose name has blanks, quotes, per cent signs and dollars', async () => {
    const folder = join(temporaryFolder(), "it's 100%h $HOME")
    const { sandbox, project: demo } = await project(1, folder)
    const { config } = await load(demo.directory)
    expect(config.release.root).toBe(sandbox.releaseRoot)
    const command = `mkdir ${quote(sandbox.releaseRoot)} && cd ${quote(sandbox.releaseRoot)} && pwd -P`
    const { stdout } = await promisify(execFile)('ssh', ['-F', join(demo.directory, 'ssh_config'), 'web-1', command])
    expect(stdout).toBe(`${sandbox.releaseRoot}\n`)
    expect(statSync(join(sandbox.hosts[0]?.folder ?? '', 'app')).isDirectory()).toBe(true)
  })
})
