// The rig judged before anything is judged by it: a restart without a drain must lose requests here, and the golden
// sequence of balancers.md, done by hand, must lose none. Without the first, "0 failed" would mean nothing.
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeOnLab, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { emptyFleet, fleet, installByHand, suiteFolder, untilAllReady, untilHealthy } from './helpers/fleet.ts'
import { serverView, startSampler, tellBalancer, untilStatus } from './helpers/haproxy.ts'
import { startLoad } from './helpers/load.ts'
import { writeBuild } from './helpers/release.ts'

describeOnLab('the rig', (lab) => {
  const folder = suiteFolder('rig')
  const names = lab.hosts.map((host) => host.name)
  const url = `http://${lab.balancer.address}/work`

  beforeAll(async () => {
    await emptyFleet(lab)
    writeBuild(join(folder.path, 'one'), 'one')
    for (const host of names) {
      await installByHand(host, 'r1-11111111', join(folder.path, 'one'))
      await mustInHost(host, 'systemctl start app')
      await untilHealthy(host, 'r1-11111111')
    }
    await untilAllReady(lab)
  })

  test('load alone loses nothing and reaches every host', async () => {
    const load = startLoad(url)
    await until('500 requests were answered', () => load.sent.length > 500)
    const seen = await load.stop()
    expect(seen).toMatchObject({ failed: 0, releases: { 'r1-11111111': seen.requests } })
    expect([...new Set(load.sent.map((each) => each.host))].sort()).toEqual(names)
    expect(load.sent.some((each) => each.reused)).toBe(true)
    expect(load.sent.filter((each) => each.method === 'POST').length).toBeGreaterThan(seen.requests / 4)
  })

  test('the control: a restart without a drain loses requests', async () => {
    const load = startLoad(url)
    await until('the load runs', () => load.sent.length > 100)
    for (const host of names) {
      await mustInHost(host, 'systemctl restart app')
      await untilHealthy(host, 'r1-11111111')
      await untilAllReady(lab)
    }
    const seen = await load.stop()
    expect(seen.failed).toBeGreaterThan(0)
  })

  test('the golden sequence by hand loses none, one host out at a time', async () => {
    const before = await fleet(lab)
    const load = startLoad(url)
    const sampler = startSampler(lab)
    await until('the load runs', () => load.sent.length > 100)
    for (const host of names) {
      const quiet = async () => {
        const view = await serverView(lab, host)
        return view.inFlight === 0 && view.queued === 0
      }
      await tellBalancer(lab, `set server app/${host} state drain`)
      await until(`${host} has nothing in flight`, quiet)
      await tellBalancer(lab, `set server app/${host} state maint`)
      await until(`${host} has nothing in flight`, quiet)
      await mustInHost(host, 'systemctl restart app')
      await untilHealthy(host, 'r1-11111111')
      await tellBalancer(lab, `set server app/${host} state drain`)
      await untilStatus(lab, host, 'DRAIN')
      await tellBalancer(lab, `set server app/${host} state ready`)
      await untilStatus(lab, host, 'UP')
    }
    const [seen, looked] = await Promise.all([load.stop(), sampler.stop()])
    expect(seen, JSON.stringify(seen.failures)).toMatchObject({ failed: 0 })
    expect(looked).toMatchObject({ leastReady: names.length - 1, mostOut: 1, taken: names })
    const after = await fleet(lab)
    expect(after.filter((host, index) => host.pid === before[index]?.pid)).toEqual([])
  })
})
