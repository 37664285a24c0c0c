// Lays the package out as users install it: `node tools/pack.mjs FOLDER`. What package.json calls `files`, built now, and the
// checkout's libraries beside it. The tests run what lies there: what is tested is what is shipped.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = resolve(process.argv[2] ?? '')
const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
mkdirSync(folder, { recursive: true })
for (const path of ['package.json', ...files.filter((file) => file !== 'dist')])
  cpSync(join(root, path), join(folder, path), { recursive: true })
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
const built = spawnSync(process.execPath, [join(root, 'tools', 'build.mjs'), '--out', join(folder, 'dist')], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(built.status ?? 1)
