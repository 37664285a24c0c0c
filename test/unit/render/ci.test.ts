import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Stamped } from '../../../src/domain/event.ts'
import { createGithub, defuse, escapeData, escapeProperty } from '../../../src/render/github.ts'
import { createGitlab } from '../../../src/render/gitlab.ts'
import { createSummary, SUMMARY_LIMIT_BYTES } from '../../../src/render/markdown.ts'
import { collector, HOSTILE, recorded } from './recorded.ts'
import { aPlan, R2, stamped, tellStory } from './stories.ts'

const OPTIONS = { color: false, quiet: false, verbose: false }
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollgate-ci-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function github(events: readonly Stamped[], options = OPTIONS): Promise<{ log: string; summary: string }> {
  const output = collector()
  const file = join(folder, 'summary.md')
  await writeFile(file, '')
  const renderer = createGithub(output, options, file)
  for (const event of events) renderer.on(event)
  await renderer.end()
  return { log: output.text(), summary: await readFile(file, 'utf8') }
}

/** What a runner would obey: `::name …::` at the start of a line, `##[name]` anywhere in it. */
const commands = (log: string): readonly string[] =>
  log.split('\n').flatMap((line) => {
    const modern = /^\s*::([a-z-]+)/.exec(line)?.[1]
    const old = /##\[([a-z-]+)/.exec(line)?.[1]
    return [modern, old].flatMap((name) => (name === undefined ? [] : [name]))
  })

describe('the form for GitHub Actions', () => {
  it.each(['succeeded', 'rolled-back', 'stuck'] as const)('of %s', async (name) => {
    const { log, summary } = await github(recorded(name))
    expect(log).toMatchSnapshot()
    expect(summary).toMatchSnapshot()
  })

  it('opens and closes each group, one at a time', async () => {
    for (const name of ['succeeded', 'partial', 'paused'] as const) {
      const groups = commands((await github(recorded(name))).log).filter((command) => command.endsWith('group'))
      expect(groups.length).toBeGreaterThan(4)
      for (const [index, command] of groups.entries()) expect(command).toBe(index % 2 === 0 ? 'group' : 'endgroup')
    }
  })

  it('lets nothing from a host become a command', async () => {
    for (const text of [...HOSTILE, '::add-mask::x', '  ::set-output name=a::b', 'x ##[group]y', '%0A::error::x']) {
      const error = { code: 'E_UNHEALTHY' as const, message: text, exitCode: 5 }
      const { log } = await github(
        stamped([
          { type: 'notice', message: text },
          { type: 'output', source: 'exec', host: text, line: { stream: 'stdout', text } },
          { type: 'warning', message: text, host: text },
          { type: 'phase', name: 'build', state: 'started', detail: text },
          { type: 'host.failed', host: text, error },
        ]),
      )
      expect(commands(log)).toEqual(['warning', 'group', 'error', 'endgroup'])
    }
  })

  it('escapes what annotations treat as theirs', () => {
    expect(escapeData('100 %\r\nnext: a, b')).toBe('100 %25%0D%0Anext: a, b')
    expect(escapeProperty('a:b,c%')).toBe('a%3Ab%2Cc%25')
    expect(commands(defuse('::error::x\n ##[error]y\nfine'))).toEqual([])
    expect(defuse('time 12:30, a::b')).toBe('time 12:30, a::b')
  })

  it('shows at most ten annotations of a kind, and the rest as lines', async () => {
    const { log } = await github(
      stamped(Array.from({ length: 14 }, (_, index) => ({ type: 'warning' as const, message: `warning ${index}` }))),
    )
    expect(commands(log)).toHaveLength(10)
    expect(log).toContain('] ! warning 13')
  })

  it('writes no groups with --quiet, but what went wrong', async () => {
    expect(commands((await github(recorded('rolled-back'), { ...OPTIONS, quiet: true })).log)).toEqual(['error', 'warning', 'error'])
  })

  it('ends well where the summary cannot be written', async () => {
    const output = collector()
    const renderer = createGithub(output, OPTIONS, join(folder, 'no', 'such', 'folder'))
    for (const event of recorded('succeeded')) renderer.on(event)
    await expect(renderer.end()).resolves.toBeUndefined()
  })
})

describe('the summary page', () => {
  it('stays below its limit, whatever hosts say and however many there are', async () => {
    const hosts = Array.from({ length: 800 }, (_, index) => `web-${index}-${'x'.repeat(60)}`)
    const error = { code: 'E_UNHEALTHY' as const, message: '| <b>`'.repeat(400), exitCode: 5 }
    const summary = createSummary()
    const plan = aPlan({ hosts })
    for (const event of stamped([
      { type: 'rollout.opened', plan, by: 'ada', release: R2 },
      ...hosts.map((host) => ({ type: 'host.failed' as const, host, error })),
      ...hosts.map((host) => ({ type: 'warning' as const, host, message: error.message })),
      { type: 'rollout.closed', outcome: { kind: 'stuck', because: error, hosts } },
    ]))
      summary.on(event)
    expect(Buffer.byteLength(summary.text())).toBeLessThan(SUMMARY_LIMIT_BYTES)
    expect(summary.text()).toContain('stuck')
    expect(summary.text()).toMatch(/and \d+ more hosts/)
  })

  it('is a table with as many cells in each row, and no markup of a host’s', async () => {
    for (const text of HOSTILE) {
      const summary = createSummary()
      for (const event of stamped([
        { type: 'rollout.opened', plan: aPlan(), by: 'ada', release: R2 },
        { type: 'host.failed', host: 'web-1', error: { code: 'E_UNHEALTHY', message: text, exitCode: 5 } },
        { type: 'warning', message: text },
      ]))
        summary.on(event)
      const page = summary.text()
      expect(page).not.toMatch(/<(script|b|img|a)\b/)
      const rows = page.split('\n').filter((line) => line.startsWith('|'))
      for (const row of rows) expect(row.replace(/\\[|]/g, '').split('|')).toHaveLength(6)
      expect(rows).toHaveLength(6)
    }
  })

  it('says nothing where no rollout was opened, and all of several', async () => {
    const summary = createSummary()
    summary.on(stamped([{ type: 'notice', message: 'x' }])[0] as Stamped)
    expect(summary.text()).toBe('')
    const { events } = await tellStory()
    for (const event of [...events, ...events]) summary.on(event)
    expect(summary.text().match(/^### /gm)).toHaveLength(2)
  })
})

describe('the form for GitLab', () => {
  const gitlab = async (events: readonly Stamped[]): Promise<string> => {
    const output = collector()
    const renderer = createGitlab(output, OPTIONS)
    for (const event of events) renderer.on(event)
    await renderer.end()
    return output.text()
  }

  it('of a rollout that was taken back', async () => expect(await gitlab(recorded('rolled-back'))).toMatchSnapshot())

  it('closes each section that it opens, by its own name', async () => {
    const marks = [...(await gitlab(recorded('partial'))).matchAll(/section_(start|end):\d+:(\w+)/g)].map(
      ([, kind, name]) => `${kind} ${name}`,
    )
    expect(marks.length).toBeGreaterThan(8)
    for (let index = 0; index < marks.length; index += 2) expect(marks[index + 1]).toBe(marks[index]?.replace('start', 'end'))
  })

  it('lets no host open a section', async () => {
    for (const text of HOSTILE) {
      const log = await gitlab(
        stamped([
          { type: 'notice', message: text },
          { type: 'warning', message: text, host: text },
        ]),
      )
      expect(log).not.toMatch(/[\x1b\r]/)
    }
  })
})
