// The demo's project on disk: what somebody would have in their repository. The app, a rollgate.yml and the OpenSSH
// configuration beside it. The same folder is moved from version to version, as a checkout would be.
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type AppBehaviour, appFiles } from './app.ts'
import { sandboxConfig } from './config-text.ts'
import type { Sandbox } from './fleet.ts'

export type DemoProject = {
  readonly directory: string
  readonly configFile: string
  /** Replaces the app by another version of it. */
  setVersion(version: string, behaviour: AppBehaviour): Promise<void>
  /** With or without `rollout.probe`. A first deploy has nobody to answer it. */
  setProbe(on: boolean): Promise<void>
  /** With or without the load gate at the canary [without]. */
  setGate(on: boolean): Promise<void>
}

/** What a project needs to know of its fleet. */
export type DemoFleet = Pick<Sandbox, 'hosts' | 'balancerHost' | 'entryUrl' | 'releaseRoot' | 'sshConfigPath'> & {
  readonly balancer: { readonly apiPort: number }
}

/** Writes the project with the app's v1, in good health, and the probe on. */
export async function writeDemoProject(directory: string, sandbox: DemoFleet): Promise<DemoProject> {
  const configFile = join(directory, 'rollgate.yml')
  const guards = { probe: true, gate: false }
  const configure = (): Promise<void> => writeFile(configFile, sandboxConfig(sandbox, guards))
  const project: DemoProject = {
    directory,
    configFile,
    async setVersion(version, behaviour) {
      const root = join(directory, 'app')
      await rm(root, { recursive: true, force: true })
      for (const [path, text] of Object.entries(appFiles(version, behaviour))) {
        const file = join(root, path)
        await mkdir(dirname(file), { recursive: true })
        await writeFile(file, text, { mode: path.startsWith('bin/') ? 0o755 : 0o644 })
      }
    },
    setProbe(on) {
      guards.probe = on
      return configure()
    },
    setGate(on) {
      guards.gate = on
      return configure()
    },
  }
  await mkdir(directory, { recursive: true })
  await copyFile(sandbox.sshConfigPath, join(directory, 'ssh_config'))
  await configure()
  await project.setVersion('v1', 'good')
  return project
}
