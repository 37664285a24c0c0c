// HAProxy's tables, whole, torn and hostile.
import { describe, expect, test } from 'vitest'
import { parseInfo, parseOldWorkers, parseServersState, parseStat } from '../../../src/drivers/balancer/haproxy/answers.ts'
import { split, word } from '../../../src/drivers/balancer/haproxy/runtime-api.ts'

const STAT = '# pxname,svname,qcur,scur,stot,status,type,last_chk,\n'

describe('answers to several commands', () => {
  test.each<readonly [string, number, readonly string[]]>([
    ['\n', 1, ['']],
    ['\n\n', 2, ['', '']],
    ['a\nb\n\n', 1, ['a\nb\n']],
    ['\na\n\n\nb\n\n', 4, ['', 'a\n', '', 'b\n']],
  ])('%j is %i of them', (text, count, answers) => {
    expect(split(text, Array(count).fill('x'), 'sock')).toEqual(answers)
  })

  test.each(['', 'a', 'a\n', 'a\n\nb\n', '\n'])('%j is torn when two were asked for', (text) => {
    expect(() => split(text, ['one', 'two'], 'sock')).toThrowError(expect.objectContaining({ code: 'E_BALANCER_UNREACHABLE' }))
  })

  test('more than was asked is no answer of HAProxy’s', () => {
    expect(() => split('a\n\nb\n\n', ['one'], 'sock')).toThrowError(expect.objectContaining({ code: 'E_BALANCER' }))
    expect(() => split('a\n\nb', ['one'], 'sock')).toThrowError(expect.objectContaining({ code: 'E_BALANCER' }))
  })
})

describe('show stat', () => {
  test('columns are found by name, quotes and commas in fields are their own', () => {
    const [row] = parseStat(`${STAT}app,web-1,0,3,9,UP,2,"say ""hi"", then\nleave",\n`)
    expect(row?.get('scur')).toBe('3')
    expect(row?.get('last_chk')).toBe('say "hi", then\nleave')
  })

  test('more columns, in another order', () => {
    const [row] = parseStat('# new,type,stot,svname,pxname,status,scur,qcur,\n7,2,1,s,b,UP,4,0,\n')
    expect([row?.get('pxname'), row?.get('scur')]).toEqual(['b', '4'])
  })

  test.each([
    ['another program', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a missing column', '# pxname,svname,status,\napp,s,UP,\n'],
    ['a row that was cut', `${STAT}app,web-1,0\n`],
    ['a quote that never ends', `${STAT}app,"web-1,0,3,9,UP,2,x,\n`],
    ['nothing', ''],
  ])('%s is an error, never nothing in flight', (_, text) => {
    expect(() => parseStat(text)).toThrowError(expect.objectContaining({ code: 'E_BALANCER' }))
  })

  test('ten megabytes of one field are read without harm', () => {
    expect(parseStat(`${STAT}app,web-1,0,3,9,UP,2,"${'""'.repeat(2_000_000)}",\n`).length).toBe(1)
  })
})

describe('show servers state', () => {
  const HEADER = '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port'

  test('rows by name', () => {
    const [row] = parseServersState(`1\n${HEADER}\n3 app 1 web-1 10.0.0.1 2 8 45 1 8080\n`)
    expect([row?.get('srv_admin_state'), row?.get('srv_uweight'), row?.get('srv_port')]).toEqual(['8', '45', '8080'])
  })

  test.each([`2\n${HEADER}\n`, '1\nno header\n', `1\n${HEADER}\n3 app 1 web-1\n`, '1\n# be_name srv_name\n'])('%j is an error', (text) => {
    expect(() => parseServersState(text)).toThrowError(expect.objectContaining({ code: 'E_BALANCER' }))
  })
})

test('show info: name and pid must be there', () => {
  expect(parseInfo('Name: HAProxy\nPid: 12\nVersion: 2.6: x\n').get('Version')).toBe('2.6: x')
  for (const text of ['', 'Name: HAProxy\n', 'Pid: 12\n', 'Name: HAProxy\nPid: x\n', 'Name: Varnish\nPid: 1\n'])
    expect(() => parseInfo(text)).toThrowError(expect.objectContaining({ code: 'E_BALANCER' }))
})

test('show proc: old workers only, and no programs', () => {
  const text =
    '#<PID>          <type>\n1               master\n# workers\n7               worker          0\n# old workers\n5               worker          1\n4               worker          2\n# programs\n9               worker\n'
  expect(parseOldWorkers(text)).toEqual([5, 4])
  expect(parseOldWorkers('#<PID> <type>\n# workers\n7 worker 0\n')).toEqual([])
})

test.each(['a;b', 'a b', 'a\nb', 'a\tb', 'ä', '', 'a/b', '\u001b[2J', '$(id)', 'x'.repeat(256)])(
  '%j may not stand in a command',
  (name) => {
    expect(() => word(name)).toThrowError(expect.objectContaining({ code: 'E_BALANCER_SERVER' }))
  },
)
test('what HAProxy allows in names may', () => {
  for (const name of ['web-1', 'a.b', '_x', 'b:1', '0']) expect(word(name)).toBe(name)
})
