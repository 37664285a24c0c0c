// The demo's application: one file without dependencies, and the scripts that start, stop and ask for it. Written into
// the demo's project as it is, built and shipped like anybody's. It dies at once on SIGTERM (Node's default), with
// requests in hand: without a drain they are lost, and that is what the demo is about.

/**
 * How a release behaves. `slow`: 3 of 100 requests take half a second longer, which no health check sees. `error`: answers
 * 500 everywhere. `crash`: ends while it starts. `stale`: names another release.
 */
export type AppBehaviour = 'good' | 'slow' | 'error' | 'crash' | 'stale'

/** Path in the artifact → text; scripts in bin/ want mode 0755. */
export function appFiles(version: string, behaviour: AppBehaviour): Readonly<Record<string, string>> {
  return { 'server.mjs': server(version, behaviour), 'bin/start': START, 'bin/stop': STOP, 'bin/status': STATUS }
}

function server(version: string, behaviour: AppBehaviour): string {
  return `// The demo app, ${version}. Its port and its release come from the environment.
import { createServer } from 'node:http'

const version = ${JSON.stringify(version)}
const behaviour = ${JSON.stringify(behaviour)}
const release = behaviour === 'stale' ? 'r0-00000000' : (process.env.ROLLGATE_RELEASE ?? 'unknown')

if (behaviour === 'crash') throw new Error('demo ' + version + ': the database migration is missing')

let count = 0
createServer((request, response) => {
  request.resume()
  const health = request.url === '/healthz'
  const status = behaviour === 'error' ? 500 : 200
  const body = (status === 200 ? 'hello from ' : 'broken: ') + version + '\\n'
  // 20 to 120 ms, as real work would take; the health check answers at once.
  if (!health) count += 1
  const more = behaviour === 'slow' && !health && count % 33 === 0 ? 500 : 0
  setTimeout(() => {
    response.writeHead(status, { 'content-type': 'text/plain', 'x-release': release, 'content-length': Buffer.byteLength(body) })
    response.end(body)
  }, health ? 0 : 20 + Math.random() * 100 + more)
}).listen(Number(process.env.PORT), '127.0.0.1')
`
}

// Zombies count as gone: in a container nobody may collect them. /proc first, because small images have no ps.
const ALIVE = `pid_file="$HOME/app.pid"
alive() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 1
  if [ -r "/proc/$1/stat" ]; then state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null); else state=$(ps -o stat= -p "$1" 2>/dev/null); fi
  case $state in '' | Z*) return 1 ;; esac
}
pid=$(cat "$pid_file" 2>/dev/null || true)`

const START = `#!/bin/sh
# Starts the app in the background; does nothing when it runs already.
set -eu
${ALIVE}
if alive "$pid"; then exit 0; fi
nohup node server.mjs >>"$HOME/app.log" 2>&1 </dev/null &
echo $! >"$pid_file"
`

const STOP = `#!/bin/sh
# Ends the app and returns when it is gone.
set -eu
${ALIVE}
tries=0
while alive "$pid"; do
  if [ "$tries" -lt 100 ]; then kill -TERM "$pid" 2>/dev/null || true; else kill -KILL "$pid" 2>/dev/null || true; fi
  tries=$((tries + 1))
  sleep 0.05
done
rm -f "$pid_file"
`

const STATUS = `#!/bin/sh
# 0 and the process id: it runs; 3: it does not.
set -eu
${ALIVE}
if alive "$pid"; then echo "$pid"; else exit 3; fi
`
