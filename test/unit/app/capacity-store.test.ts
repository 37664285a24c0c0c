import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keepCapacity, readCapacities } from '../../../src/app/capacity-store.ts'
import type { KnownCapacity } from '../../../src/domain/capacity.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollgate-capacity-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const SHOP = { app: 'shop', environment: 'production' }
const file = () => join(folder, 'rollgate', 'capacity', 'shop@production.json')
const seen = (more: Partial<KnownCapacity> = {}): KnownCapacity => ({
  ...{ host: 'web-1', release: 'r1-aa', ratePerSecond: 300, atLeast: false, load: 'load', thresholds: [], at: '2026-01-01T00:00:00Z' },
  ...more,
})

describe('what hosts were found to take', () => {
  test('the last word on a host and release counts, the newest comes first, others can read it not', async () => {
    const env = { XDG_STATE_HOME: folder }
    await keepCapacity(env, SHOP, seen())
    await keepCapacity(env, SHOP, seen({ host: 'web-2', ratePerSecond: 100 }))
    await keepCapacity(env, SHOP, seen({ ratePerSecond: 310 }))
    expect((await readCapacities(env, SHOP)).map(({ host, ratePerSecond }) => [host, ratePerSecond])).toEqual([
      ['web-1', 310],
      ['web-2', 100],
    ])
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(await readCapacities(env, { ...SHOP, environment: null })).toEqual([])
  })

  test('a hostile name stays in its folder', async () => {
    const env = { XDG_STATE_HOME: folder }
    const hostile = { app: '../../evil', environment: null }
    await keepCapacity(env, hostile, seen())
    expect(statSync(join(folder, 'rollgate', 'capacity', '.._.._evil.json')).isFile()).toBe(true)
    expect(await readCapacities(env, hostile)).toHaveLength(1)
  })

  test.each(['', 'half {', '{"version":2,"capacities":[]}', '{"version":1,"capacities":[1,null,{"host":"web-1"}]}', '[]'])(
    'what cannot be read is nothing known: %j',
    async (text) => {
      const env = { XDG_STATE_HOME: folder }
      await keepCapacity(env, SHOP, seen())
      writeFileSync(file(), text)
      expect(await readCapacities(env, SHOP)).toEqual([])
    },
  )

  test('where nothing can be written nothing is kept, and nobody is stopped', async () => {
    writeFileSync(join(folder, 'rollgate'), 'a file in the way')
    await keepCapacity({ XDG_STATE_HOME: folder }, SHOP, seen())
    expect(await readCapacities({ XDG_STATE_HOME: folder }, SHOP)).toEqual([])
  })
})
