import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, type ErrorInfo, errorInfo, RollgateError } from '../../../src/domain/error.ts'
import { renderError } from '../../../src/render/error.ts'
import { FIXES } from '../../../src/render/fixes.ts'
import { textWidth } from '../../../src/render/width.ts'
import { HOSTILE } from './recorded.ts'

const CODES = Object.keys(ERROR_CODES) as ErrorCode[]
const WIDE = { color: false, columns: 100 }
const drain: ErrorInfo = {
  code: 'E_DRAIN_DEADLINE',
  message: 'web-2 did not drain: 14 connections left after 30 s',
  host: 'web-2',
  why: 'backend "shop" on lb-1 keeps connections open (websockets?)',
  now: 'web-2 is ready again on r41; web-1 was undone; nothing else changed',
  hints: ['raise balancer.drain.deadline, or set balancer.drain.on_deadline: continue'],
  exitCode: 5,
}

describe('an error', () => {
  it('has the anatomy of the contract', () => {
    expect(renderError(drain, { ...WIDE, log: 'rollgate report 46430f' })).toBe(
      [
        `✖ web-2 did not drain: 14 connections left after 30 s${' '.repeat(31)}E_DRAIN_DEADLINE`,
        '  Why   backend "shop" on lb-1 keeps connections open (websockets?)',
        '  Now   web-2 is ready again on r41; web-1 was undone; nothing else changed',
        '  Fix   raise balancer.drain.deadline, or set balancer.drain.on_deadline: continue',
        '  Log   rollgate report 46430f',
        '  Exit  5',
        '',
      ].join('\n'),
    )
  })

  it.each(CODES)('%s has a reason, a fix and an exit code even when nothing was said of them', (code) => {
    const text = renderError(errorInfo(new RollgateError(code, 'something happened')), WIDE)
    expect(text).toMatch(new RegExp(`^✖ something happened +${code}$`, 'm'))
    expect(text).toContain(`  Why   ${ERROR_CODES[code].means}`.slice(0, 60))
    expect(text).toMatch(new RegExp(`^  Exit  ${ERROR_CODES[code].exit}$`, 'm'))
    expect(FIXES[code]).toBeDefined()
    expect(text).toContain(`  Fix   ${FIXES[code]}`)
    expect(text.match(/^ {2}(Why|Now|Seen|Fix|Log|Exit) /gm)?.map((label) => label.trim())).toEqual(['Why', 'Fix', 'Exit'])
  })

  it('of ours says where the log is and which version it was', () => {
    const text = renderError(
      {
        code: 'E_BUG',
        message: 'x is not a function',
        why: 'this is a bug in rollgate 0.1.0',
        hints: ['the details are in /tmp/a.log'],
        exitCode: 1,
      },
      WIDE,
    )
    expect(text).toMatch(
      / {2}Why {3}this is a bug in rollgate 0\.1\.0\n {2}Fix .*\n {2}Log {3}the details are in \/tmp\/a\.log\n {2}Exit {2}1\n$/,
    )
  })

  it('names the host that its message does not name', () => {
    expect(renderError({ code: 'E_DISK', message: 'no room', host: 'web-3', exitCode: 3 }, WIDE)).toMatch(/^✖ web-3: no room /)
    expect(renderError({ code: 'E_DISK', message: 'web-3: no room', host: 'web-3', exitCode: 3 }, WIDE)).toMatch(/^✖ web-3: no room /)
  })

  it('shows the beginning and the end of much evidence, and all of it with --verbose', () => {
    const evidence = Array.from({ length: 100 }, (_, index) => `log line ${index} ${'x'.repeat(200)}`)
    const short = renderError({ ...drain, evidence }, WIDE)
    expect(short.split('\n').filter((line) => line.includes('│'))).toHaveLength(13)
    expect(short).toContain('88 more lines (-v shows them)')
    for (const kept of ['log line 0 ', 'log line 99 ']) expect(short).toContain(kept)
    for (const line of short.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(100)
    const long = renderError({ ...drain, evidence }, { ...WIDE, verbose: true })
    for (const line of evidence) expect(long).toContain(line)
  })

  it('shows every problem of a configuration', () => {
    const evidence = Array.from({ length: 40 }, (_, index) => `rollgate.yml:${index}:1  app is missing`)
    const text = renderError({ code: 'E_CONFIG', message: '40 problems', evidence, exitCode: 2 }, WIDE)
    for (const line of evidence) expect(text).toContain(line)
  })

  it('never breaks a fix: it is there to be copied', () => {
    const hint =
      `visudo -f /etc/sudoers.d/rollgate, with: ${'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop, '.repeat(6)}`.trim()
    expect(renderError({ ...drain, hints: [hint, 'or this'] }, { color: false, columns: 40 })).toContain(
      `  Fix   ${hint}\n        or this\n`,
    )
  })

  it.each([20, 30, 40, 60, 80, 200, Number.POSITIVE_INFINITY])('fits %d columns, but for its fixes', (columns) => {
    const text = renderError({ ...drain, hints: ['short'], evidence: ['a '.repeat(300), '日本語'.repeat(50)] }, { color: false, columns })
    for (const line of text.trimEnd().split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(Math.max(20, Math.min(columns, 100)))
    expect(text.replaceAll(/\s+/g, '')).toContain('E_DRAIN_DEADLINE')
  })

  it('holds no control character and no line of its own, whatever hosts say', () => {
    for (const hostile of HOSTILE) {
      const info: ErrorInfo = {
        code: 'E_HOOK',
        message: hostile,
        host: hostile,
        why: hostile,
        now: hostile,
        hints: [hostile],
        evidence: [hostile],
        exitCode: 5,
      }
      const text = renderError(info, WIDE)
      expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
      expect(text.isWellFormed()).toBe(true)
      // A runner of GitHub obeys `::` at the start of a line only; ours all begin with a sign or a label.
      for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^(✖| {2})/)
      expect(text.split('\n').filter((line) => /^ {2}(Why|Now|Fix|Exit) /.test(line))).toHaveLength(4)
    }
  })

  it('says the same without colour', () => {
    expect(renderError({ ...drain, evidence: ['x'] }, { ...WIDE, color: true }).replace(/\x1b\[[0-9;]*m/g, '')).toBe(
      renderError({ ...drain, evidence: ['x'] }, WIDE),
    )
  })
})
