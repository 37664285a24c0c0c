import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { hostItems, type Looked } from '../../../src/app/check-host.ts'
import { settingsOf } from '../../../src/domain/config.ts'
import type { CheckItem } from '../../../src/domain/document.ts'
import type { Facts } from '../../../src/domain/facts.ts'
import { sudoersLines } from '../../../src/drivers/service/systemd.ts'
import { aConfig, aHost, aReachable, aServer, type HostStory, theFacts } from '../../helpers/builders.ts'

const host = aHost('web-1')
const config = aConfig([host])
const session: Looked = { config, settings: (one) => settingsOf(config, one) }

const items = (story: HostStory, more: Partial<Facts> = {}): readonly CheckItem[] =>
  hostItems(session, host, { ...theFacts({ 'web-1': story }), ...more })
const found = (all: readonly CheckItem[], id: string): CheckItem | undefined => all.find((item) => item.id === id)

const CURRENT = 'r1-aaaaaaaa'
const tools = aReachable('web-1').tools
const status = {
  unit: 'shop',
  pid: null,
  lastExit: null,
  generation: null,
  restarts: 0,
  workingDirectory: null,
  detail: 'no such unit',
} as const

describe('a host in order', () => {
  test('has nothing but ok', () => {
    expect(items({ current: CURRENT }).filter((item) => item.level !== 'ok')).toEqual([])
    expect(items({ current: CURRENT }).map((item) => item.id)).toEqual([
      'ssh',
      'root',
      'disk',
      'clock',
      'sudo',
      'service',
      'health',
      'tools',
      'balancer-member',
    ])
  })

  test('before its first deploy has nothing to complain of either', () => {
    expect(items({ extra: { root: { kind: 'missing', parentWritable: true } } }).filter((item) => item.level !== 'ok')).toEqual([])
  })
})

describe('what is not ok comes with its fix', () => {
  const stories: readonly (readonly [string, string, CheckItem['level'], HostStory, RegExp])[] = [
    [
      'a root that may not be made',
      'root',
      'problem',
      { extra: { root: { kind: 'missing', parentWritable: false } } },
      /rollgate setup .*sudo install -d -o deploy -g deploy \/srv\/shop/,
    ],
    [
      'a root that may not be written',
      'root',
      'problem',
      { extra: { root: { kind: 'usable', adopted: false, writable: false } } },
      /sudo chown deploy: \/srv\/shop/,
    ],
    [
      'a current that is a folder',
      'root',
      'problem',
      { extra: { root: { kind: 'current-is-folder' } } },
      /rollgate setup --adopt --hosts web-1/,
    ],
    ['a root that is a file', 'root', 'problem', { extra: { root: { kind: 'unusable', detail: 'it is a file' } } }, /release\.root/],
    ['a full disk', 'disk', 'warning', { extra: { disk: { freeBytes: 1e6, freeInodes: null, tempFreeBytes: 0 } } }, /release\.keep/],
    ['no inodes', 'inodes', 'warning', { extra: { disk: { freeBytes: 1e12, freeInodes: 10, tempFreeBytes: 0 } } }, /release\.keep/],
    ['a clock that is off', 'clock', 'warning', { extra: { clockSkewMs: -3_600_000 } }, /set-ntp/],
    ['no systemd', 'systemd', 'problem', { extra: { tools: { ...tools, systemctl: false } } }, /kind: command/],
    [
      'a unit that is not there',
      'service',
      'problem',
      { extra: { services: [{ ...status, state: 'unknown' }] } },
      /rollgate setup --hosts web-1/,
    ],
    [
      'a unit that failed',
      'service',
      'warning',
      { current: CURRENT, extra: { services: [{ ...status, state: 'failed' }] } },
      /rollgate logs --hosts web-1/,
    ],
    ['sudo that wants a password', 'sudo', 'problem', { extra: { sudo: 'password' } }, /visudo/],
    ['sudo that says no', 'sudo', 'problem', { extra: { sudo: 'denied' } }, /visudo/],
    ['no sudo', 'sudo', 'problem', { extra: { sudo: 'missing' } }, /install sudo/],
    ['bad health', 'health', 'warning', { current: CURRENT, healthy: false }, /rollgate logs/],
    [
      'another release that answers',
      'version',
      'warning',
      { current: CURRENT, extra: { health: { healthy: true, release: 'r0-bbbbbbbb', detail: '' } } },
      /ROLLGATE_RELEASE/,
    ],
    ['no tar', 'tools', 'problem', { extra: { tools: { ...tools, tar: 'missing' } } }, /tar/],
    ['a server that was drained by hand', 'balancer-member', 'warning', { current: CURRENT, admin: 'drain' }, /^rollgate enable web-1$/],
    ['a server that the balancer keeps out itself', 'balancer-member', 'warning', { current: CURRENT, admin: 'other' }, /configuration/],
    ['a server that the balancer calls down', 'balancer-member', 'warning', { current: CURRENT, healthy: false }, /rollgate logs/],
  ]
  test.each(stories)('%s', (_, id, level, story, fix) => {
    const item = found(
      items(story).filter((candidate) => candidate.level !== 'ok'),
      id,
    )
    expect(item).toMatchObject({ id, level, host: 'web-1', fix: expect.stringMatching(fix) })
    expect(items(story).filter((candidate) => candidate.level !== 'ok' && candidate.fix === undefined)).toEqual([])
  })

  test('a host that cannot be reached, with the hint of who tried', () => {
    const facts = theFacts({ 'web-1': 'unreachable' })
    const [item, ...others] = hostItems(session, host, facts)
    expect(others).toEqual([])
    expect(item).toMatchObject({ id: 'ssh', level: 'problem', fix: expect.stringContaining('ssh web-1') })
  })

  test('a host that the balancer does not know', () => {
    const error = { code: 'E_BALANCER_SERVER', message: 'no server is web-1', hints: ['servers there: a, b'], exitCode: 3 } as const
    expect(items({}, { rotation: {}, rotationErrors: { 'web-1': error } }).at(-1)).toMatchObject({
      level: 'problem',
      fix: 'servers there: a, b',
    })
  })
})

test('the fix for sudo is a command that writes exactly the lines that are needed, whatever the unit is called', () => {
  const odd = aConfig(
    [host],
    {},
    { defaults: { ...config.defaults, service: { kind: 'systemd', units: ['shop@a\\x2db', 'worker'], scope: 'system' } } },
  )
  const [fix] = hostItems(
    { config: odd, settings: (one) => settingsOf(odd, one) },
    host,
    theFacts({ 'web-1': { extra: { sudo: 'denied' } } }),
  ).flatMap((item) => (item.id === 'sudo' ? [item.fix ?? ''] : []))
  const [, printing = ''] = /: (printf .*) \| sudo /.exec(fix ?? '') ?? []
  const written = execFileSync('sh', ['-c', printing], { encoding: 'utf8' })
  expect(written).toBe(`${sudoersLines('deploy', ['shop@a\\x2db', 'worker']).join('\n')}\n`)
})

test('a balancer server is named as the balancer calls it', () => {
  const facts = { rotation: { 'web-1': [{ ...aServer('app1'), detail: 'UP' }] } }
  expect(items({ current: CURRENT }, facts).at(-1)?.message).toBe('haproxy:lb-1 app/app1 is UP')
})
