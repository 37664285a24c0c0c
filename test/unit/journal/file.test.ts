// The operator's journal: whole lines on disk before the effect, a torn last line tolerated, a newer format refused.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DurableEvent, Stamped } from '../../../src/domain/event.ts'
import { journalDirectory, listJournals, openJournal, parseJournal, readJournal } from '../../../src/journal/file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-journal-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const event = (seq: number): Stamped<DurableEvent> => ({
  version: 1,
  at: '2026-01-01T00:00:00.000Z',
  rollout: 'ab12',
  seq,
  type: 'step.started',
  step: `web-1/${'x'.repeat(seq)}\n`,
  attempt: 1,
})

test('events come back in the order in which they were appended, however fast', async () => {
  const journal = await openJournal(join(folder, 'deep/er'), 'ab12')
  await Promise.all(Array.from({ length: 50 }, (_, seq) => journal.append(event(seq))))
  await journal.close()
  expect(await readJournal(join(folder, 'deep/er'), 'ab12')).toEqual(Array.from({ length: 50 }, (_, seq) => event(seq)))
  expect(statSync(journal.path).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'deep/er')).mode & 0o777).toBe(0o700)
  expect(await listJournals(join(folder, 'deep/er'))).toEqual(['ab12'])
  expect(await listJournals(join(folder, 'nothing'))).toEqual([])
})

test('an event is on disk when append has resolved, and a journal goes on where it was left', async () => {
  const first = await openJournal(folder, 'ab12')
  await first.append(event(1))
  expect(readFileSync(first.path, 'utf8')).toBe(`${JSON.stringify(event(1))}\n`)
  await first.close()
  const second = await openJournal(folder, 'ab12')
  await second.append(event(2))
  await second.close()
  expect(await readJournal(folder, 'ab12')).toEqual([event(1), event(2)])
})

test('a last line torn at any byte is dropped, and nothing before it', () => {
  const text = `${JSON.stringify(event(1))}\n${JSON.stringify(event(2))}\n`
  const second = text.indexOf('\n') + 1
  for (let cut = second; cut < text.length - 1; cut += 1) expect(parseJournal(text.slice(0, cut), 'x')).toEqual([event(1)])
  expect(parseJournal(text, 'x')).toHaveLength(2)
})

test('damage in the middle, and a newer version, are refused and not guessed about', () => {
  const broken = () => parseJournal(`{"version":1\n${JSON.stringify(event(2))}\n${JSON.stringify(event(3))}\n`, 'x')
  expect(broken).toThrow('line 1 of the journal x')
  const newer = () => parseJournal(`{"version":2}\n${JSON.stringify(event(2))}\n`, 'x')
  expect(newer).toThrow(expect.objectContaining({ code: 'E_STATE_VERSION' }))
})

test('lies where the system keeps state, in a folder whose name cannot lead out of it', () => {
  expect(journalDirectory({ XDG_STATE_HOME: '/state' }, '/home/ada', 'shop')).toBe('/state/rollgate/shop/rollouts')
  expect(journalDirectory({ XDG_STATE_HOME: 'relative' }, '/home/ada', '../../etc')).toBe(
    '/home/ada/.local/state/rollgate/.._.._etc/rollouts',
  )
})
