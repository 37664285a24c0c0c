import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ignoreOf, readPatterns } from '../../../src/drivers/artifact/ignore.ts'

let repository: string
beforeAll(() => {
  repository = mkdtempSync(join(tmpdir(), 'rollgate-ignore-'))
  execFileSync('git', ['init', '-q', repository])
})
afterAll(() => rmSync(repository, { recursive: true, force: true }))

/** What git itself ignores of these files. */
function gitIgnores(patterns: readonly string[], paths: readonly string[]): readonly string[] {
  writeFileSync(join(repository, '.gitignore'), `${patterns.join('\n')}\n`)
  const input = paths.map((path) => `${path}\0`).join('')
  const { stdout } = spawnSync('git', ['-C', repository, 'check-ignore', '--no-index', '-z', '--stdin'], { input })
  return stdout
    .toString()
    .split('\0')
    .filter((path) => path !== '')
}

function weIgnore(patterns: readonly string[], paths: readonly string[]): readonly string[] {
  const ignore = ignoreOf(readPatterns(`${patterns.join('\n')}\n`))
  return paths.filter((path) => ignore.ignores(path, false))
}

const PATHS = [
  'a',
  'b',
  'ab',
  'a.map',
  'x/a',
  'x/a.map',
  'x/y/a.map',
  'x/y/z/b',
  'node_modules/p/index.js',
  'x/node_modules/q.js',
  'doc/a.txt',
  'x/doc/a.txt',
  'doc',
  'log/x.log',
  'log/keep.log',
  'log/deep/keep.log',
  '-rf',
  '--',
  'with space',
  'end ',
  '#hash',
  '!bang',
  'a[b]',
  'a-b',
  'a*b',
  'q?',
  'x/y/z/w/v.js',
  '.hidden',
  'x/.hidden',
  'back\\slash',
  'new\nline',
  'foo.',
  'fooXbar',
  'foo/bar',
  'foo/q/bar',
  '^',
  'z{1}',
  '$(x)',
  'a]',
]

describe('the language of ignore files', () => {
  test.each([
    [['*.map']],
    [['/a']],
    [['a']],
    [['x/']],
    [['doc/']],
    [['/doc/*.txt']],
    [['doc/*.txt']],
    [['**/a.map']],
    [['x/**']],
    [['x/**/b']],
    [['**/node_modules']],
    [['log/*', '!log/keep.log']],
    [['log/', '!log/keep.log']],
    [['*', '!*/', '!*.map']],
    [['\\#hash']],
    [['#hash']],
    [['\\!bang']],
    [['!bang']],
    [['with\\ space']],
    [['with space']],
    [['end\\ ']],
    [['end ']],
    [['a[b]']],
    [['a\\[b\\]']],
    [['a[a-c]']],
    [['[!a]']],
    [['[^a]']],
    [['?']],
    [['??']],
    [['a\\*b']],
    [['ü']],
    [['*.txt', '!doc/a.txt']],
    [['-rf', '--']],
    [['.*']],
    [['x/*/z']],
    [['**/']],
    [['**']],
    [['/**']],
    [['/']],
    [['foo*bar']],
    [['foo/*']],
    [['foo/**/bar']],
    [['foo**bar']],
    [['back\\\\slash']],
    [['z{1}', '$(x)', '^']],
    [['a]']],
    [['', '   ', '# only a comment']],
    [['a', '!a', 'a']],
    [['[]a]*']],
    [['[a-]b', '[-a]b']],
    [['x/y/../a']],
  ] as const)('%j means the same to us as to git', (patterns) => {
    expect(weIgnore(patterns, PATHS)).toEqual(gitIgnores(patterns, PATHS))
  })

  test('random patterns mean the same to us as to git', () => {
    const piece = fc.constantFrom('a', 'b', 'x', '*', '**', '?', '/', '.map', '[ab]', 'y', 'node_modules')
    const pattern = fc
      .tuple(fc.constantFrom('', '', '!', '/'), fc.array(piece, { minLength: 1, maxLength: 5 }))
      .map(([start, parts]) => start + parts.join(''))
      // Two stars beside other characters are one star, as git's manual says; git itself does something else now and then.
      .filter((text) => !/[^/!]\*\*|\*\*[^/]/.test(text))
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), (patterns) => {
        expect(weIgnore(patterns, PATHS)).toEqual(gitIgnores(patterns, PATHS))
      }),
      { numRuns: 150 },
    )
  })

  test('a question mark is one character, not one byte as in git', () => {
    expect(ignoreOf(['?']).ignores('ü', false)).toBe(true)
    expect(ignoreOf(['ü?']).ignores('ü😀', false)).toBe(true)
    expect(ignoreOf(['??']).ignores('ü', false)).toBe(false)
  })

  test('a pattern for folders leaves files of that name alone', () => {
    const ignore = ignoreOf(['build/'])
    expect(ignore.ignores('build', false)).toBe(false)
    expect(ignore.ignores('build', true)).toBe(true)
    expect(ignore.ignores('build/x', false)).toBe(true)
  })

  test('a range that runs backwards matches nothing, and is no error', () => {
    expect(ignoreOf(['[z-a]']).ignores('b', false)).toBe(false)
  })

  test('lines may end as on Windows, and a pattern that is only a slash means nothing', () => {
    expect(readPatterns('a\r\n\r\n#c\r\nb')).toEqual(['a', 'b'])
    expect(ignoreOf(['/', '!']).ignores('a', false)).toBe(false)
  })
})
