// README's commands, in the order in which a newcomer types them, against a fleet of the sandbox: each ends as README says,
// and every command that README shows is one of those that are tried here.
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startSandbox } from '../../../src/sandbox/fleet.ts'
import { writeDemoProject } from '../../../src/sandbox/project.ts'
import { temporaryFolder } from '../sandbox/helpers.ts'
import { aPlace, root, run } from './cli.ts'

const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** Lines of the shell blocks, without what stands behind a #. */
function shown(): readonly string[] {
  return [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((block) =>
    (block[1] ?? '').split('\n').flatMap((line) => {
      const command = line.replace(/\s+#.*$/, '').trim()
      return command === '' ? [] : [command]
    }),
  )
}

test('the smallest configuration of README is valid', async () => {
  const place = aPlace()
  onTestFinished(() => place.remove())
  const blocks = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map((block) => block[1] ?? '')
  expect(blocks.length).toBeGreaterThan(0)
  for (const [index, text] of blocks.entries()) {
    const folder = join(place.directory, `block-${index}`)
    await mkdir(folder)
    await writeFile(join(folder, 'rollgate.yml'), text)
    const result = await run(['config', 'validate'], place, { cwd: folder })
    expect(result.code, `${text}\n${result.stdout}${result.stderr}`).toBe(0)
  }
})

test('the five minutes of README work, command by command', async () => {
  const place = aPlace()
  onTestFinished(() => place.remove())
  const folder = temporaryFolder()
  const fleet = await startSandbox({ hosts: 2, directory: join(folder, 'sandbox'), signal: new AbortController().signal })
  onTestFinished(() => fleet.stop())
  const project = await writeDemoProject(join(folder, 'project'), fleet)
  await project.setProbe(false)
  await copyFile(fleet.sshConfigPath, join(project.directory, 'ssh_config'))

  /** How each ends; before it, what somebody would have done in between. */
  const steps: readonly (readonly [string, number, (() => Promise<void>)?])[] = [
    // There is a configuration already, and no terminal to ask on: nothing is overwritten.
    ['rollgate init', 2],
    ['rollgate check', 0],
    ['rollgate setup', 0],
    ['rollgate plan', 0],
    ['rollgate deploy', 0],
    ['rollgate status', 0],
    ['rollgate deploy --yes --json --events events.ndjson', 0, () => project.setVersion('v2', 'good')],
    ['rollgate rollback', 0],
  ]
  const tried = new Set(steps.map(([command]) => command))
  const others = new Set(['npm run demo', 'npm ci', 'npx rollgate --version'])
  const load = 'rollgate load --url http://127.0.0.1:8080/ --rate 100/s --duration 30s --threshold "p95 < 300ms"'
  expect(shown().filter((command) => !tried.has(command) && !others.has(command) && command !== load)).toEqual([])

  // The same words with a port where nobody listens: no measurement.
  const measured = await run(
    [
      ...load
        .split(' ')
        .slice(1, 4)
        .map((word) => word.replace(':8080', ':1')),
      '--rate',
      '100/s',
      '--duration',
      '1s',
      '--threshold',
      'p95 < 300ms',
    ],
    place,
  )
  expect(measured.code, measured.stderr).toBe(11)

  for (const [command, code, before] of steps) {
    await before?.()
    const result = await run(command.split(' ').slice(1), place, { cwd: project.directory })
    expect(result.code, `${command}\n${result.stdout}\n${result.stderr}`).toBe(code)
  }
})
