// Who holds the fleet: the live lease, an unfinished rollout, and what each host says of its lease.
import type { LockDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { nextLines } from './text-rollout.ts'
import { duration, oneLine, when } from './words.ts'

export type LockText = LockDocument

export function lockText(document: LockDocument, style: Style): readonly string[] {
  const { lock, unfinished, released } = document
  if (released) return [`${style.green('✔')} the lock is free; whoever held it is refused by every host from now on`]
  const lines: string[] = []
  if (lock !== null) {
    lines.push(
      `${style.yellow('!')} held by ${oneLine(lock.holder, 200)}, rollout ${oneLine(lock.rollout, 40)}, since ${when(lock.since)}, last heartbeat ${duration(lock.heartbeatAgeMs)} ago`,
    )
  }
  if (unfinished !== null) {
    lines.push(
      `${style.yellow('!')} rollout ${oneLine(unfinished.rollout, 40)} is not finished: ${oneLine(unfinished.phase, 200)}`,
      ...nextLines(unfinished.next, style),
    )
  }
  if (lock === null && unfinished === null) lines.push(`${style.green('✔')} nobody holds the lock`)
  const rows = document.hosts
    .filter((host) => host.holder !== null)
    .map((host) => [
      oneLine(host.name, 100),
      String(host.epoch),
      host.live ? style.yellow('held') : style.dim('free'),
      oneLine(host.holder ?? '', 200),
      oneLine(host.command ?? '', 40),
      host.live ? `ends in ${duration(host.leftMs)} without a heartbeat` : '',
    ])
  const columns = ['host', 'epoch', 'lease', 'holder', 'command', ''].map((title) => ({ title }))
  return rows.length === 0 ? lines : [...lines, '', ...table(columns, rows, style)]
}
