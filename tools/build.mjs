// Builds what is shipped: types checked (a build with a type error fails), then every source bundled into `dist`, with what is
// slow to load in its many files (zod, yaml) bundled along. What only some commands need stays in files of its own, loaded
// when it is asked for. `--out FOLDER` builds elsewhere: a `dist` here would be run instead of the sources.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = process.argv.indexOf('--out')
const out = at === -1 ? join(root, 'dist') : resolve(process.argv[at + 1] ?? 'dist')
// The checkout's own Node: the compiler wants a newer one than a machine may have.
const own = join(root, 'node_modules', '.bin', 'node')
if (existsSync(own) && process.env.ROLLGATE_BUILD !== '1') {
  const again = spawnSync(own, process.argv.slice(1), { cwd: root, stdio: 'inherit', env: { ...process.env, ROLLGATE_BUILD: '1' } })
  process.exit(again.status ?? 1)
}

const run = (...words) => {
  const { status, error } = spawnSync(process.execPath, words, { cwd: root, stdio: 'inherit' })
  if (error) process.stderr.write(`rollgate: ${words[0]} could not be started: ${error.message}\n`)
  if (status !== 0) process.exit(status ?? 1)
}

rmSync(out, { recursive: true, force: true })
run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--noEmit')
const { rolldown } = await import('rolldown')
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
// Loaded by every command that reads a configuration.
const bundled = ['zod', 'yaml', '@oclif/core', 'listr2', 'execa', '@inquirer/prompts']
const apart = Object.keys(dependencies).filter((name) => !bundled.includes(name))
const source = (path) => join(root, 'src', `${path}.ts`)
const bundle = await rolldown({
  // The program, and what threads of their own start with (src/domain/shipped.ts).
  input: {
    main: source('main'),
    'closed-worker': source('load/closed-worker'),
    'null-target': source('load/null-target'),
    'demo-thread': source('app/demo-thread'),
  },
  platform: 'node',
  logLevel: 'warn',
  external: (id) => apart.some((name) => id === name || id.startsWith(`${name}/`)),
})
// Not minified: where something threw can be read.
const { output } = await bundle.write({ dir: out, format: 'esm', comments: false, chunkFileNames: '[name]-[hash].js' })
await bundle.close()
writeFileSync(join(out, 'THIRD-PARTY-LICENSES.txt'), licences(output.flatMap((chunk) => chunk.moduleIds ?? [])))
// What runs on hosts that send load is one file.
run(join(root, 'tools', 'build-generator.mjs'), '--out', join(out, 'generator.cjs'))

/** Whose code is in the bundle, and under which terms. */
function licences(files) {
  const folders = new Set(files.flatMap((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? []))
  const about = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    if (texts.length === 0 && typeof license !== 'string') throw new Error(`${name} says nothing about its licence and cannot be shipped`)
    return `${name} ${version}: ${license}\n\n${texts.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')}\n`
  })
  return about.sort().join(`\n${'-'.repeat(80)}\n\n`)
}
