// Load on one host's own app where its port is not public: over a real sshd. Counts are the server's.

import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { hostTargets } from '../../../src/app/host-target.ts'
import type { HealthSettings } from '../../../src/domain/health.ts'
import type { HostName } from '../../../src/domain/host.ts'
import type { Transport } from '../../../src/domain/transport.ts'
import { createLocalTransport } from '../../../src/drivers/transport/local.ts'
import { createPool, type Pool } from '../../../src/drivers/transport/pool.ts'
import { realClock } from '../../../src/load/pace.ts'
import { noSshd, type Sshd, startSshd } from '../../contract/transport/sshd.ts'
import { aHost, sshTransport } from '../../contract/transport/targets.ts'
import { certificateFor, noOpenssl } from '../../helpers/certificate.ts'
import { ownFolder } from '../../helpers/folders.ts'
import { measure, paced, planFor } from '../../helpers/load.ts'

const NEVER = new AbortController().signal

describe.skipIf(noSshd !== null)(`load on a host of the configuration${noSshd === null ? '' : ` (skipped: ${noSshd})`}`, () => {
  let sshd: Sshd
  let transport: Transport
  let pool: Pool
  let requests = 0
  let hosts = new Set<string | undefined>()
  const server = createServer((request, response) => {
    requests += 1
    hosts.add(request.headers.host)
    response.end('ok')
  })
  let health: HealthSettings
  const connect = (_name: HostName, signal: AbortSignal) => pool.get(aHost('web-1', sshd.port), signal)

  beforeAll(async () => {
    sshd = await startSshd()
    transport = sshTransport(sshd)
    pool = createPool(transport, { concurrency: 4, attempts: 3, timeoutMs: 10_000, clock: realClock, random: Math.random })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    health = {
      check: {
        ...{ kind: 'http', path: '/', status: [200], headers: {}, address: '127.0.0.1', timeoutMs: 1000 },
        port: (server.address() as AddressInfo).port,
      },
      ...{ version: { kind: 'process' }, intervalMs: 500, healthyForMs: 500, deadlineMs: 5000 },
    }
  })
  beforeEach(() => {
    requests = 0
    hosts = new Set()
  })
  afterAll(async () => {
    await pool?.closeAll()
    await transport?.close()
    await sshd?.stop()
    server.closeAllConnections()
    server.close()
  })

  test('loopback is no address of anybody: it goes through the connection, and both arms of a pair do', async () => {
    const names = ['canary', 'baseline'].map((name) => ({ host: 'web-1', name, health }))
    const { targets, way } = await hostTargets(names, { connect, site: 'https://shop.example.com/', signal: NEVER })
    expect(way).toBe('tunnel')
    const [canary, baseline] = targets
    if (canary === undefined || baseline === undefined) throw new Error('two were asked for')
    const { result } = await measure(planFor('', paced(60), { targets: [canary, baseline] }))
    expect(result.targets).toMatchObject([
      { name: 'canary', done: 60, errors: {} },
      { name: 'baseline', done: 60, errors: {} },
    ])
    expect(requests).toBe(120)
    expect([...hosts]).toEqual(['shop.example.com'])
  })

  test('a connection that is lost in the middle loses what was in flight, and is opened again', async () => {
    const { targets } = await hostTargets([{ host: 'web-1', health }], { connect, signal: NEVER })
    const [target] = targets
    if (target === undefined) throw new Error('one was asked for')
    let cut = false
    const { result } = await measure(planFor('', paced(100), { targets: [target], durationMs: 3000 }), {
      onSlice(slice) {
        if (cut || slice.second > 0) return
        cut = true
        sshd.killSessions()
      },
    })
    const [seen] = result.targets
    const failed = Object.values(seen?.errors ?? {}).reduce((sum, count) => sum + count, 0)
    expect(seen?.offered).toBe(300)
    expect((seen?.done ?? 0) + failed).toBe(300)
    // Of a class that says what happened to a connection, and the last second is whole again.
    expect(Object.keys(seen?.errors ?? {}).filter((name) => !['reset', 'closed', 'refused', 'connect-timeout'].includes(name))).toEqual([])
    expect(seen?.done).toBeGreaterThan(150)
    expect([...hosts]).toEqual([`127.0.0.1:${(server.address() as AddressInfo).port}`])
  })

  test('an app whose port nobody knows is an error that names the way out', async () => {
    const none = { ...health, check: { kind: 'service' as const } }
    await expect(hostTargets([{ host: 'web-1', health: none }], { connect, signal: NEVER })).rejects.toMatchObject({ code: 'E_LOAD' })
  })

  test('a port where nobody listens is refused, request by request', async () => {
    const { check } = health
    if (check.kind !== 'http') throw new Error('an http check')
    const { targets } = await hostTargets([{ host: 'web-1', health: { ...health, check: { ...check, port: 1 } } }], {
      connect,
      signal: NEVER,
    })
    const [target] = targets
    if (target === undefined) throw new Error('one was asked for')
    const { result } = await measure(planFor('', paced(20), { targets: [target] }))
    expect(result.targets[0]).toMatchObject({ done: 0, errors: { refused: 20 } })
    expect(result.validity.valid).toBe(false)
  })
})

test.skipIf(noOpenssl)('an app that speaks TLS on its own port: SNI, Host and certificate are those of the site, and checked', async () => {
  const { key, cert, ca } = certificateFor('DNS:shop.test')
  const folder = await ownFolder()
  await writeFile(join(folder, 'ca.pem'), ca)
  const seen = new Set<string>()
  const secure = createTls({ key, cert }, (request, response) => {
    seen.add(`${request.headers.host} ${(request.socket as TLSSocket).servername}`)
    response.end('ok')
  })
  onTestFinished(() => void secure.close())
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done))
  const own: HealthSettings = {
    check: { kind: 'tcp', port: (secure.address() as AddressInfo).port, address: '127.0.0.1', timeoutMs: 1000 },
    ...{ version: { kind: 'process' }, intervalMs: 500, healthyForMs: 500, deadlineMs: 5000 },
  }
  // Any way to a host will do: what is asked here is what goes through it.
  const transport = createLocalTransport()
  const connect = (name: HostName, signal: AbortSignal) => transport.connect(aHost(name, 0), signal)
  const seenBy = async (site: string, trusted: boolean) => {
    const { targets } = await hostTargets([{ host: 'web-1', health: own }], { connect, site, tls: true, signal: NEVER })
    const [target] = targets
    if (target === undefined) throw new Error('one was asked for')
    const { result } = await measure(planFor('', paced(10, trusted ? { ca: join(folder, 'ca.pem') } : {}), { targets: [target] }))
    return result
  }
  expect(await seenBy('https://shop.test/', true)).toMatchObject({ targets: [{ done: 10, errors: {} }] })
  expect([...seen]).toEqual(['shop.test shop.test'])
  const untrusted = { targets: [{ done: 0, errors: { tls: 10 } }], validity: { valid: false } }
  expect(await seenBy('https://shop.test/', false)).toMatchObject(untrusted)
  expect(await seenBy('https://other.test/', true)).toMatchObject(untrusted)
})
