// Every process that a sandbox started, so that nothing survives it: the groups of its shells, and whatever left its
// group (setsid, daemons) but still carries the sandbox's mark in its environment or works inside its folder. Careful
// about process numbers that the system gave to somebody else in the meantime: an emptied group is forgotten within a
// second, and a number found by the mark is used at once.
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'

export const MARK = 'ROLLGATE_SANDBOX'

export type Processes = {
  /** A shell that leads its own process group. */
  add(groupId: number): void
  /** Process ids alive now that belong to this sandbox. */
  alive(): Promise<readonly number[]>
  /** Ends all of them: SIGTERM, and SIGKILL after `graceMs`. */
  endAll(graceMs: number): Promise<void>
}

/** @param directory real path; processes that work inside it are ours too */
export function trackProcesses(mark: string, directory: string): Processes {
  const groups = new Set<number>()
  const forgetEmpty = () => {
    for (const group of groups) if (!send(-group, 0)) groups.delete(group)
  }
  const timer = setInterval(forgetEmpty, 1000).unref()
  const alive = () => findMarked(mark, directory)
  return {
    add: (groupId) => groups.add(groupId),
    alive,
    async endAll(graceMs) {
      clearInterval(timer)
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        forgetEmpty()
        for (const group of groups) send(-group, signal)
        for (const pid of await alive()) send(pid, signal)
        const deadline = performance.now() + graceMs
        while (performance.now() < deadline && (await alive()).length > 0) await new Promise((done) => setTimeout(done, 20))
      }
      groups.clear()
    },
  }
}

function send(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, signal)
    return true
  } catch (error) {
    // EPERM: there is one, and it is not ours.
    return signal === 0 && error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function findMarked(mark: string, directory: string): Promise<readonly number[]> {
  const found = process.platform === 'linux' ? await fromProc(mark, directory) : await fromPs(mark)
  return found.filter((pid) => pid !== process.pid)
}

async function fromProc(mark: string, directory: string): Promise<readonly number[]> {
  const found: number[] = []
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  await Promise.all(
    pids.map(async (pid) => {
      // Others' processes cannot be read, ended ones (zombies too) are empty: both are none of ours.
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      const marked = environment.split('\0').includes(`${MARK}=${mark}`)
      if (marked || folder === directory || folder.startsWith(`${directory}/`)) found.push(Number(pid))
    }),
  )
  return found
}

/** macOS and the BSDs: shows the environment behind the command, for processes of one's own. */
function fromPs(mark: string): Promise<readonly number[]> {
  const environmentToo = process.platform === 'darwin' ? '-axEww' : '-axeww'
  return new Promise((done) => {
    execFile('ps', [environmentToo, '-o', 'pid=,stat=,command='], { maxBuffer: 64 << 20 }, (_error, stdout) => {
      const lines = String(stdout)
        .split('\n')
        .filter((line) => line.includes(`${MARK}=${mark}`))
      done(lines.flatMap((line) => (/^\s*(\d+)\s+[^Z]/.test(line) ? [Number.parseInt(line, 10)] : [])))
    })
  })
}
