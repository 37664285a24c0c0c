import { describe, expect, it, vi } from 'vitest'
import type { RolloutEvent, Stamped } from '../../../src/domain/event.ts'
import { createLive, type Screen } from '../../../src/render/live.ts'
import { createRenderers, pauseScreens, type RendererOptions } from '../../../src/render/renderers.ts'
import { collector, HOSTILE, RECORDED, recorded } from './recorded.ts'
import { openingOf, R2, stamped, tellStory } from './stories.ts'
import { makeTerminal, type Terminal } from './terminal.ts'

type Shown = { readonly terminal: Terminal; readonly screen: Screen; at(event: Stamped): void; pass(ms: number): void }

/** A live tree on a terminal, with a clock that stands still until an event or `pass` moves it. */
function live(columns = 80, rows = 24, options: { color?: boolean; verbose?: boolean } = {}): Shown {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const terminal = makeTerminal(columns, rows)
  let now = 0
  const screen = createLive(terminal, {
    color: options.color ?? false,
    verbose: options.verbose ?? false,
    columns: terminal.columns,
    rows: terminal.rows,
    now: () => now,
  })
  return {
    terminal,
    screen,
    at(event) {
      now = Date.parse(event.at)
      screen.on(event)
    },
    pass(ms) {
      now += ms
      vi.advanceTimersByTime(ms)
    },
  }
}

/** listr2's tasks come and settle by promises: all of them have had their turn. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function play(shown: Shown, events: readonly Stamped[]): Promise<void> {
  for (const event of events) {
    shown.at(event)
    await settle()
    shown.pass(120)
  }
}

async function end(shown: Shown): Promise<void> {
  vi.useRealTimers()
  await shown.screen.end()
}

/** A warning at the time of another event. */
function said(event: Stamped | undefined, message: string): Stamped {
  return { version: 1, at: event?.at ?? '', rollout: event?.rollout ?? '', seq: 0, type: 'warning', message }
}

