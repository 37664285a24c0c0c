// Compiles src to dist, types checked: a build with a type error fails. `--out FOLDER` builds elsewhere, so that a test can
// look at what is shipped while the checkout goes on running its sources (a `dist` here would be run instead of them).
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = process.argv.indexOf('--out')
const out = at === -1 ? join(root, 'dist') : resolve(process.argv[at + 1] ?? 'dist')
// The checkout's own Node: the compiler wants a newer one than a machine may have.
const own = join(root, 'node_modules', '.bin', 'node')
const node = existsSync(own) ? own : process.execPath

rmSync(out, { recursive: true, force: true })
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const tsc = spawnSync(node, [compiler, '-p', 'tsconfig.build.json', '--outDir', out], { cwd: root, stdio: 'inherit' })
if (tsc.error) process.stderr.write(`rollgate: the compiler could not be started: ${tsc.error.message}\n`)
if (tsc.status !== 0) process.exit(tsc.status ?? 1)
// What runs on hosts that send load is one file.
const generator = spawnSync(node, [join(root, 'tools', 'build-generator.mjs'), '--out', join(out, 'generator.cjs')], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(generator.status ?? 1)
