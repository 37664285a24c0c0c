// The operator's journal: one JSON object a line, appended and flushed to disk before the effect it announces. A torn
// last line (the machine died while writing) is dropped on reading; a newer format is refused.
import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RollgateError } from '../domain/error.ts'
import type { DurableEvent, Stamped } from '../domain/event.ts'

export type JournalFile = { append(event: Stamped<DurableEvent>): Promise<void>; close(): Promise<void>; readonly path: string }

/** Where rollouts of an app are kept: `$XDG_STATE_HOME/rollgate/APP/rollouts`, mode 0700. */
export function journalDirectory(env: Readonly<Record<string, string | undefined>>, home: string, app: string): string {
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : join(home, '.local', 'state')
  return join(state, 'rollgate', app.replace(/[^A-Za-z0-9._-]/g, '_'), 'rollouts')
}

/** Opens (and makes, mode 0600) the journal of a rollout. Appends are written one after the other, each fsynced. */
export async function openJournal(directory: string, rollout: string): Promise<JournalFile> {
  const path = join(directory, `${rollout}.jsonl`)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'a', 0o600)
  let tail: Promise<void> = Promise.resolve()
  return {
    path,
    append(event) {
      const write = tail.then(async () => {
        await file.appendFile(`${JSON.stringify(event)}\n`)
        await file.datasync()
      })
      // The queue itself must survive a failed write; its caller still sees the failure.
      tail = write.catch(() => undefined)
      return write
    },
    async close() {
      await tail
      await file.close()
    },
  }
}

/** @throws RollgateError E_STATE_VERSION for a newer format; E_BUG for a line in the middle that is no JSON */
export function parseJournal(text: string, name: string): readonly Stamped<DurableEvent>[] {
  const lines = text.split('\n')
  const events: Stamped<DurableEvent>[] = []
  for (const [index, line] of lines.entries()) {
    if (line === '') continue
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (cause) {
      if (index >= lines.length - 2) break
      throw new RollgateError('E_BUG', `line ${index + 1} of the journal ${name} cannot be read`, { cause })
    }
    if (typeof value !== 'object' || value === null || !('version' in value)) continue
    if (value.version !== 1) {
      throw new RollgateError('E_STATE_VERSION', `the journal ${name} was written by a newer version of rollgate`, {
        hints: ['update rollgate on this machine'],
      })
    }
    // Written by ourselves, version checked: the shape is what append() was given.
    events.push(value as Stamped<DurableEvent>)
  }
  return events
}

export async function readJournal(directory: string, rollout: string): Promise<readonly Stamped<DurableEvent>[]> {
  return parseJournal(await readFile(join(directory, `${rollout}.jsonl`), 'utf8'), rollout)
}

/** Ids of the rollouts journalled here, in no order. */
export async function listJournals(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.jsonl')).map((name) => name.slice(0, -'.jsonl'.length))
  } catch {
    return []
  }
}
