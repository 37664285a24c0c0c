// What `npm run demo` runs, on any Node and with no node_modules: sets the checkout up, then shows the demo on the
// checkout's own Node. Not a `predemo` script: .npmrc forbids install scripts, and npm leaves pre- and post-scripts out too.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import './setup.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// Hosts, users and the one who measures are one process here: the collector may not stop it for long (decision 97).
const short = ['--single-threaded-gc', '--semi-space-growth-factor=1']
const words = [...short, join(root, 'bin', 'dev.js'), 'demo', ...process.argv.slice(2)]
const child = spawn(join(root, 'node_modules', '.bin', 'node'), words, { stdio: 'inherit' })
// The terminal sends Ctrl-C to both; the demo decides what it means.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.once('error', (error) => {
  process.stderr.write(`rollgate: ${error.message}\n`)
  process.exit(1)
})
child.once('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
