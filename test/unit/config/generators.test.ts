// `loads.NAME.from`, and hosts that only send load.
import { describe, expect, test } from 'vitest'
import { appHosts } from '../../../src/domain/config.ts'
import { load, plus, problemsOf } from './helpers.ts'

const from = (hosts: string, model = 'rate: 10/s'): string => plus(`loads: { l: { ${model}, requests: [{ get: / }], from: [${hosts}] } }\n`)

describe('a load that other hosts send', () => {
  test('names them; without any this machine sends', async () => {
    const { config } = await load(from(''))
    expect(config.loads.l?.from).toBeUndefined()
    const [first] = config.hosts
    expect((await load(from(String(first?.name)))).config.loads.l?.from).toEqual([first?.name])
  })

  test.each([
    ['a host that is not there', from('web-99'), 'is not under `hosts`'],
    ['the closed model', from('', 'connections: 2'), 'belongs to `rate`'],
  ])('refuses %s', async (_name, text, message) => {
    expect((await problemsOf(text)).map((problem) => problem.message).join('\n')).toContain(message)
  })

  test('refuses a host that stands there twice', async () => {
    const { config } = await load(from(''))
    const name = String(config.hosts[0]?.name)
    expect((await problemsOf(from(`${name}, ${name}`))).map(({ message }) => message).join('\n')).toContain('stands here twice')
  })

  test('a host that only sends load, or balances too, is never deployed to; one that also serves is', async () => {
    const text = plus(
      'environments: { e: { hosts: { a: { address: 10.0.0.1 }, b: { address: 10.0.0.2, roles: [generator] }, c: { address: 10.0.0.3, roles: [balancer, generator] }, d: { address: 10.0.0.4, roles: [generator, web] } } } }\n',
    )
    const { config } = await load(text, { environment: 'e' })
    expect(appHosts(config).map(({ name }) => name)).toEqual(['a', 'd'])
  })
})
