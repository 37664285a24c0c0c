import { describe, expect, test } from 'vitest'
import { startTraffic } from '../../../src/load/traffic.ts'
import { serve, until } from './helpers.ts'

describe('startTraffic', () => {
  test('each user keeps one connection, half of the requests carry a body, all are counted', async () => {
    const methods: Record<string, number> = {}
    const server = await serve((request, response) => {
      methods[request.method ?? ''] = (methods[request.method ?? ''] ?? 0) + 1
      request.resume().on('end', () => response.end('ok'))
    })
    const traffic = startTraffic({ url: server.url, users: 4, timeoutMs: 10_000 }, { signal: new AbortController().signal })
    await until(() => traffic.seen().requests >= 200)
    const report = await traffic.stop()
    const { GET = 0, POST = 0 } = methods
    expect(report).toEqual({ requests: GET + POST, failed: 0, byClass: {} })
    expect(Math.abs(GET - POST)).toBeLessThanOrEqual(4)
    expect(server.connections()).toBe(4)
    expect(await traffic.stop()).toBe(report)
  })

  test('lost requests are counted by kind and not repeated', async () => {
    let count = 0
    const server = await serve((request, response) => {
      count += 1
      if (count % 10 === 5) response.statusCode = 502
      if (count % 10 === 0) request.socket.resetAndDestroy()
      else request.resume().on('end', () => response.end())
    })
    const traffic = startTraffic({ url: server.url, users: 3, timeoutMs: 10_000 }, { signal: new AbortController().signal })
    await until(() => count >= 100)
    const report = await traffic.stop()
    expect(report.requests).toBe(count)
    expect(report.byClass).toEqual({ reset: Math.floor(count / 10), status: Math.floor((count + 5) / 10) })
  })

  test('the signal stops the users', async () => {
    const stop = new AbortController()
    const server = await serve((request, response) => {
      request.resume()
      response.end()
    })
    const traffic = startTraffic({ url: server.url, users: 2, timeoutMs: 10_000 }, { signal: stop.signal })
    await until(() => traffic.seen().requests > 5)
    stop.abort()
    const report = await traffic.stop()
    expect(traffic.seen().requests).toBe(report.requests)
  })
})
