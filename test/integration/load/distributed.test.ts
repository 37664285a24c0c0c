// One load from several generators, each a process of its own behind a real sshd (or this machine where there is none).
// The truth is what the server counted.
import { constants, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Slice } from '../../../src/domain/slice.ts'
import type { Transport } from '../../../src/domain/transport.ts'
import { generatorProgram, openGenerator } from '../../../src/drivers/generator.ts'
import { createLocalTransport } from '../../../src/drivers/transport/local.ts'
import { startDistributed } from '../../../src/load/distributed.ts'
import type { LoadHooks, LoadPlan, LoadResult } from '../../../src/load/plan.ts'
import type { Generator } from '../../../src/load/remote.ts'
import { LIMITS } from '../../../src/load/validity.ts'
import { descendants, noSshd, type Sshd, startSshd } from '../../contract/transport/sshd.ts'
import { aHost, sshTransport, temporaryFolder } from '../../contract/transport/targets.ts'
import { certificateFor, noOpenssl } from '../../helpers/certificate.ts'
import { paced, planFor, settings } from '../../helpers/load.ts'

// Seconds, and many more on a machine that has much else to do.
vi.setConfig({ testTimeout: 240_000 })

const NEVER = new AbortController().signal
/** The long form has all ways in which a generator ends. */
const FULL = process.env.ROLLGATE_FULL === '1'
const SECRET = 'tr0ub4dor & $(id)'

