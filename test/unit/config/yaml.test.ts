import { describe, expect, test } from 'vitest'
import { file, load, places, plus, problemsOf, SMALLEST } from './helpers.ts'

const one = async (text: string | Uint8Array): Promise<string> => {
  const problems = await problemsOf(text)
  expect(problems).toHaveLength(1)
  return `${problems[0]?.line}:${problems[0]?.column} ${problems[0]?.message}`
}

describe('a file that is an attack', () => {
  test('of aliases that double is refused before it is filled in', async () => {
    const levels = Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]`)
    expect(await one(`a0: &a0 [x]\n${levels.join('\n')}\n`)).toContain('once its aliases are filled in')
  })

  test('of brackets is refused', async () => {
    const problems = await problemsOf('['.repeat(200_000))
    expect(problems[0]?.message).toMatch(/not valid YAML|nested too deeply/)
    expect(problems.length).toBeLessThan(20)
    expect(await one(`a: ${'['.repeat(60)}${']'.repeat(60)}`)).toContain('nested deeper than 40')
  })

  test('of more than 1 MiB is refused unread', async () => {
    expect(await one(`# ${'x'.repeat(1024 * 1024)}`)).toBe('1:1 the file is larger than 1 MiB')
  })

  test('of an alias to itself is refused', async () => {
    expect((await problemsOf('app: &a [*a]')).map(({ message }) => message)).toContain('alias *a stands for itself or for nothing')
    expect(places(await problemsOf(file({ 5: '  web-2: &w { address: x, labels: { a: *w } }' })))).toContain('5:40 hosts.web-2.labels.a')
  })

  test('that is not UTF-8 is refused', async () => {
    expect(await one(new Uint8Array([0x61, 0x3a, 0xff, 0xfe]))).toBe('1:1 the file is not UTF-8 text')
  })
})

describe('ordinary YAML', () => {
  test('may use anchors and aliases', async () => {
    const { config } = await load(
      plus('rollout: { probe: &p { url: "http://x/" } }\n').replace('10.0.0.12', '*a').replace('10.0.0.11', '&a 10.0.0.11'),
    )
    expect(config.hosts.map((host) => host.address)).toEqual(['10.0.0.11', '10.0.0.11'])
  })

  test('may end its lines as Windows does, and begin with a byte order mark', async () => {
    expect((await load(`\ufeff${SMALLEST.join('\r\n')}\r\n`)).config.app).toBe('shop')
    expect(places(await problemsOf(`\ufeff${SMALLEST.join('\r\n')}\r\nbananas: 1\r\n`))).toEqual(['11:1 bananas'])
  })

  test('is YAML 1.2: `on`, `no` and `1:30` are words', async () => {
    const { config } = await load(
      plus('hooks: { after_activate: [{ run: "true", on: host }] }').replace(
        'root: /srv/shop',
        'root: /srv/shop\n  env: { A: no, B: 1:30 }',
      ),
    )
    expect(config.release.env).toEqual({ A: ['no'], B: ['1:30'] })
    expect(config.hooks.after_activate[0]?.on).toBe('host')
  })

  test('keeps numbers of an environment as they are written', async () => {
    const { config } = await load(
      plus('').replace('root: /srv/shop', 'root: /s\n  env: { V: 1.10, P: 8080, T: true, O: 0x10, L: 12345678901234567890 }'),
    )
    expect(config.release.env).toEqual({ V: ['1.10'], P: ['8080'], T: ['true'], O: ['0x10'], L: ['12345678901234567890'] })
  })
})