describe('the live tree', () => {
  it.each(RECORDED)('leaves of %s a record worth keeping', async (name) => {
    const shown = live()
    await play(shown, recorded(name))
    await end(shown)
    expect(shown.terminal.lines().join('\n')).toMatchSnapshot()
    expect(shown.terminal.isCursorVisible()).toBe(true)
    expect(shown.terminal.cursor()).toEqual({ row: shown.terminal.lines().length, column: 0 })
  })

  it('shows each host with what it does and waits for, the batches and the probe', async () => {
    const shown = live()
    const events = recorded('rolled-back')
    const index = events.findIndex((event) => event.type === 'step.waiting' && event.detail === 'HTTP 500')
    await play(shown, events.slice(0, index + 1))
    expect(shown.terminal.lines().join('\n')).toMatchSnapshot()
    shown.at({
      ...(events[index] as Stamped),
      type: 'step.waiting',
      step: 'web-4/drain',
      host: 'web-4',
      detail: '12 in flight, 18 s left',
    } as Stamped)
    shown.pass(240)
    expect(shown.terminal.lines().join('\n')).toMatch(/web-4 +draining +12 in flight, 18 s left +\d/)
    await end(shown)
  })

  it('says something before the first connection is opened', async () => {
    const shown = live()
    shown.at(recorded('succeeded')[0] as Stamped)
    expect(shown.terminal.lines()).toEqual(['rollgate 0.1.0: shop (production), 4 hosts'])
    await end(shown)
  })

  it('writes nothing while nothing changes, and then only the lines that did', async () => {
    const shown = live()
    await play(shown, recorded('succeeded').slice(0, 30))
    const before = { ...shown.terminal.counts }
    shown.pass(1)
    expect(shown.terminal.counts).toEqual(before)
    // One tick of the clock: the spinners turn and a time may grow, and the finished lines are not written again.
    const lines = shown.terminal.lines().length
    shown.pass(120)
    const { writes, letters } = shown.terminal.counts
    expect(writes - before.writes).toBeLessThanOrEqual(1)
    expect(lines).toBeGreaterThan(5)
    expect(letters - before.letters).toBeLessThan(80 * (lines - 3))
    await end(shown)
  })

  it.each([
    [20, 6],
    [20, 24],
    [40, 10],
    [200, 60],
    [1, 1],
  ])('fits %d×%d all the time', async (columns, rows) => {
    const shown = live(columns, rows)
    for (const event of recorded('stuck')) {
      const kept = shown.terminal.lines().length
      shown.at(event)
      await settle()
      shown.pass(120)
      expect(shown.terminal.isCursorVisible()).toBe(true)
      expect(shown.terminal.cursor().column).toBe(0)
      expect(kept).toBeGreaterThan(0)
    }
    await end(shown)
  })

  it('stays whole when the terminal is resized in the middle', async () => {
    const shown = live(80, 24)
    const events = recorded('rolled-back')
    for (const [index, event] of events.entries()) {
      if (index === 60) shown.terminal.resize(50, 24)
      if (index === 110) shown.terminal.resize(120, 30)
      if (index === 150) shown.terminal.resize(34, 12)
      shown.at(event)
      await settle()
      shown.pass(120)
      const text = shown.terminal.visible()
      // What is drawn anew must not leave its older self above: each section is there once at most.
      for (const section of ['connect', 'build', 'stage', 'roll out', 'take back'])
        expect(
          text.filter((line) => new RegExp(`^\\S ${section}\\b`).test(line)).length,
          `${section} at event ${index}\n${text.join('\n')}`,
        ).toBeLessThanOrEqual(1)
    }
    await end(shown)
  })

  it('collapses sixty hosts so that what moves or failed is always in sight', async () => {
    const hosts = Array.from({ length: 60 }, (_, index) => `web-${index + 1}`)
    const story = await tellStory({
      hosts,
      rollout: { atOnce: 10, minReady: { kind: 'percent', percent: 50 } },
      before: openingOf(hosts),
      spoil: (world) => world.bad.add(`web-33:${R2}`),
    })
    const shown = live(80, 24)
    let widest = 0
    for (const event of story.events) {
      shown.at(event)
      await settle()
      shown.pass(120)
      widest = Math.max(widest, ...shown.terminal.lines().map((line) => line.length))
      if (event.type === 'undo.opened') expect(shown.terminal.lines().join('\n')).toMatch(/✖ web-33: proving failed/)
    }
    expect(widest).toBeLessThan(80)
    await end(shown)
    const left = shown.terminal.lines()
    expect(left.length).toBeLessThan(24)
    expect(left.join('\n')).toMatch(/✖ web-33 +E_UNHEALTHY/)
  })

  it('steps aside for a question, and comes back with the next step', async () => {
    const shown = live()
    const events = recorded('paused')
    const index = events.findIndex((event) => event.type === 'question')
    await play(shown, events.slice(0, index))
    expect(shown.terminal.lines().length).toBeGreaterThan(5)
    shown.at(events[index] as Stamped)
    expect(shown.terminal.lines()).toEqual(['rollgate 0.1.0: shop (production), 4 hosts'])
    const { writes } = shown.terminal.counts
    // Whoever asks has the terminal to himself: the probe goes on, and nothing is drawn.
    for (let count = 0; count < 5; count += 1) {
      shown.at({ ...(events[index] as Stamped), type: 'probe.progress', sent: count, failed: 0, worstGapMs: 1 } as Stamped)
      shown.pass(500)
    }
    expect(shown.terminal.counts.writes).toBe(writes)
    shown.terminal.write('? Ship it? yes\r\n')
    shown.at({ ...(events[index] as Stamped), type: 'checkpoint.passed', step: 'checkpoint/2', how: 'approved' } as Stamped)
    shown.pass(120)
    const lines = shown.terminal.lines()
    expect(lines.slice(0, 3)).toEqual(['rollgate 0.1.0: shop (production), 4 hosts', '? Ship it? yes', 'passed: approved'])
    expect(lines.length).toBeGreaterThan(6)
    await end(shown)
  })

  it('can be paused for somebody else’s output, also twice at a time', async () => {
    const shown = live()
    await play(shown, recorded('succeeded').slice(0, 40))
    const first = pauseScreens([shown.screen, { on: () => undefined, end: async () => undefined }])
    const second = pauseScreens([shown.screen])
    expect(shown.terminal.lines()).toEqual(['rollgate 0.1.0: shop (production), 4 hosts'])
    shown.terminal.write('a line of data\r\n')
    first()
    first()
    shown.pass(500)
    expect(shown.terminal.lines()).toEqual(['rollgate 0.1.0: shop (production), 4 hosts', 'a line of data'])
    shown.at(said(recorded('succeeded')[40], 'said meanwhile'))
    second()
    expect(shown.terminal.lines().slice(0, 3)).toEqual(['rollgate 0.1.0: shop (production), 4 hosts', 'a line of data', '! said meanwhile'])
    expect(shown.terminal.lines().length).toBeGreaterThan(5)
    await end(shown)
  })

  it('keeps every warning that came while it was paused, even when nobody resumes it', async () => {
    const shown = live()
    await play(shown, recorded('succeeded').slice(0, 20))
    pauseScreens([shown.screen])
    shown.at(said(recorded('succeeded')[20], 'the last word'))
    await end(shown)
    expect(shown.terminal.lines()).toContain('! the last word')
  })

  it('has the cursor visible after every single write, so that even kill -9 leaves a sane terminal', async () => {
    const shown = live()
    const write = vi.spyOn(shown.terminal, 'write')
    let hidden = 0
    write.mockImplementation((text: string, done?: () => void) => {
      if (text.lastIndexOf('\x1b[?25l') > text.lastIndexOf('\x1b[?25h')) hidden += 1
      if (text.lastIndexOf('\x1b[?2026h') > text.lastIndexOf('\x1b[?2026l')) hidden += 1
      done?.()
      return true
    })
    await play(shown, recorded('rolled-back'))
    await end(shown)
    expect(write.mock.calls.length).toBeGreaterThan(50)
    expect(hidden).toBe(0)
  })

  it('falls back to plain lines when drawing fails, and loses no event', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const output = collector()
    let calls = 0
    const screen = createLive(output, {
      color: false,
      verbose: false,
      columns: () => {
        calls += 1
        if (calls > 6) throw new Error('no such terminal')
        return 80
      },
      rows: () => 24,
      now: () => 0,
    })
    const events = recorded('rolled-back')
    for (const event of events) screen.on(event)
    vi.useRealTimers()
    await screen.end()
    expect(output.text()).toMatch(/\[0:\d\d\.\d\] ✖ rolled back: web-3 did not become healthy/)
    for (const line of ['rollgate 0.1.0: shop', 'proving failed: web-3', 'taking back web-1'])
      expect(output.text().split(line), line).toHaveLength(2)
    expect(output.text()).toMatch(/\x1b\[\?25h/)
  })

  it('survives a terminal that was closed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const before = process.listenerCount('SIGCONT')
    const screen = createLive(
      {
        write() {
          throw Object.assign(new Error('write EIO'), { code: 'EIO' })
        },
      },
      { color: false, verbose: false, columns: () => 80, rows: () => 24, now: () => 0 },
    )
    for (const event of recorded('stuck')) screen.on(event)
    vi.useRealTimers()
    await screen.end()
    await screen.end()
    expect(process.listenerCount('SIGCONT')).toBe(before)
  })

  it('shows two rollouts one after the other', async () => {
    const shown = live(80, 60)
    await play(shown, recorded('succeeded'))
    await play(
      shown,
      recorded('rolled-back').map((event) => ({ ...event, rollout: 'another0' })),
    )
    await end(shown)
    const text = shown.terminal.lines().join('\n')
    expect(text.match(/^deploy r2-bbbbbbbb to shop/gm)).toHaveLength(2)
    expect(text.match(/^✔ roll out +4 of 4 hosts/gm)).toHaveLength(1)
    expect(text.match(/^✔ take back/gm)).toHaveLength(1)
  })

  it('keeps the indent of a plan that is told before its question', async () => {
    const shown = live(40, 24)
    await play(
      shown,
      stamped([
        { type: 'notice', message: 'Plan x: deploy' },
        { type: 'notice', message: '    web-1: r1 → r2' },
        { type: 'notice', message: '      undo: drain, activate, restart, prove healthy, enable' },
      ]),
    )
    await end(shown)
    expect(shown.terminal.lines()).toEqual([
      'Plan x: deploy',
      '    web-1: r1 → r2',
      '      undo: drain, activate, restart,',
      '        prove healthy, enable',
    ])
  })

  it('leaves the record of a finished rollout above what others write then', async () => {
    const shown = live(80, 60)
    await play(shown, recorded('succeeded'))
    pauseScreens([shown.screen])()
    shown.terminal.write('succeeded: 1660 requests, 0 failed\r\n')
    await play(
      shown,
      recorded('succeeded')
        .slice(0, 8)
        .map((event) => ({ ...event, rollout: 'another0' })),
    )
    await end(shown)
    const lines = shown.terminal.lines()
    const said = lines.indexOf('succeeded: 1660 requests, 0 failed')
    expect(lines.findIndex((line) => /^✔ roll out +4 of 4 hosts/.test(line))).toBeLessThan(said)
    expect(lines.lastIndexOf('rollgate 0.1.0: shop (production), 4 hosts')).toBe(said + 1)
  })

  it('leaves nothing of a command that only looked, but its first line', async () => {
    const shown = live()
    await play(shown, stamped(openingOf(['web-1', 'web-2']).slice(0, 6), 200, 'status'))
    expect(shown.terminal.lines().join('\n')).toMatch(/connect +2 of 2 hosts/)
    await end(shown)
    expect(shown.terminal.lines()).toEqual(['rollgate 0.1.0: shop (production), 2 hosts'])
  })

  it('tells everything above the tree with --verbose', async () => {
    const shown = live(80, 24, { verbose: true })
    await play(shown, recorded('succeeded'))
    await end(shown)
    expect(shown.terminal.lines().join('\n')).toContain('build | compiled 214 files')
    expect(shown.terminal.lines().filter((line) => /\| drained: /.test(line))).toHaveLength(4)
  })

  it('lets no host move the cursor, clear the screen or take a line of its own', async () => {
    for (const text of HOSTILE) {
      const shown = live(80, 24, { color: true })
      const opening: readonly RolloutEvent[] = [
        { type: 'phase', name: 'build', state: 'started', detail: text },
        { type: 'output', source: 'build', line: { stream: 'stdout', text } },
        { type: 'phase', name: 'build', state: 'done', detail: text },
      ]
      const rest = recorded('rolled-back').map((event) => (event.type === 'step.waiting' ? { ...event, detail: text } : event))
      // The terminal refuses any code that is not ours.
      await play(shown, [...stamped(opening), ...rest.slice(20)])
      shown.at({ ...(rest.at(-1) as Stamped), type: 'warning', host: text, message: text } as Stamped)
      await end(shown)
      expect(shown.terminal.lines().length).toBeGreaterThan(5)
    }
  })
})