describe.skipIf(noSshd !== null)(`a load from other hosts${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  let transport: Transport
  let node = ''
  let program = ''
  let open: Generator[] = []
  let seen: { readonly url: string; readonly from: string; readonly token: string | undefined; readonly atMs: number }[] = []
  const server = createServer((request, response) => {
    seen.push({
      url: request.url ?? '',
      from: `${request.socket.remotePort}`,
      token: request.headers.authorization,
      atMs: performance.now(),
    })
    response.end('ok')
  })
  let url = ''

  beforeAll(async () => {
    sshd = await startSshd()
    // Who logs in is another user, and may not look into a checkout that is only ours.
    node = join(sshd.folder, 'node')
    copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE)
    transport = sshTransport(sshd)
    program = await generatorProgram(NEVER)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  beforeEach(() => {
    seen = []
  })
  afterEach(async () => {
    await Promise.all(open.map((generator) => generator.close()))
    open = []
  })
  afterAll(async () => {
    await transport?.close()
    await sshd?.stop()
    server.closeAllConnections()
    server.close()
  })

  /** Each over a connection of its own, as hosts have. */
  async function generators(count: number): Promise<readonly Generator[]> {
    const made = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const connection = await transport.connect(aHost(`gen-${index + 1}`, sshd.port, { labels: { node } }), NEVER)
        return openGenerator(connection, program, NEVER)
      }),
    )
    open.push(...made)
    return made
  }
  async function send(plan: LoadPlan, hooks: Partial<LoadHooks> = {}, count = 2, targetAddresses: readonly string[] = []) {
    const slices: Slice[] = []
    const run = startDistributed(
      plan,
      {
        signal: NEVER,
        ...hooks,
        onSlice: (slice) => {
          slices.push(slice)
          hooks.onSlice?.(slice)
        },
      },
      { generators: await generators(count), targetAddresses },
    )
    return { result: await run.done, slices }
  }
  /** Nobody goes on sending: what came in one moment is all there is in the next. */
  async function untilQuiet(): Promise<number> {
    for (let before = -1; ; ) {
      if (before === seen.length) return before
      before = seen.length
      await new Promise((done) => setTimeout(done, 700))
    }
  }

  test('sends exactly the asked number together, from each of them, and adds the slices up', async () => {
    // As a gate asks for it, which judges the delays itself.
    const limits = { ...LIMITS, lagMs: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY }
    const { result, slices } = await send(planFor(url, paced(101), { durationMs: 2000, limits }), {}, 3)
    expect(result.targets).toMatchObject([{ name: 'target', offered: 202, done: 202, errors: {} }])
    expect(seen).toHaveLength(202)
    expect(result.end).toBe('finished')
    expect(slices.map(({ second, offered }) => [second, offered]).reduce((sum, [, offered]) => sum + (offered ?? 0), 0)).toBe(202)
    expect(new Set(slices.map(({ second }) => second))).toEqual(new Set([0, 1]))
    // Whatever spoils it is told with the name of the generator; here only a late beginning can.
    for (const reason of result.validity.reasons) expect(reason).toMatch(/^gen-\d began/)
  })

  test('rows that may be used once are used once in all, and secrets and variables go with the order, not with the command', async () => {
    const folder = temporaryFolder()
    try {
      writeFileSync(join(folder.path, 'rows.csv'), `id\n${Array.from({ length: 40 }, (_, index) => index).join('\n')}\n`)
      const load = settings({
        model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 40 }, arrivals: 'poisson' },
        data: { items: { format: 'csv', path: join(folder.path, 'rows.csv'), order: 'once' } },
        scenarios: [{ name: 'item', weight: 1, steps: [{ method: 'GET', path: '/{{ env.PREFIX }}/{{ items.id }}' }] }],
        auth: { kind: 'bearer', token: '{{ secret.token }}' },
      })
      let argv = ''
      const plan = planFor(url, load, {
        env: { PREFIX: 'items', UNUSED: 'nobody asked for this' },
        readSecret: async () => SECRET,
      })
      const { result } = await send(plan, {
        onSlice: () => {
          argv ||= everyArgv(sshd)
        },
      })
      expect(result.targets).toMatchObject([{ done: 40, errors: {} }])
      expect(seen.map((request) => request.url).toSorted()).toEqual(Array.from({ length: 40 }, (_, index) => `/items/${index}`).toSorted())
      expect(new Set(seen.map(({ token }) => token))).toEqual(new Set([`Bearer ${SECRET}`]))
      expect(argv).toContain('-e')
      expect(argv).not.toContain('tr0ub4dor')
      expect(argv).not.toContain('nobody asked')
    } finally {
      folder.remove()
    }
  })

  test.runIf(FULL)('pairs stay pairs: both targets get the same number from each generator', async () => {
    const targets = [
      { name: 'canary', origin: url },
      { name: 'baseline', origin: url },
    ] as const
    const { result } = await send(planFor('', paced(50), { targets }))
    expect(result.targets).toMatchObject([
      { name: 'canary', done: 50 },
      { name: 'baseline', done: 50 },
    ])
  })

  test('a generator that is killed makes the run INVALID, and the others stop', async () => {
    let killed = false
    const { result } = await send(planFor(url, paced(60), { durationMs: 30_000 }), {
      onSlice: () => {
        if (killed) return
        killed = true
        const [victim] = agentsOf(sshd)
        if (victim === undefined) throw new Error('no generator is running')
        process.kill(victim, 'SIGKILL')
      },
    })
    expect(result).toMatchObject({ end: 'lost', validity: { valid: false } })
    expect(result.validity.reasons).toEqual([expect.stringMatching(/^the generator on gen-\d was lost: .*what it sent is unknown$/)])
    const count = await untilQuiet()
    expect(count).toBeLessThan(60 * 25)
    expect(agentsOf(sshd)).toEqual([])
  })

  test.runIf(FULL)('a connection that goes away takes its generator with it', async () => {
    let cut = false
    const { result } = await send(planFor(url, paced(60), { durationMs: 30_000 }), {
      onSlice: () => {
        if (cut) return
        cut = true
        sshd.killSessions()
      },
    })
    expect(result.end).toBe('lost')
    expect(await untilQuiet()).toBeLessThan(60 * 25)
    expect(agentsOf(sshd)).toEqual([])
  })

  test('an interrupt ends them all, and so does stop, which waits for what is in flight', async () => {
    const abort = new AbortController()
    const { result } = await send(planFor(url, paced(60), { durationMs: 60_000 }), { signal: abort.signal, onSlice: () => abort.abort() })
    expect(result).toMatchObject({ end: 'cancelled', validity: { valid: false } })
    await untilQuiet()
    const [first, second] = await generators(2)
    if (first === undefined || second === undefined) throw new Error('two were opened')
    const run = startDistributed(
      planFor(url, paced(60), { durationMs: 60_000 }),
      { signal: NEVER, onSlice: () => run.stop() },
      { generators: [first, second], targetAddresses: [] },
    )
    const stopped = await run.done
    expect(stopped.end).toBe('stopped')
    expect(sumOf(stopped)).toBe(stopped.targets[0]?.offered)
  })

  test.runIf(FULL)('the warm-up ends in the same second for all, when somebody has seen enough', async () => {
    const marks = new Map<number, boolean>()
    const [first, second] = await generators(2)
    if (first === undefined || second === undefined) throw new Error('two were opened')
    const run = startDistributed(
      planFor(url, paced(60), { warmupMs: 60_000, durationMs: 1000 }),
      {
        signal: NEVER,
        onSlice(slice) {
          marks.set(slice.second, slice.warmup === true)
          run.endWarmup()
        },
      },
      { generators: [first, second], targetAddresses: [] },
    )
    const result = await run.done
    expect(result.end).toBe('finished')
    expect(result.targets).toMatchObject([{ offered: 60 }])
    expect([...marks.values()].filter((isWarmup) => !isWarmup)).toHaveLength(1)
  })

  test('is refused where nothing can be shared, or where a generator is what is loaded', async () => {
    const refused = (plan: LoadPlan, addresses: readonly string[] = []) =>
      expect(send(plan, {}, 1, addresses)).rejects.toMatchObject({ code: 'E_LOAD' })
    await refused(planFor(url, settings({ model: { kind: 'closed', connections: 2 } })))
    await refused(planFor('', paced(10), { targets: [{ name: 'a', origin: url, connect: () => Promise.reject(new Error('unused')) }] }))
    const own = Object.values((await import('node:os')).networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal }) => !internal)
    if (own !== undefined) await refused(planFor(url, paced(10)), [own.address])
    expect(seen).toEqual([])
  })

  test('a cap that does not fit there, and a login that fails there, are told with the name of the host', async () => {
    const load = settings({
      model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: 10 }, arrivals: 'poisson', maxInFlight: 3_000_000 },
    })
    await expect(send(planFor(url, load))).rejects.toMatchObject({ code: 'E_LOAD_ROOM', host: expect.stringMatching(/^gen-/) })
    expect(seen).toEqual([])
  })
})

function sumOf({ targets: [target] }: LoadResult): number {
  return (target?.done ?? 0) + Object.values(target?.errors ?? {}).reduce((sum, count) => sum + count, 0)
}

/** Generators that run now, by the words of their command. */
function agentsOf(sshd: Sshd): readonly number[] {
  return descendants(process.pid).filter(
    (pid) => argvOf(pid).includes('Buffer.alloc(0)') && argvOf(pid).split('\0')[0]?.endsWith('node') === true && sshd.port > 0,
  )
}

function everyArgv(sshd: Sshd): string {
  return agentsOf(sshd).map(argvOf).join('\n')
}

function argvOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

test.skipIf(noOpenssl)('over HTTP/2, by an authority and a schema of files that only this machine has', async () => {
  const { key, cert, ca } = certificateFor('IP:127.0.0.1')
  const versions = new Set<string>()
  const secure = createSecureServer({ key, cert }, (request, response) => {
    versions.add(request.httpVersion)
    response.end('{"id":"none"}')
  })
  onTestFinished(() => void secure.close())
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done))
  const folder = temporaryFolder()
  try {
    writeFileSync(join(folder.path, 'ca.pem'), ca)
    writeFileSync(join(folder.path, 'schema.json'), '{"properties":{"id":{"type":"integer"}}}')
    const expected = { schema: { path: join(folder.path, 'schema.json') } }
    const load = paced(20, {
      ...{ http2: true, ca: join(folder.path, 'ca.pem') },
      scenarios: [{ name: 'get', weight: 1, steps: [{ method: 'GET', path: '/', expect: expected }] }],
    })
    const plan = planFor(`https://127.0.0.1:${(secure.address() as AddressInfo).port}`, load)
    // A process of its own on this machine: what it knows came with the order.
    const connection = await createLocalTransport().connect(aHost('gen-1', 0, { labels: { node: process.execPath } }), NEVER)
    const generator = await openGenerator(connection, await generatorProgram(NEVER), NEVER)
    const result = await startDistributed(plan, { signal: NEVER }, { generators: [generator], targetAddresses: [] }).done
    expect(result.targets).toMatchObject([{ done: 0, errors: { check: 20 } }])
    expect(versions).toEqual(new Set(['2.0']))
  } finally {
    folder.remove()
  }
})

test('fewer rows than generators, where each wants its own, are refused before a generator is asked', async () => {
  const said: string[] = []
  const generator = (name: string): Generator => ({
    ...{ name, listen: () => undefined, gone: new Promise<string>(() => undefined), close: async () => undefined },
    send: (message) => void said.push(message.type),
  })
  const load = paced(20, { data: { items: { format: 'jsonl', path: '/nowhere', order: 'partition' } } })
  const plan = planFor('http://127.0.0.1:1', load, { rows: { items: [{ id: 1 }] } })
  const generators = [generator('gen-1'), generator('gen-2')]
  await expect(startDistributed(plan, { signal: NEVER }, { generators, targetAddresses: [] }).done).rejects.toMatchObject({
    code: 'E_LOAD_DATA',
    message: expect.stringContaining('1 rows for 2 generators'),
  })
  expect(said).toEqual([])
})
