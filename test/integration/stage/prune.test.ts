// Which releases go, and that nothing else does.
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Layout, layoutOf } from '../../../src/domain/layout.ts'
import { pruneScript } from '../../../src/drivers/stage/prune.ts'
import { stdinScript } from '../../../src/util/shell.ts'
import { SHELLS, type ShellKind, shellConnection, temporaryFolder } from './harness.ts'
import { plant } from './world.ts'

const idOf = (counter: number): string => `r${counter}-${'0123456789abcdef'[counter % 16]?.repeat(8)}`

/** Releases as a host has them: `s` succeeded, `f` failed, `-` staged only; numbered from 1. */
function rootWith(scratch: string, outcomes: string): Layout {
  const layout = layoutOf(join(scratch, "sr v'/shop"))
  mkdirSync(join(layout.state, 'releases'), { recursive: true })
  for (const [index, outcome] of [...outcomes].entries()) {
    const id = idOf(index + 1)
    plant(layout.release(id), { 'server.js': id })
    writeFileSync(layout.info(id), '{}')
    writeFileSync(layout.manifest(id), '')
    if (outcome !== '-') writeFileSync(layout.outcome(id), outcome === 's' ? 'succeeded\n' : 'failed\n')
  }
  return layout
}

async function prune(shell: ShellKind, scratch: string, layout: Layout, keep: number, protect: readonly string[] = [], guard = '') {
  const result = await shellConnection(shell, scratch).run(stdinScript(pruneScript(layout, { keep, protect, guard })))
  return { ...result, removed: result.stdout.split('\n').filter((line) => line !== '') }
}

const kept = (layout: Layout): readonly string[] => readdirSync(layout.releases).sort()

describe.each(SHELLS)('pruning with the tools of %s', (shell) => {
  test('keeps the newest that succeeded, however many failed since or before', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 'ssfsfsf')
    symlinkSync(layout.release(idOf(6)), layout.current)
    const { exitCode, removed } = await prune(shell, scratch.path, layout, 2)
    expect(exitCode).toBe(0)
    expect(removed.toSorted()).toEqual([1, 2, 3, 5].map(idOf))
    expect(kept(layout)).toEqual([4, 6, 7].map(idOf))
    expect(readdirSync(join(layout.state, 'releases')).filter((name) => name.startsWith('r5-'))).toEqual([])
  })

  test('sorts by number and not by name: r10 is newer than r9', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 's'.repeat(12))
    symlinkSync(layout.release(idOf(12)), layout.current)
    await prune(shell, scratch.path, layout, 3)
    expect(kept(layout)).toEqual([10, 11, 12].map(idOf))
  })

  test('never removes the live one, nor one to which a rollback goes', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 'sfssss')
    symlinkSync(layout.release(idOf(2)), layout.current)
    await prune(shell, scratch.path, layout, 1, [idOf(3)])
    expect(kept(layout)).toEqual([2, 3, 6].map(idOf))
  })

  test('keeps what was staged after the last success, and sweeps what is half removed', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 's--')
    plant(layout.release('r9-99999999'), { 'no record': '' })
    await prune(shell, scratch.path, layout, 5)
    expect(kept(layout)).toEqual([1, 2, 3].map(idOf))
  })

  test("leaves folders of another tool's and files of nobody's alone", async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 'sss')
    const foreign = [
      '20240101120000',
      'r1',
      'r1-xyz',
      'r7-1234567',
      'r7-12345678x',
      'r a-12345678',
      '-rf',
      'r$(touch canary)-12345678',
      'new\nline',
    ]
    for (const name of foreign) plant(layout.release(name), { a: 'b' })
    plant(join(layout.state, 'releases'), { 'r x-12345678.json': '{}', 'notes.json': '{}' })
    await prune(shell, scratch.path, layout, 1)
    expect(kept(layout)).toEqual([...foreign, idOf(3)].sort())
    expect(existsSync(join(scratch.path, 'canary'))).toBe(false)
  })

  test('keeps one at least, and does nothing at all when the lease is gone', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 'sss')
    expect((await prune(shell, scratch.path, layout, 0, [], 'exit 93')).exitCode).toBe(93)
    expect(kept(layout)).toHaveLength(3)
    await prune(shell, scratch.path, layout, 0)
    expect(kept(layout)).toEqual([idOf(3)])
  })

  test('goes on where an earlier one was stopped', async () => {
    using scratch = temporaryFolder()
    const layout = rootWith(scratch.path, 'ssss')
    // The record goes first: from then on it is no release.
    const half = shellConnection(shell, scratch.path)
    const script = pruneScript(layout, { keep: 1, protect: [] }).replace('rm -rf "$releases/$1"', 'exit 9')
    await half.run(stdinScript(script))
    const records = readdirSync(join(layout.state, 'releases')).filter((name) => name.endsWith('.json'))
    expect(records.length).toBeLessThan(4)
    expect(kept(layout)).toHaveLength(4)
    await prune(shell, scratch.path, layout, 1)
    expect(kept(layout)).toEqual([idOf(4)])
  })
})
