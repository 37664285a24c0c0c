// Events of real executions (tellStory in stories.ts), written down once so that screens can be compared to the letter.
// Regenerate them all: `RECORD=1 npx vitest run test/unit/render/recorded.test.ts`.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Stamped } from '../../../src/domain/event.ts'

export const RECORDED = ['succeeded', 'rolled-back', 'stuck', 'partial', 'first-failed', 'paused', 'refused', 'probe-failed'] as const
export type Recorded = (typeof RECORDED)[number]

export function recordedFile(name: Recorded): string {
  return fileURLToPath(new URL(`recorded/${name}.ndjson`, import.meta.url))
}

export function recorded(name: Recorded): readonly Stamped[] {
  return readFileSync(recordedFile(name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Stamped)
}

/** Collects what is written, as a stream would get it. */
export function collector(): { write(text: string, done?: () => void): boolean; text(): string } {
  const parts: string[] = []
  return {
    write(text, done) {
      parts.push(text)
      done?.()
      return true
    },
    text: () => parts.join(''),
  }
}

export const HOSTILE = [
  '\x1b[2J\x1b[1;1Howned',
  'line one\nline two\r\nline three',
  '::error title=x::injected',
  '##[error]injected',
  '\x1b]0;title\x07\x1b]8;;http://evil.test\x07click\x1b]8;;\x07',
  'a\u202edcba\u2066x',
  '\x9b31mred',
  `${'very long '.repeat(500)}end`,
  '日本語のホスト名 👩‍👩‍👧 é\u0301',
  '<script>alert(1)</script> | `code` [link](http://evil.test) ![x](y)',
  '\ud800 half a letter',
  '\x1b[0Ksection_start:1:evil\r\x1b[0K',
]
