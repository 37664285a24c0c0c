// Which servers are a host: pure, by tables. The same against the real HAProxy is in test/contract/balancer.
import { describe, expect, test } from 'vitest'
import type { HostAddresses } from '../../../src/domain/balancer.ts'
import { findServers } from '../../../src/drivers/balancer/haproxy/find.ts'
import type { Server } from '../../../src/drivers/balancer/haproxy/servers.ts'

const server = (path: string, address: string | null, port: number | null = 8080, more: Partial<Server> = {}): Server => {
  const [backend = '', name = ''] = path.split('/')
  return {
    ...{ backend, name, address, port, mask: 0, weight: 1, initialWeight: 1, hasCheck: true, hasAgent: false, status: 'UP', check: 'L7OK' },
    ...{ fall: 3, inFlight: 0, queued: 0, tracks: null, throttle: null, total: 0, rate: 0 },
    ...more,
  }
}

const NAMES: Readonly<Record<string, readonly string[]>> = { 'web-1.internal': ['10.0.0.1', '::1'], 'web-2.internal': ['10.0.0.2'] }

async function find(host: Partial<HostAddresses>, servers: readonly Server[], backend?: string): Promise<readonly string[]> {
  const found = await findServers(
    { host: 'web-1', addresses: [], ...host },
    servers,
    { balancer: 'haproxy:lb-1', backend, host: 'lb-1' },
    async (name) => NAMES[name] ?? [],
  )
  return found.map(({ backend: pool, name }) => `${pool}/${name}`)
}

const FLEET = [server('app/a', '10.0.0.1'), server('app/b', '10.0.0.2'), server('admin/a', '10.0.0.1', 9000), server('ws/x', '10.0.0.1')]

describe('by address', () => {
  test.each<readonly [string, Partial<HostAddresses>, readonly string[]]>([
    ['and port, in every backend', { addresses: ['10.0.0.1'], port: 8080 }, ['app/a', 'ws/x']],
    ['one of many', { addresses: ['172.17.0.1', '10.0.0.2', '127.0.0.1'], port: 8080 }, ['app/b']],
    ['a name, resolved on the balancer host', { addresses: ['web-2.internal'], port: 8080 }, ['app/b']],
    ['no port, alone in its backend', { addresses: ['10.0.0.2'] }, ['app/b']],
    ['no port, alone in each of its backends', { addresses: ['10.0.0.1'] }, ['app/a', 'admin/a', 'ws/x']],
  ])('%s', async (_, host, names) => {
    expect(await find(host, FLEET)).toEqual(names)
  })

  test.each<readonly [string, Partial<HostAddresses>]>([
    ['nowhere', { addresses: ['10.0.0.9'], port: 8080 }],
    ['another port', { addresses: ['10.0.0.2'], port: 1 }],
    ['no addresses at all', {}],
    ['a name nobody knows', { addresses: ['nobody.invalid'] }],
    ['loopback, which every machine has', { addresses: ['127.0.0.1', '::1', '127.0.1.1', 'localhost'], port: 8080 }],
  ])('%s is refused with candidates', async (_, host) => {
    const local = [...FLEET, server('app/local', '127.0.0.1'), server('app/six', '::1'), server('app/debian', '127.0.1.1')]
    await expect(find(host, local)).rejects.toMatchObject({
      code: 'E_BALANCER_SERVER',
      hints: ['name it: hosts.web-1.server', expect.stringContaining('app/b (10.0.0.2:8080)')],
    })
  })

  test('a server on loopback is the balancer host itself, if that is a host of the app', async () => {
    const local = [...FLEET, server('app/local', '127.0.0.1')]
    expect(await find({ host: 'lb-1', addresses: ['10.0.0.9'], port: 8080 }, local)).toEqual(['app/local'])
  })

  test('IPv6 is compared as an address, not as text', async () => {
    const servers = [server('app/six', 'fd00:0:0::1'), server('app/mapped', '::ffff:10.0.0.3')]
    expect(await find({ addresses: ['FD00::1'], port: 8080 }, servers)).toEqual(['app/six'])
    expect(await find({ addresses: ['10.0.0.3'], port: 8080 }, servers)).toEqual(['app/mapped'])
  })

  test('a server line without a port takes the client’s: the only one of its backend', async () => {
    expect(await find({ addresses: ['10.0.0.1'], port: 8080 }, [server('tcp/a', '10.0.0.1', null)])).toEqual(['tcp/a'])
  })

  test('two in one backend and no port: nobody guesses', async () => {
    await expect(find({ addresses: ['10.0.0.1'] }, [...FLEET, server('app/a2', '10.0.0.1', 8081)])).rejects.toMatchObject({
      code: 'E_BALANCER_SERVER',
      message: 'web-1 could be several servers of backend app in haproxy:lb-1',
    })
  })
})

describe('by name', () => {
  test('in every backend that has it, or the configured one', async () => {
    expect(await find({ server: 'a', addresses: ['10.0.0.1'] }, FLEET)).toEqual(['app/a', 'admin/a'])
    expect(await find({ server: 'a', addresses: ['10.0.0.1'] }, FLEET, 'admin')).toEqual(['admin/a'])
  })

  test('its address must be the host’s', async () => {
    await expect(find({ server: 'b', addresses: ['10.0.0.1'] }, FLEET)).rejects.toMatchObject({ code: 'E_BALANCER_MISMATCH' })
    expect(await find({ server: 'b', addresses: ['web-2.internal'] }, FLEET)).toEqual(['app/b'])
  })

  test('without an address, or behind a tunnel on the balancer’s loopback, the name is all there is', async () => {
    expect(await find({ server: 'u', addresses: ['10.0.0.1'] }, [server('app/u', null, null)])).toEqual(['app/u'])
    expect(await find({ server: 't', addresses: ['10.0.0.1'] }, [server('app/t', '127.0.0.1')])).toEqual(['app/t'])
  })
})

test('an agent is refused, and a hostile name in the answer cannot move a cursor', async () => {
  await expect(find({ server: 'a', addresses: ['10.0.0.1'] }, [server('app/a', '10.0.0.1', 1, { hasAgent: true })])).rejects.toMatchObject({
    code: 'E_BALANCER_SERVER',
    message: expect.stringContaining('agent-check'),
  })
  const hostile = [server('a\u001b]0;x\u0007pp/\u001b[31mevil', '10.0.0.7\u202e')]
  const refused = await find({ addresses: ['10.0.0.1'], port: 1 }, hostile).catch((error: unknown) => error)
  expect(JSON.stringify(refused)).not.toMatch(/\\u001b|\u202e/)
})
