import { describe, expect, test } from 'vitest'
import { type Found, findCommand, wantsJson } from '../../../src/commands/find.ts'

const brief = (found: Found): unknown =>
  found.kind === 'command' ? [found.entry.id, ...found.rest, ...(found.help ? ['(help)'] : [])] : found

describe('which command a line means', () => {
  const cases: readonly (readonly [string, readonly string[], unknown])[] = [
    ['one word', ['status'], ['status']],
    ['two words', ['config', 'validate'], ['config:validate']],
    ['two words with a colon between them', ['config:validate'], ['config:validate']],
    ['an alias', ['doctor'], ['check']],
    ['flags after it', ['deploy', '--dry-run', '-e', 'production'], ['deploy', '--dry-run', '-e', 'production']],
    ['global flags before it', ['-e', 'production', '--json', 'status'], ['status', '-e', 'production', '--json']],
    ['a global flag with = before it', ['--config=x.yml', 'status'], ['status', '--config=x.yml']],
    ['a global flag between two words', ['config', '--json', 'show'], ['config:show', '--json']],
    ['the name of an environment that is a command', ['-e', 'deploy', 'status'], ['status', '-e', 'deploy']],
    ['words for somebody else', ['exec', '--', 'deploy', '--help'], ['exec', '--', 'deploy', '--help']],
    ['a request for help', ['deploy', '--help'], ['deploy', '--help', '(help)']],
    ['help before the command', ['help', 'deploy'], ['deploy', '(help)']],
    ['help before two words', ['help', 'config', 'show'], ['config:show', '(help)']],
    ['nothing', [], { kind: 'root' }],
    ['help alone', ['help'], { kind: 'root' }],
    ['only flags', ['--json'], { kind: 'root' }],
    ['half of two words', ['config'], { kind: 'topic', topic: 'config', help: false }],
    ['an unknown word', ['deplyo'], { kind: 'unknown', words: 'deplyo' }],
    ['an unknown second word', ['config', 'shwo'], { kind: 'unknown', words: 'config shwo' }],
    ['a word of every object', ['constructor'], { kind: 'unknown', words: 'constructor' }],
  ]
  test.each(cases)('%s', (_, argv, expected) => {
    expect(brief(findCommand(argv))).toEqual(expected)
  })

  test('--json counts only before --', () => {
    expect(wantsJson(['exec', '--json', '--', 'ls'])).toBe(true)
    expect(wantsJson(['exec', '--', 'ls', '--json'])).toBe(false)
  })
})
