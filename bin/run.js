#!/usr/bin/env node
// What users start. Checks Node before anything that needs it is loaded; this file must stay readable by any Node.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const at = (path) => fileURLToPath(new URL(path, import.meta.url))

if (major < 22 || (major === 22 && minor < 19)) {
  // A checkout brings its own Node (tools/node); a user's installation does not.
  const own = at('../node_modules/.bin/node')
  const said = `rollgate needs Node 22.19 or newer, this is ${process.versions.node}`
  if (process.env.ROLLGATE_REEXEC !== '1' && existsSync(at('../tools/node/package.json')) && existsSync(own)) {
    process.stderr.write(`${said}: going on with the checkout's own Node\n`)
    const result = spawnSync(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { ...process.env, ROLLGATE_REEXEC: '1' },
    })
    if (result.signal) process.kill(process.pid, result.signal)
    process.exitCode = result.status ?? 1
  } else {
    process.stderr.write(`${said}\n`)
    process.exitCode = 2
  }
} else if (existsSync(at('../dist/main.js'))) {
  await (await import('../dist/main.js')).main(import.meta.url)
} else {
  await import('./dev.js')
}
