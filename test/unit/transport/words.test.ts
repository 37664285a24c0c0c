// What a login shell is given, tried with every shell that is installed here.
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { prepare } from '../../../src/drivers/transport/words.ts'

const secret = async (name: string): Promise<string> => `value of ${name}`
const SHELLS = ['sh', 'dash', 'bash', 'ksh', 'mksh', 'zsh', 'fish', 'tcsh', 'csh', 'busybox sh'].filter(
  (shell) => through(shell, 'exit 3').status === 3,
)

function through(shell: string, line: string, input = ''): { stdout: string; status: number | null } {
  const [file = '', ...words] = shell.split(' ')
  const { stdout, status } = spawnSync(file, [...words, '-c', line], { input, encoding: 'utf8' })
  return { stdout, status }
}

const word = fc.string({ unit: fc.constantFrom(...'ab \'"\\$`!\n\r\t*?[]{}()<>|&;#~=%^-_/0123é漢'), maxLength: 30 })

test('at least one shell is here to be tried', () => {
  expect(SHELLS).toContain('sh')
})

describe.each(SHELLS)('with %s as the login shell', (shell) => {
  test('any words arrive as they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 6 }), async (words) => {
        const { line, preamble } = await prepare({ argv: ['printf', '%s\\0', ...words] }, secret)
        expect(preamble).toBeNull()
        expect(through(shell, line)).toEqual({ stdout: words.map((each) => `${each}\0`).join(''), status: 0 })
      }),
      { numRuns: 60 },
    )
  })

  test('with a secret the script comes first and the command reads the rest', async () => {
    const { line, preamble } = await prepare(
      { argv: ['sh', '-c', 'printf "%s|" "$A" "$B"; cat'], env: { A: { secret: 'x' }, B: "o'pen\n" } },
      secret,
    )
    expect(line).not.toContain('value of')
    expect(through(shell, line, `${preamble}and\nmore`)).toEqual({ stdout: "value of x|o'pen\n|and\nmore", status: 0 })
  })

  test('a script that did not arrive whole is not run', async () => {
    const { line, preamble } = await prepare({ argv: ['echo', 'ran'], env: { A: { secret: 'x' } } }, secret)
    for (const cut of [0, 5, (preamble ?? '').length - 2])
      expect(through(shell, line, preamble?.slice(0, cut))).toEqual({ stdout: '', status: 97 })
  })

  test('the exit code is the command’s', async () => {
    const { line } = await prepare({ argv: ['sh', '-c', 'exit 42'] }, secret)
    expect(through(shell, line).status).toBe(42)
  })
})

test('an environment’s name that is none is refused', async () => {
  await expect(prepare({ argv: ['true'], env: { 'A; touch pwned #': 'x' } }, secret)).rejects.toThrow(/no name/)
  await expect(prepare({ argv: ['true'], env: { 'A; touch pwned #': { secret: 'x' } } }, secret)).rejects.toThrow(/no name/)
})

test('a secret that cannot be read is what went wrong', async () => {
  await expect(prepare({ argv: ['true'], env: { A: { secret: 'x' } } }, () => Promise.reject(new Error('no such secret')))).rejects.toThrow(
    'no such secret',
  )
})
