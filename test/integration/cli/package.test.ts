// What is shipped: compiled, with nothing of the sources, and run by users' own Node.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aPlace, type Place, root, run } from './cli.ts'

let folder: string
let place: Place
const shipped = (...args: readonly string[]) => run(args, place, { bin: join(folder, 'bin/run.js') })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-package-'))
  place = aPlace()
  execFileSync(process.execPath, [join(root, 'tools/build.mjs'), '--out', join(folder, 'dist')], { stdio: 'inherit' })
  const { files }: { readonly files: readonly string[] } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const path of ['package.json', ...files.filter((file) => file !== 'dist')]) {
    expect(existsSync(join(root, path)), `${path} is to be shipped and is not there`).toBe(true)
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    if (path.includes('.')) copyFileSync(join(root, path), join(folder, path))
    else cpSync(join(root, path), join(folder, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => {
  place.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('holds every source as JavaScript, and no TypeScript', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
  )
  const built = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })
  expect(built.filter((file) => file.endsWith('.js')).toSorted()).toEqual(sources.map((file) => file.replace(/\.ts$/, '.js')).toSorted())
  expect(built.filter((file) => file.endsWith('.ts'))).toEqual([])
  // What hosts run that send load: whole, with nothing beside it.
  expect(built).toContain('generator.cjs')
})

test('imports nothing that is not shipped', () => {
  const built = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
  const wrong = built.filter((file) => /(?:from|import)\s*\(?'\.[^']*\.ts'/.test(readFileSync(join(folder, 'dist', file), 'utf8')))
  expect(wrong).toEqual([])
})

test('answers as the sources do', async () => {
  for (const args of [['--version'], ['--help'], ['deploy', '--help'], ['config', 'schema']])
    expect(await shipped(...args)).toEqual(await run(args, place))
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
