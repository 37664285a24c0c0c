// What is shipped: built, with nothing of the sources, and run by users' own Node.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aPlace, filesLoaded, type Place, root, run } from './cli.ts'

let folder: string
let place: Place
const shipped = (...args: readonly string[]) => run(args, place, { bin: join(folder, 'bin/run.js') })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-package-'))
  place = aPlace()
  execFileSync(process.execPath, [join(root, 'tools/pack.mjs'), folder], { stdio: 'inherit' })
})
afterAll(() => {
  place.remove()
  rmSync(folder, { recursive: true, force: true })
})

const built = (): readonly string[] => readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })

test('holds what is started, on its own threads and on other hosts too, and no TypeScript', () => {
  expect(built()).toEqual(
    expect.arrayContaining([
      'main.js',
      'closed-worker.js',
      'null-target.js',
      'demo-thread.js',
      'generator.cjs',
      'THIRD-PARTY-LICENSES.txt',
    ]),
  )
  expect(built().filter((file) => file.endsWith('.ts'))).toEqual([])
})

test('imports nothing that is not shipped or installed with it', () => {
  const { dependencies }: { readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  )
  const imported = built()
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => {
      const text = readFileSync(join(folder, 'dist', file), 'utf8')
      return [...text.matchAll(/^(?:import|export)\b[^'"\n]*["']([^"'\n]+)["'];?$|\bimport\(\s*["']([^"'\n]+)["']\s*\)/gm)].map(
        ([, statically, later]) => statically ?? later ?? '',
      )
    })
  expect(imported.length).toBeGreaterThan(300)
  const wrong = [...new Set(imported)].filter((name) => {
    if (name.startsWith('./')) return !existsSync(join(folder, 'dist', name))
    if (name.startsWith('node:') || builtinModules.includes(name)) return false
    return !Object.keys(dependencies).some((dependency) => name === dependency || name.startsWith(`${dependency}/`))
  })
  expect(wrong).toEqual([])
})

test('loads of the bundle what a command needs', async () => {
  const loaded = async (...args: readonly string[]): Promise<number> => {
    const urls = await filesLoaded(join(folder, 'bin/run.js'), place, args)
    const files = urls.filter((url) => url.includes('/dist/')).map((url) => url.replace(/^.*\/dist\//, ''))
    expect(files).toContain('main.js')
    return files.reduce((sum, file) => sum + statSync(join(folder, 'dist', file)).size, 0)
  }
  const all = built().reduce((sum, file) => sum + (file.endsWith('.js') ? statSync(join(folder, 'dist', file)).size : 0), 0)
  expect(await loaded('--version')).toBeLessThan(all / 100)
  expect(await loaded('--help')).toBeLessThan(all / 20)
  expect(await loaded('deploy', '--help')).toBeLessThan(all / 3)
})

test('says whose code is bundled along, and under which terms', () => {
  const text = readFileSync(join(folder, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
  for (const name of ['zod', 'yaml', '@oclif/core', 'listr2']) expect(text).toMatch(new RegExp(`^${name} \\d.*: [A-Z]`, 'm'))
})

test('answers as the sources do', async () => {
  for (const args of [['--version'], ['--help'], ['deploy', '--help'], ['config', 'schema']])
    expect(await shipped(...args)).toEqual(await run(args, place, { bin: join(root, 'bin/dev.js') }))
  const refused = await shipped('status', '--json')
  expect(refused.code).toBe(2)
  expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'E_CONFIG_MISSING' } })
})

test('holds what its commands read: templates and schemas', () => {
  for (const path of [
    'templates/rollgate.schema.json',
    'templates/systemd.service',
    'templates/schemas/status.json',
    'docs/configuration.md',
  ])
    expect(existsSync(join(folder, path)), path).toBe(true)
})
