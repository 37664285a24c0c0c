// What HAProxy's masks and words mean for a rollout, as tables.
import { describe, expect, test } from 'vitest'
import type { AdminState, BalancerHealth } from '../../../src/domain/balancer.ts'
import { adminOf, healthOf, isIn, isVerified, type Server, stateOf } from '../../../src/drivers/balancer/haproxy/servers.ts'

const SERVER: Server = {
  backend: 'app',
  name: 'web-1',
  address: '10.0.0.1',
  port: 8080,
  mask: 0,
  weight: 1,
  initialWeight: 1,
  hasCheck: true,
  hasAgent: false,
  status: 'UP',
  check: 'L7OK',
  fall: 3,
  inFlight: 2,
  queued: 0,
  tracks: null,
  throttle: null,
  total: 9,
  rate: 3,
}

test.each<readonly [number, AdminState | 'other', readonly AdminState[]]>([
  [0, 'ready', ['ready']],
  [1, 'maintenance', ['maintenance']],
  [2, 'maintenance', ['maintenance']],
  // Once disabled in the file and enabled since: as any other, until it is out again.
  [4, 'ready', ['ready']],
  [5, 'other', ['maintenance']],
  [8, 'drain', ['drain']],
  [9, 'maintenance', ['maintenance']],
  [12, 'drain', ['drain']],
  [16, 'drain', ['drain']],
  [18, 'maintenance', ['maintenance']],
  [24, 'drain', ['drain']],
  [32, 'other', ['maintenance']],
  [40, 'other', ['maintenance']],
  // A name that was changed at run time keeps nothing away.
  [64, 'ready', ['ready']],
  [72, 'drain', ['drain']],
])('admin state %i is %s', (mask, admin, states) => {
  expect(adminOf(mask)).toBe(admin)
  expect((['ready', 'drain', 'maintenance'] as const).filter((state) => isIn(mask, state))).toEqual(states)
})

test.each<readonly [string, boolean, BalancerHealth]>([
  ['UP', true, 'up'],
  ['UP 1/3', true, 'falling'],
  ['UP', false, 'unchecked'],
  ['no check', false, 'unchecked'],
  ['DOWN', true, 'down'],
  ['DOWN 1/2', true, 'rising'],
  ['DOWN (agent)', true, 'down'],
  ['DRAIN', true, 'up'],
  ['DRAIN', false, 'unchecked'],
  ['DRAIN 1/3', true, 'falling'],
  ['NOLB', true, 'down'],
  ['NOLB 1/2', true, 'down'],
  ['MAINT', true, 'unknown'],
  ['MAINT (via app/s1)', true, 'unknown'],
  ['MAINT (resolution)', true, 'unknown'],
  ['', true, 'unknown'],
  ['UPSIDE DOWN', true, 'unknown'],
])('%j (checked: %s) is %s', (status, checked, health) => {
  expect(healthOf(status, checked)).toBe(health)
})

describe('verified out of traffic', () => {
  test.each<readonly [string, string, boolean]>([
    ['DRAIN', 'L7OK', true],
    ['DRAIN', 'L4OK', true],
    ['DRAIN', 'L7OKC', true],
    ['DRAIN', 'L4CON', false],
    ['DRAIN', '', false],
    ['DRAIN 1/3', 'L7OK', false],
    ['UP', 'L7OK', false],
    ['DOWN', 'L7OK', false],
  ])('%s after %s: %s', (status, check, verified) => {
    expect(isVerified({ ...SERVER, status, check })).toBe(verified)
  })
})

describe('what is shown', () => {
  const context = { balancer: 'haproxy:lb-1', checked: true, generation: '1@2', previousInFlight: null }

  test('what a process from before a reload holds counts, and is told', () => {
    expect(stateOf(SERVER, { ...context, previousInFlight: 3 })).toMatchObject({
      inFlight: 5,
      detail: 'UP (3 in flight in a process from before a reload)',
    })
  })

  test('what is not known is null, never 0', () => {
    expect(stateOf({ ...SERVER, inFlight: null, queued: null }, { ...context, previousInFlight: 3 })).toMatchObject({
      inFlight: null,
      queued: null,
    })
  })

  test('a drained server that is down says both, and why', () => {
    expect(stateOf({ ...SERVER, mask: 8, status: 'DOWN', check: 'L4CON' }, context).detail).toBe('DOWN (L4CON, drained)')
  })

  test('a name with an escape sequence is shown without it', () => {
    const state = stateOf({ ...SERVER, backend: 'a\u001b[2Jpp', name: 'x\u202ey' }, context)
    expect([state.ref.backend, state.ref.server]).toEqual(['app', 'xy'])
  })
})
