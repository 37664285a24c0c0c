import { describe, expect, it } from 'vitest'
import type { RolloutEvent } from '../../../src/domain/event.ts'
import { createPlain } from '../../../src/render/plain.ts'
import { collector, HOSTILE, RECORDED, recorded } from './recorded.ts'
import { stamped } from './stories.ts'

const QUIET = { color: false, quiet: true, verbose: false }
const NORMAL = { color: false, quiet: false, verbose: false }
const VERBOSE = { color: false, quiet: false, verbose: true }

async function linesOf(events: Parameters<ReturnType<typeof createPlain>['on']>[0][], options = NORMAL): Promise<readonly string[]> {
  const output = collector()
  const plain = createPlain(output, options)
  for (const event of events) plain.on(event)
  await plain.end()
  return output.text() === '' ? [] : output.text().trimEnd().split('\n')
}

describe('plain lines', () => {
  it.each(RECORDED)('tell %s', async (name) => expect((await linesOf([...recorded(name)])).join('\n')).toMatchSnapshot())

  it('tell every step and every line of output with --verbose', async () => {
    const lines = await linesOf([...recorded('succeeded')], VERBOSE)
    expect(lines.join('\n')).toMatchSnapshot()
    expect(lines.filter((line) => line.includes('| compiled 214 files'))).toHaveLength(1)
  })

  it('tell only warnings and errors with --quiet', async () => {
    expect(await linesOf([...recorded('succeeded')], QUIET)).toEqual([])
    const lines = await linesOf([...recorded('rolled-back')], QUIET)
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).toMatch(/\] (web-3 \| )?[✖!] /)
  })

  it('begin before the first connection is opened', async () => {
    const [first = ''] = await linesOf([...recorded('succeeded')].slice(0, 1))
    expect(first).toBe('[0:00.0] rollgate 0.1.0: shop (production), 4 hosts')
  })

  it('tell what a step waits for at most once in ten seconds, and not at all when it is quick', async () => {
    const waits = (step: string): readonly RolloutEvent[] => [
      { type: 'step.started', step, host: 'web-1', attempt: 1 },
      ...Array.from(
        { length: 50 },
        (_, index): RolloutEvent => ({ type: 'step.waiting', step, host: 'web-1', detail: `${50 - index} in flight` }),
      ),
    ]
    const slow = await linesOf([...stamped([...waits('web-1/drain')], 500)])
    expect(slow).toEqual([
      '[0:01.0] web-1 | draining: 49 in flight',
      '[0:11.0] web-1 | draining: 29 in flight',
      '[0:21.0] web-1 | draining: 9 in flight',
    ])
    // Another step begins anew; the same one, repeated, too.
    const next = await linesOf([...stamped([...waits('web-1/drain').slice(0, 4), ...waits('web-1/prove').slice(0, 4)], 500)])
    expect(next).toEqual(['[0:01.0] web-1 | draining: 49 in flight', '[0:03.0] web-1 | proving: 49 in flight'])
    expect(await linesOf([...stamped([...waits('web-1/drain')].slice(0, 9), 100)])).toEqual([])
  })

  it('tell uploads and the probe once in ten seconds, but losses at once', async () => {
    const uploads = Array.from(
      { length: 60 },
      (_, index): RolloutEvent => ({ type: 'stage.progress', host: 'web-1', sentBytes: index * 1e6, totalBytes: 60e6 }),
    )
    expect(await linesOf([...stamped(uploads, 500)])).toEqual([
      '[0:10.0] web-1 | staging: 33 % of 60 MB',
      '[0:20.0] web-1 | staging: 66 % of 60 MB',
    ])
    const probe = Array.from(
      { length: 12 },
      (_, index): RolloutEvent => ({ type: 'probe.progress', sent: index * 10, failed: index < 5 ? 0 : 1, worstGapMs: 9 }),
    )
    expect(await linesOf([...stamped(probe, 1_000)])).toEqual([
      '[0:05.0] ! probe: 50 requests, 1 failed, worst gap 9 ms',
      '[0:10.0] ! probe: 100 requests, 1 failed, worst gap 9 ms',
    ])
  })

  it('show what a command of exec says on stderr without --verbose', async () => {
    const line = { stream: 'stderr' as const, text: 'No such file' }
    expect(await linesOf([...stamped([{ type: 'output', source: 'exec', host: 'web-1', line }])])).toEqual([
      '[0:00.0] web-1 | No such file',
    ])
  })

  it('stay one line each, without control characters, whatever hosts say', async () => {
    for (const text of HOSTILE) {
      const error = { code: 'E_UNHEALTHY' as const, message: text, exitCode: 5 }
      const events = stamped([
        { type: 'warning', message: text, host: text },
        { type: 'step.waiting', step: `${text}/drain`, host: text, detail: text },
        { type: 'output', source: text, line: { stream: 'stdout', text } },
        { type: 'host.failed', host: text, error },
        { type: 'undo.opened', because: error, hosts: [text, text] },
        { type: 'gate.judged', step: text, gate: text, batch: text, verdict: 'fail', summary: text },
        { type: 'batch.started', batch: text, title: text, hosts: [text] },
        { type: 'question', question: text },
        { type: 'rollout.closed', outcome: { kind: 'stuck', because: error, hosts: [text] } },
      ])
      const lines = await linesOf([...events], VERBOSE)
      expect(lines).toHaveLength(events.length)
      for (const line of lines) {
        expect(line).toMatch(/^\[0:\d\d\.\d\] /)
        expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
      }
    }
  })

  it('survive a reader that went away', async () => {
    const listeners: ((error: Error) => void)[] = []
    let calls = 0
    const plain = createPlain(
      {
        write() {
          calls += 1
          throw Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
        },
        on: (_, listener) => listeners.push(listener),
      },
      NORMAL,
    )
    for (const event of recorded('succeeded')) plain.on(event)
    await plain.end()
    expect(calls).toBe(1)
    expect(listeners.length).toBeGreaterThan(0)
  })
})
