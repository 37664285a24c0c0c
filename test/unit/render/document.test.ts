import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BaseDocument } from '../../../src/domain/document.ts'
import { renderDocument } from '../../../src/render/document.ts'
import { textWidth } from '../../../src/render/width.ts'
import { OTHERS, PLANS, ROLLOUTS } from './documents.ts'
import { HOSTILE } from './recorded.ts'

const ALL: Readonly<Record<string, BaseDocument>> = { ...ROLLOUTS, ...PLANS, ...OTHERS }
const text = (document: BaseDocument, extra: Partial<Parameters<typeof renderDocument>[1]> = {}): string =>
  renderDocument(document, { color: false, columns: 80, verbose: false, ...extra })
const SGR = /\x1b\[[0-9;]*m/g

describe('text of a document', () => {
  it.each(Object.keys(ALL))('%s', (name) => expect(text(ALL[name] as BaseDocument)).toMatchSnapshot())

  it('says the same with colour as without: colour is never the only sign', () => {
    for (const document of Object.values(ALL)) expect(text(document, { color: true }).replace(SGR, '')).toBe(text(document))
  })

  it('ends every line, and is nothing where there is nothing', () => {
    for (const [name, document] of Object.entries(ALL)) {
      const shown = text(document)
      if (name === 'only an error' || name === 'exec') expect(shown).toBe('')
      else expect(shown).toMatch(/[^\n]\n$/)
      expect(shown).not.toMatch(/undefined|NaN|\[object|[^\S\n]$/m)
    }
  })

  it('is one line and its end for a gate that sent nothing: no table without a row', () => {
    const none = { targets: [], clauses: [], warnings: [], validity: { sendLagP99Ms: null, cpu: null, maskedSeconds: 0, reasons: [] } }
    const document: BaseDocument & Readonly<Record<string, unknown>> = {
      version: 1,
      command: 'gate',
      exitCode: 0,
      outcome: 'pass',
      verdict: 'pass',
      reason: 'make smoke: exit 0',
      run: 'r1',
      ...none,
    }
    expect(text(document)).toBe('✔ PASS  make smoke: exit 0\n\n  run r1\n')
  })

  it('names every host, both its releases and every command to type next', () => {
    for (const document of Object.values(ROLLOUTS)) {
      if (document.outcome === 'refused') continue
      const shown = text(document)
      for (const host of document.hosts) {
        expect(shown).toContain(host.name)
        for (const release of [host.from, host.to]) if (release !== null) expect(shown).toContain(release)
        if (host.error !== undefined) expect(shown).toContain(host.error.code)
      }
      for (const command of document.next) expect(shown).toContain(command)
    }
  })

  it('shows of a plan every host and batch, and of forty hosts no line beyond the screen', () => {
    const shown = text(PLANS['plan of forty hosts'] as BaseDocument)
    for (let index = 1; index <= 40; index += 1) expect(shown).toMatch(new RegExp(`\\bweb-${index}\\b`))
    for (const line of shown.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(80)
  })

  it('tells with --verbose the way of each host of its own', () => {
    const shown = text(PLANS['plan of four hosts'] as BaseDocument, { verbose: true })
    expect(shown.match(/^ {2}steps /gm)).toHaveLength(4)
    expect(text(PLANS['plan of four hosts'] as BaseDocument).match(/^ {2}steps /gm)).toHaveLength(1)
  })

  it('holds no control character and no line of its own, whatever hosts and configurations say', () => {
    for (const [name, document] of Object.entries(ALL)) {
      // These print what we wrote ourselves, to the letter: the wizard's file, the schema.
      if (name.startsWith('init') || name === 'config schema') continue
      const lines = text(document).split('\n').length
      for (const hostile of HOSTILE.slice(0, 7)) {
        const shown = text(poisoned(document, hostile) as BaseDocument, { columns: 100_000 })
        expect(shown, name).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
        // Hosts that went one way together may fall apart by their poisoned steps.
        if (!name.startsWith('plan')) expect(shown.split('\n').length, name).toBe(lines)
      }
    }
  })

  it('never throws, whatever the numbers are and however narrow it is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(ALL)), fc.integer({ min: 1, max: 300 }), fc.boolean(), (document, columns, verbose) => {
        expect(typeof text(document, { columns, verbose })).toBe('string')
      }),
      { numRuns: 300 },
    )
  })
})

/** Every text of a document but the words that are ours gets a hostile end. */
function poisoned(value: unknown, hostile: string, key = ''): unknown {
  const ours = new Set([
    'command',
    'outcome',
    'kind',
    'level',
    'state',
    'health',
    'phase',
    'code',
    'installedAt',
    'at',
    'since',
    'intent',
    'verdict',
    'expected',
    'current',
    'from',
    'to',
  ])
  if (typeof value === 'string') return ours.has(key) ? value : `${value}${hostile}`
  if (Array.isArray(value)) return value.map((item) => poisoned(item, hostile, key))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, poisoned(item, hostile, name)]))
  return value
}
