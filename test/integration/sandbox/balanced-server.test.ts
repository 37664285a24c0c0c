import { describe, expect, test } from 'vitest'
import { createServer, DRAIN, isSettled, MAINTENANCE, noteCheck, pick, setAdmin, statusOf } from '../../../src/sandbox/balanced-server.ts'

const passed = { passed: true, word: 'L7OK', code: 200, ms: 1 }
const failed = { passed: false, word: 'L4CON', code: null, ms: 0 }

function server(name = 'web-1') {
  return createServer(name, 1, 1, 0)
}

type Move = 'pass' | 'fail' | 'ready' | 'drain' | 'maint'

function statuses(moves: readonly Move[]): readonly string[] {
  const one = server()
  return moves.map((move, index) => {
    if (move === 'pass' || move === 'fail') noteCheck(one, move === 'pass' ? passed : failed, index)
    else setAdmin(one, move === 'ready' ? 0 : move === 'drain' ? DRAIN : MAINTENANCE, index)
    return statusOf(one)
  })
}

describe('the words of the status', () => {
  test('start: up and unverified, one failed check from being down', () => {
    expect(statusOf(server())).toBe('UP 1/2')
    expect(statuses(['pass'])).toEqual(['UP'])
    expect(statuses(['fail'])).toEqual(['DOWN'])
  })

  test('two failures take a server down, two passes bring it back; one in between starts over', () => {
    expect(statuses(['pass', 'fail', 'pass', 'fail', 'fail'])).toEqual(['UP', 'UP 1/2', 'UP', 'UP 1/2', 'DOWN'])
    expect(statuses(['fail', 'pass', 'fail', 'pass', 'pass'])).toEqual(['DOWN', 'DOWN 1/2', 'DOWN', 'DOWN 1/2', 'UP'])
  })

  test('leaving maintenance is unverified; in drain one passed check makes it DRAIN, a failed one DOWN', () => {
    expect(statuses(['pass', 'drain', 'maint', 'drain', 'pass', 'ready'])).toEqual(['UP', 'DRAIN', 'MAINT', 'DRAIN 1/2', 'DRAIN', 'UP'])
    expect(statuses(['pass', 'maint', 'drain', 'fail', 'ready'])).toEqual(['UP', 'MAINT', 'DRAIN 1/2', 'DOWN', 'DOWN'])
    expect(statuses(['pass', 'maint', 'ready'])).toEqual(['UP', 'MAINT', 'UP 1/2'])
  })

  test('checks say nothing during maintenance', () => {
    expect(statuses(['pass', 'maint', 'pass', 'pass', 'pass'])).toEqual(['UP', 'MAINT', 'MAINT', 'MAINT', 'MAINT'])
  })

  test('settled means that the checks have said what they have to say', () => {
    const one = server()
    expect(isSettled(one)).toBe(false)
    noteCheck(one, passed, 0)
    expect(isSettled(one)).toBe(true)
    noteCheck(one, failed, 0)
    expect(isSettled(one)).toBe(false)
  })
})

describe('the next server', () => {
  test('takes turns by weight', () => {
    const [first, second] = [server('a'), server('b')]
    first.weight = 3
    const chosen = Array.from({ length: 400 }, () => pick([first, second])?.name)
    expect(chosen.filter((name) => name === 'a').length).toBe(300)
    expect(chosen.slice(0, 4).sort()).toEqual(['a', 'a', 'a', 'b'])
  })

  test('is never one that drains, is in maintenance, is down, or weighs nothing', () => {
    const servers = ['drain', 'maint', 'down', 'light', 'good'].map((name) => server(name))
    const [drain, maint, down, light] = servers
    if (!drain || !maint || !down || !light) throw new Error('five')
    setAdmin(drain, DRAIN, 0)
    setAdmin(maint, MAINTENANCE, 0)
    noteCheck(down, failed, 0)
    light.weight = 0
    expect(new Set(Array.from({ length: 50 }, () => pick(servers)?.name))).toEqual(new Set(['good']))
    expect(pick(servers.slice(0, 4))).toBeNull()
  })
})