describe('who shows what happens', () => {
  const options = (extra: Partial<RendererOptions> = {}): RendererOptions & { readonly written: () => string } => {
    const output = collector()
    return {
      stderr: output,
      stdout: output,
      env: { TERM: 'xterm' },
      flags: { json: false, quiet: false, verbose: false, color: false },
      isTerminal: true,
      columns: () => 80,
      rows: () => 24,
      written: output.text,
      ...extra,
    }
  }
  const formOf = async (extra: Partial<RendererOptions>): Promise<string> => {
    const given = options(extra)
    const renderers = createRenderers(given)
    for (const renderer of renderers) for (const event of recorded('succeeded').slice(0, 12)) renderer.on(event)
    for (const renderer of renderers) await renderer.end()
    const text = given.written()
    if (text.includes('\x1b[?2026h')) return 'tree'
    if (text.includes('::group::')) return 'github'
    if (text.includes('section_start')) return 'gitlab'
    return text.startsWith('[0:00.0]') ? 'plain' : text
  }
  const flags = { json: false, quiet: false, verbose: false, color: false }

  it.each<[string, Partial<RendererOptions>, string]>([
    ['a terminal', {}, 'tree'],
    ['a pipe', { isTerminal: false }, 'plain'],
    ['a dumb terminal', { env: { TERM: 'dumb' } }, 'plain'],
    ['CI with a terminal', { env: { TERM: 'xterm', CI: 'true' } }, 'plain'],
    ['CI=false', { env: { TERM: 'xterm', CI: 'false' } }, 'tree'],
    ['a command with lines of its own', { live: false }, 'plain'],
    ['--quiet', { flags: { ...flags, quiet: true } }, ''],
    ['GitHub', { isTerminal: false, env: { CI: 'true', GITHUB_ACTIONS: 'true' } }, 'github'],
    ['GitLab', { isTerminal: false, env: { CI: 'true', GITLAB_CI: 'true' } }, 'gitlab'],
  ])('on %s', async (_, extra, form) => expect(await formOf(extra)).toBe(form))

  it('also writes the events where they are asked for', () => {
    expect(createRenderers(options({ isTerminal: false, eventsFile: '-' }))).toHaveLength(2)
    expect(createRenderers(options({ isTerminal: false, eventsFile: null }))).toHaveLength(1)
    expect(() => createRenderers(options({ isTerminal: false, eventsFile: '/no/such/folder/x' }))).toThrow('--events')
  })
})
