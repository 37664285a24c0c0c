// If the sandbox's own process is killed the hard way (kill -9, out of memory, a closed laptop's terminal), nobody is
// left to end the apps it started. A small shell waits for that: it reads a pipe that only this process holds, and when
// the pipe ends without the word `released` it ends everything that carries the sandbox's mark.
import { spawn } from 'node:child_process'
import { MARK } from './processes.ts'

export type Guard = {
  /** The sandbox has ended everything itself. */
  release(): Promise<void>
}

// Twice: asked first, forced a second later. The mark is an argument: the shell must not carry it in its environment.
const SCRIPT = `trap '' HUP INT TERM
read -r word
[ "$word" = released ] && exit 0
marked() {
  if [ -d /proc/self ]; then
    for each in /proc/[0-9]*; do
      tr '\\0' '\\n' <"$each/environ" | grep -qxF "$1" && echo "\${each#/proc/}"
    done
  else
    ps -axEww -o pid=,command= | grep -F "$1" | awk '{ print $1 }'
  fi 2>/dev/null
}
for signal in TERM KILL; do
  for pid in $(marked "$1"); do [ "$pid" = "$$" ] || kill -"$signal" "$pid" 2>/dev/null; done
  sleep 1
done`

export function startGuard(mark: string): Guard {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'rollgate-sandbox-guard', `${MARK}=${mark}`], {
    cwd: '/',
    // Its own session: Ctrl-C at the terminal is not for it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = new Promise<void>((done) => {
    child.on('exit', () => done())
    child.on('error', () => done())
  })
  child.stdin.on('error', () => {})
  child.unref()
  return {
    release: () => {
      child.ref()
      child.stdin.end('released\n')
      return ended
    },
  }
}
