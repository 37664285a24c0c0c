// The end of a rollout on one host: words, history, pruning, the ledger closed last; and nothing of it half.
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { HostPort } from '../../../src/domain/ports.ts'
import { SHELLS, temporaryFolder } from '../stage/harness.ts'
import { activate, hostOn, NEW, OLD, play, withReleases } from './port.ts'

const never = new AbortController().signal
const closing = (more: Partial<Parameters<HostPort['finish']>[1]> = {}): Parameters<HostPort['finish']>[1] => ({
  outcome: 'succeeded',
  succeeded: NEW,
  failed: null,
  keep: 1,
  protect: [],
  summary: JSON.stringify({ version: 1, rollout: 'ab12cd34', intent: 'deploy', release: NEW, outcome: 'succeeded', note: "it's $(x)" }),
  ...more,
})

describe.each(SHELLS)('the end of a rollout with the tools of %s', (shell) => {
  test('marks the release, writes history, removes the old one and closes the ledger', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    writeFileSync(layout.outcome(OLD), 'succeeded\n')
    await play(port, [activate(NEW)])
    expect(await port.finish('ab12cd34', closing(), never)).toEqual([OLD])
    expect(readFileSync(layout.outcome(NEW), 'utf8')).toBe('succeeded\n')
    expect(readdirSync(layout.releases)).toEqual([NEW])
    const line = JSON.parse(readFileSync(layout.history, 'utf8')) as Record<string, unknown>
    expect(line).toMatchObject({ rollout: 'ab12cd34', note: "it's $(x)", at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) })
    expect((await port.readLedger(never)).at(-1)).toMatchObject({ rollout: 'ab12cd34', step: '-', state: 'closed', detail: 'succeeded' })
  })

  test('keeps what a rollback goes to, and what is live', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    for (const id of [OLD, NEW]) writeFileSync(layout.outcome(id), 'succeeded\n')
    symlinkSync(layout.release(OLD), layout.current)
    expect(await port.finish('ab12cd34', closing({ succeeded: null, failed: NEW, outcome: 'rolled-back' }), never)).toEqual([])
    expect(readFileSync(layout.outcome(NEW), 'utf8')).toBe('failed\n')
    expect(await port.finish('ab12cd35', closing({ succeeded: null, protect: [NEW] }), never)).toEqual([])
    expect(readdirSync(layout.releases).sort()).toEqual([OLD, NEW])
  })

  test('gives no word to a release of another tool’s, and closes its rollout all the same', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    await port.finish('ab12cd34', closing({ succeeded: '20240101120000' }), never)
    expect(readdirSync(join(layout.state, 'releases')).filter((name) => name.startsWith('2024'))).toEqual([])
    expect((await port.readLedger(never)).at(-1)?.state).toBe('closed')
  })

  test('cuts a ledger that has grown, and none of the last entries', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    const entry = '1\t5\t0\told\tweb-1/restart\tdone\t-\t.\n'
    writeFileSync(layout.ledger, entry.repeat(9_000))
    await port.finish('ab12cd34', closing(), never)
    const entries = await port.readLedger(never)
    expect(entries).toHaveLength(500)
    expect(entries.at(-1)).toMatchObject({ rollout: 'ab12cd34', state: 'closed' })
  })

  test('a torn last line never becomes part of the next entry', async () => {
    using scratch = temporaryFolder()
    const { port, layout } = hostOn(shell, scratch.path)
    withReleases(layout)
    writeFileSync(layout.ledger, '1\t5\t0\told\tweb-1/restart\tsta')
    await port.note('ab12cd34', 'web-1/drain', 'started', 'was-in', never)
    expect(await port.readLedger(never)).toMatchObject([{ rollout: 'ab12cd34', step: 'web-1/drain', state: 'started', detail: 'was-in' }])
  })
})
