// Where the sources stand, for the record: commit, branch, changed files, author. Never a reason to fail: no git, no
// repository or a broken one all mean "unknown".
import type { Revision } from '../../domain/release.ts'
import { runLocal } from '../process.ts'

/** null where it cannot be known. */
export async function revisionOf(directory: string, signal: AbortSignal): Promise<Revision | null> {
  const log = await git(directory, ['log', '-1', '--format=%H%x00%an%x00%s', 'HEAD', '--'], signal)
  const [commit, author, subject] = log?.replace(/\n$/, '').split('\0') ?? []
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)) return null
  const [branch, status] = await Promise.all([
    git(directory, ['symbolic-ref', '--quiet', '--short', 'HEAD'], signal),
    git(directory, ['status', '--porcelain', '--untracked-files=normal', '--', '.'], signal),
  ])
  const name = branch?.trim()
  return {
    commit,
    ...(name ? { branch: name } : {}),
    // Not knowing counts as changed: nobody should trust the commit then.
    dirty: status === null || status !== '',
    author: author ?? '',
    subject: subject ?? '',
  }
}

/** Absolute-free names of the files git keeps in a folder; null where there is no repository. */
export async function trackedFiles(directory: string, signal: AbortSignal): Promise<readonly string[] | null> {
  const list = await git(directory, ['ls-files', '-z', '--', '.'], signal)
  return list === null ? null : list.split('\0').filter((name) => name !== '')
}

async function git(directory: string, args: readonly string[], signal: AbortSignal): Promise<string | null> {
  try {
    // Optional locks off: looking must not disturb a git command that runs at the same time.
    const env = { ...process.env, GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' }
    const result = await runLocal(
      { argv: ['git', ...args] },
      { cwd: directory, env, signal, timeoutMs: 10_000, maxOutputBytes: 16 * 1024 * 1024 },
    )
    return result.exitCode === 0 && !result.truncated ? result.stdout : null
  } catch (error) {
    if (signal.aborted) throw error
    return null
  }
}
