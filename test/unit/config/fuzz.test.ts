// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax of the file under test.
// Any text at all: either a configuration, or problems that point into the file. Never another error, never a crash.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../../src/config/load.ts'
import { RollgateError } from '../../../src/domain/error.ts'
import { load } from './helpers.ts'

const WHOLE = readFileSync(new URL('../../fixtures/config/whole.yml', import.meta.url), 'utf8')
const LINES = WHOLE.split('\n')
const WORDS = [
  'constructor',
  '__proto__',
  'toString',
  'kind',
  'none',
  'haproxy',
  '[]',
  '{}',
  '~',
  '-1',
  '1e999',
  '.nan',
  '"\\u202e"',
  '${X}',
  '&a',
  '*a',
  '<<',
  '!!set',
  '?',
  'true',
  '200%',
  '',
  '\u{1f469}',
]

async function outcomeOf(text: string): Promise<void> {
  try {
    await load(text, { environment: 'production' })
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(RollgateError)
    if (!(error instanceof ConfigError)) return expect(error).toMatchObject({ code: 'E_USAGE' })
    expect(error.problems.length).toBeGreaterThan(0)
    const lines = text.split('\n')
    for (const problem of error.problems) {
      expect(problem.line).toBeGreaterThanOrEqual(1)
      expect(problem.line).toBeLessThanOrEqual(lines.length)
      expect(problem.column).toBeGreaterThanOrEqual(1)
      expect(problem.column).toBeLessThanOrEqual((lines[problem.line - 1] ?? '').length + 1)
      expect(`${problem.key}${problem.message}${problem.nearest ?? ''}`).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
  }
}

describe('any file', () => {
  test('with a value, a key or a line replaced is loaded or explained', async () => {
    const change = fc.record({
      line: fc.nat(LINES.length - 1),
      word: fc.constantFrom(...WORDS),
      how: fc.constantFrom('value', 'key', 'line', 'drop', 'double'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const lines = [...LINES]
        for (const { line, word, how } of changes) {
          const old = lines[line] ?? ''
          if (how === 'value') lines[line] = old.replace(/: .*/, `: ${word}`)
          else if (how === 'key') lines[line] = old.replace(/[a-z0-9_-]+:/, `${word}:`)
          else if (how === 'line') lines[line] = word
          else if (how === 'drop') lines[line] = ''
          else lines[line] = `${old}\n${old}`
        }
        await outcomeOf(lines.join('\n'))
      }),
      { numRuns: 250 },
    )
  })

  test('of any characters is loaded or explained', async () => {
    await fc.assert(fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), outcomeOf), { numRuns: 150 })
  })
})
