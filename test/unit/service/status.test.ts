// What services say of themselves, believed only where it has the form that was asked for.
import { describe, expect, test } from 'vitest'
import type { CommandResult } from '../../../src/domain/command.ts'
import { layoutOf } from '../../../src/domain/layout.ts'
import { createCommandService, readCommandStatus } from '../../../src/drivers/service/command.ts'
import { createSystemd, readSystemdStatus, sudoersLines } from '../../../src/drivers/service/systemd.ts'

const ended = (stdout: string, more: Partial<CommandResult> = {}): CommandResult => ({
  exitCode: 0,
  stdout,
  stderr: '',
  truncated: false,
  durationMs: 1,
  lost: false,
  timedOut: false,
  ...more,
})
const RUNNING =
  'LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nMainPID=42\nExecMainStartTimestampMonotonic=777\nExecMainCode=0\nExecMainStatus=0\nNRestarts=2\nFolder=/srv/shop/releases/r1-00000000\n'
const systemd = (text: string, more?: Partial<CommandResult>) => readSystemdStatus('shop', ended(text, more))

describe('systemd', () => {
  test('a running unit has a process, a start, a folder', () => {
    expect(systemd(RUNNING)).toEqual({
      unit: 'shop',
      state: 'active',
      pid: 42,
      lastExit: null,
      generation: '42@777',
      restarts: 2,
      workingDirectory: '/srv/shop/releases/r1-00000000',
      detail: 'active (running)',
    })
  })

  test.each([
    [
      'crashing in a loop',
      'ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nMainPID=0\nExecMainCode=1\nExecMainStatus=7\n',
      { state: 'starting', pid: null, generation: null, lastExit: 'exit 7' },
    ],
    [
      'killed',
      'ActiveState=failed\nSubState=failed\nResult=signal\nMainPID=0\nExecMainCode=2\nExecMainStatus=9\n',
      { state: 'failed', lastExit: 'signal 9' },
    ],
    ['stopped', 'ActiveState=inactive\nSubState=dead\nMainPID=0\nExecMainCode=0\n', { state: 'inactive', lastExit: null }],
    ['reloading', 'ActiveState=reloading\nMainPID=4\n', { state: 'active', pid: 4 }],
    ['of a state nobody knows', 'ActiveState=maintenance\n', { state: 'unknown' }],
    ['that is not there', 'LoadState=not-found\nActiveState=inactive\n', { state: 'unknown', detail: 'there is no such unit' }],
    ['that is masked', 'LoadState=masked\nActiveState=inactive\n', { state: 'unknown', detail: 'the unit is masked' }],
  ])('a unit %s', (_name, text, expected) => expect(systemd(text)).toMatchObject(expected))

  test('what is no answer is no state', () => {
    expect(systemd('', { lost: true, exitCode: null })).toMatchObject({ state: 'unknown', detail: 'the connection was lost' })
    expect(systemd('', { timedOut: true, exitCode: null })).toMatchObject({ state: 'unknown', detail: expect.stringContaining('in time') })
    expect(systemd('', { exitCode: 1, stderr: 'Failed to connect to bus\u001b[2J\nmore' })).toMatchObject({
      state: 'unknown',
      detail: 'Failed to connect to bus',
    })
    expect(systemd('Welcome!\nMainPID=evil\nActiveState=active\nMainPID=-4\n')).toMatchObject({ pid: null })
  })

  test('commands are words, and a unit stays one of them', () => {
    const manager = createSystemd({ kind: 'systemd', units: ["o'dd@1"], scope: 'system' })
    expect(manager.restart("o'dd@1").argv.slice(3)).toEqual(['systemctl', 'system', 'restart', "o'dd@1"])
    expect(manager.logs('shop', { lines: 3, since: '10m', follow: true }).argv.slice(3)).toEqual([
      'journalctl',
      '--unit=shop',
      '--lines=3',
      '--since=-10m',
      '--follow',
    ])
    expect(createSystemd({ kind: 'systemd', units: ['x'], scope: 'user' }).logs('x', { lines: -1 }).argv).toContain('--user-unit=x')
  })

  test('sudoers lines name exactly what is run', () => {
    expect(sudoersLines('deploy', ['shop', 'a:b,c'])).toEqual([
      'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl start shop, /usr/bin/systemctl stop shop, /usr/bin/systemctl restart shop, /usr/bin/systemctl reload shop',
      'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl start a\\:b\\,c, /usr/bin/systemctl stop a\\:b\\,c, /usr/bin/systemctl restart a\\:b\\,c, /usr/bin/systemctl reload a\\:b\\,c',
    ])
  })
})

describe('a command service', () => {
  const layout = layoutOf('/srv/shop')
  test.each([
    [
      'status 0\nsaid 42\npid 42\nborn 7\nfolder /srv/shop/releases/x\n',
      { state: 'active', pid: 42, generation: '42@7', workingDirectory: '/srv/shop/releases/x' },
    ],
    ['status 3\n', { state: 'inactive', pid: null, detail: 'not running' }],
    ['status 1\nsaid dead but pid file\n', { state: 'failed', detail: 'status command ended with 1: dead but pid file' }],
    ['status 77\n', { state: 'unknown' }],
    ['status 0\npid evil\n', { state: 'active', pid: null, generation: null }],
    ['', { state: 'unknown' }],
  ])('%j', (text, expected) => expect(readCommandStatus('service', ended(text), true)).toMatchObject(expected))

  test('without a status command nobody knows', () => {
    expect(readCommandStatus('service', ended(''), false)).toMatchObject({
      state: 'unknown',
      detail: expect.stringContaining('no status command'),
    })
  })

  test('the lines of the user are arguments, never part of our script', () => {
    const evil = `'; rm -rf / #`
    const manager = createCommandService({ kind: 'command', start: evil, stop: 'stop' }, layout)
    const [shell, flag, script, ...rest] = manager.restart('service').argv
    expect([shell, flag]).toEqual(['sh', '-c'])
    expect(script).not.toContain('rm -rf')
    expect(rest).toEqual(['service', 'stop', evil])
  })
})
