// Bundles the generator for other hosts (src/load/agent.ts) into one CommonJS file: `--out FILE` [dist/generator.cjs]. It is read
// from standard input there (src/drivers/generator.ts), so it can be no ES module and needs nothing beside it. rolldown
// comes with vitest; what users install holds the finished file.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = process.argv.indexOf('--out')
const file = at === -1 ? join(root, 'dist', 'generator.cjs') : resolve(process.argv[at + 1] ?? '')
const input = join(root, 'src', 'load', 'agent.ts')
if (!existsSync(input)) throw new Error(`${input} is not there: this is no checkout`)

const bundle = await rolldown({ input, platform: 'node', logLevel: 'warn' })
// Not minified: an error on somebody's host names the function that threw it.
await bundle.write({ file, format: 'cjs', codeSplitting: false, exports: 'named', comments: false })
await bundle.close()
