// How load tools are called: words that arrive as they are, whatever the names hold; and the script by which k6 loads two
// releases at once, which is run here as far as a module can be without k6.
import { writeFile } from 'node:fs/promises'
import { createServer, connect as dial } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { EngineSettings } from '../../../src/domain/engine.ts'
import { openDoor } from '../../../src/drivers/engine/door.ts'
import { type EngineAsked, jmeterWords, k6Pair, k6Words, locustWords, vegetaWords } from '../../../src/drivers/engine/words.ts'
import { ownFolder } from '../../helpers/folders.ts'

const settings = (more: Partial<EngineSettings> = {}): EngineSettings => ({
  ...{
    name: 'big',
    tool: 'k6',
    path: '/a b/$(x)/load.js',
    command: 'k6',
    args: ['--tag', 'x=; rm -rf /'],
    workers: 0,
    ratePerSecond: 12.5,
  },
  ...{ duration: { atLeastMs: 90_000, atMostMs: 120_000 }, ...more },
})
const asked = (more: Partial<EngineAsked> = {}): EngineAsked => ({
  ...{ settings: settings(), target: 'http://127.0.0.1:1', against: null, folder: '/tmp/f' },
  ...more,
})

describe('words', () => {
  test('k6 writes every request and its summary, and the script is one word', () => {
    const { argv, env } = k6Words(asked(), '/a b/$(x)/load.js')
    expect(argv).toEqual([
      ...['k6', 'run', '--quiet', '--no-color', '--out', 'json=/tmp/f/points.json.gz', '--summary-export', '/tmp/f/summary.json'],
      ...['--tag', 'x=; rm -rf /', '/a b/$(x)/load.js'],
    ])
    expect(env).toEqual({ ROLLGATE_DURATION_S: '90', ROLLGATE_TARGET: 'http://127.0.0.1:1' })
  })

  test('without a site a script sees none', () => {
    expect(k6Words(asked({ target: null }), 'x').env).toEqual({ ROLLGATE_DURATION_S: '90' })
    expect(jmeterWords(asked({ target: null })).argv.join(' ')).not.toContain('rollgate.target')
  })

  test('JMeter writes CSV with names, whatever its own settings say', () => {
    expect(jmeterWords(asked({ settings: settings({ tool: 'jmeter', command: 'jmeter', args: [] }) })).argv).toEqual([
      ...['jmeter', '-n', '-t', '/a b/$(x)/load.js', '-l', '/tmp/f/results.jtl', '-j', '/tmp/f/jmeter.log'],
      ...['output_format=csv', 'print_field_names=true', 'timestamp_format=ms', 'default_delimiter=,'].map(
        (word) => `-Jjmeter.save.saveservice.${word}`,
      ),
      '-Jrollgate.target=http://127.0.0.1:1',
    ])
  })

  test('Locust is a master that waits for its workers, on loopback only', () => {
    const [main, ...workers] = locustWords(asked({ settings: settings({ tool: 'locust', command: 'locust', workers: 3 }) }), 5555)
    expect(main?.argv).toEqual(
      expect.arrayContaining(['--master-bind-host', '127.0.0.1', '--master-bind-port', '5555', '--expect-workers', '3', '-t', '90s']),
    )
    expect(workers.map(({ role, argv }) => [role, argv.includes('--worker'), argv.includes('5555')])).toEqual(
      Array.from({ length: 3 }, () => ['worker', true, true]),
    )
    expect(locustWords(asked({ settings: settings({ tool: 'locust' }) }), 0)).toHaveLength(1)
  })

  test('vegeta attacks each site by a name of its own, at a whole number a minute', () => {
    const both = vegetaWords(
      asked({ settings: settings({ tool: 'vegeta', command: 'vegeta', args: [] }), against: 'http://127.0.0.1:2' }),
      'GET {{ target }}/a\n',
    )
    expect(
      both.map(({ argv, stdin }) => [argv.find((word) => word.startsWith('-name')), argv.find((word) => word.startsWith('-rate')), stdin]),
    ).toEqual([
      ['-name=canary', '-rate=750/1m', 'GET http://127.0.0.1:1/a\n'],
      ['-name=baseline', '-rate=750/1m', 'GET http://127.0.0.1:2/a\n'],
    ])
  })
})

test('k6’s script for two releases runs the user’s own function for each, at one rate, labelled', async () => {
  const folder = await ownFolder()
  const own = join(folder, `own "quoted" ${'$'}{name}.mjs`)
  await writeFile(own, 'export const options = { vus: 99 }\nexport function setup() { return 7 }\nexport default function visit() {}\n')
  const script = join(folder, 'pair.mjs')
  await writeFile(script, k6Pair(asked({ settings: settings({ path: own }), against: 'http://127.0.0.1:2' })))
  // What was just written.
  const made = (await import(pathToFileURL(script).href)) as Record<string, unknown> & {
    readonly options: { readonly scenarios: Record<string, unknown> }
  }
  expect(Object.keys(made).sort()).toEqual(['default', 'options', 'setup'])
  expect(made.default).toHaveProperty('name', 'visit')
  const shared = { executor: 'constant-arrival-rate', rate: 12_500, timeUnit: '1000s', duration: '90000ms', exec: 'default' }
  expect(made.options).toEqual({
    scenarios: {
      canary: expect.objectContaining({ ...shared, env: { ROLLGATE_TARGET: 'http://127.0.0.1:1' }, tags: { arm: 'canary' } }),
      baseline: expect.objectContaining({ ...shared, env: { ROLLGATE_TARGET: 'http://127.0.0.1:2' }, tags: { arm: 'baseline' } }),
    },
  })
})

describe('a door to where only our own connections lead', () => {
  const signal = new AbortController().signal
  const speak = async (origin: string, text: string): Promise<string> => {
    const socket = dial(Number(new URL(origin).port), '127.0.0.1')
    socket.end(text)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer
  }

  test('carries both ways, and many at once', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = ''
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString()
      })
      socket.on('end', () => socket.end(heard.toUpperCase()))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const door = await openDoor(async () => dial({ port, host: '127.0.0.1', allowHalfOpen: true }), signal)
    expect(await Promise.all(['one', 'two', 'x'.repeat(200_000)].map((text) => speak(door.origin, text)))).toEqual([
      'ONE',
      'TWO',
      'X'.repeat(200_000),
    ])
    await door.close()
    server.close()
    await expect(speak(door.origin, 'late')).rejects.toThrow('ECONNREFUSED')
  })

  test('shows a way that is lost as a lost connection', async () => {
    const door = await openDoor(() => Promise.reject(new Error('no way')), signal)
    const ended = await speak(door.origin, 'hello').catch((error: NodeJS.ErrnoException) => error.code ?? '')
    expect(['', 'ECONNRESET', 'EPIPE']).toContain(ended)
    await door.close()
  })
})
