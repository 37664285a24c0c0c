// The unit that setup writes: systemd's language, whatever a command line or a path holds.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { layoutOf } from '../../../src/domain/layout.ts'
import { renderUnit, UNIT_MARK, unitFile } from '../../../src/drivers/service/unit.ts'

const template = readFileSync(new URL('../../../templates/systemd.service', import.meta.url), 'utf8')
const render = (exec: string, more: object = {}) =>
  renderUnit(template, { app: 'shop', layout: layoutOf('/srv/shop'), exec, scope: 'system', user: 'deploy', ...more })
const line = (unit: string, name: string) =>
  unit
    .split('\n')
    .find((each) => each.startsWith(`${name}=`))
    ?.slice(name.length + 1)

test('the template leaves nothing open, and says whose it is', () => {
  const unit = render('node server.mjs')
  expect(unit).not.toMatch(/\{\{|\}\}/)
  expect(unit.startsWith(UNIT_MARK)).toBe(true)
  expect(line(unit, 'User')).toBe('deploy')
  expect(line(unit, 'WorkingDirectory')).toBe('/srv/shop/current')
  expect(line(unit, 'EnvironmentFile')).toBe('/srv/shop/current/.rollgate.env')
  expect(line(unit, 'WantedBy')).toBe('multi-user.target')
  const users = render('node server.mjs', { scope: 'user' })
  expect(line(users, 'User')).toBeUndefined()
  expect(line(users, 'WantedBy')).toBe('default.target')
})

test.each([
  ['node server.mjs', '/bin/sh -c "exec node server.mjs"'],
  ['exec node server.mjs', '/bin/sh -c "exec node server.mjs"'],
  ['PORT=1 node server.mjs', '/bin/sh -c "PORT=1 node server.mjs"'],
  ['node a.js --x=1', '/bin/sh -c "exec node a.js --x=1"'],
  ['./prepare && ./run', '/bin/sh -c "./prepare && ./run"'],
  ['run --to "$HOME/50%" \\n', '/bin/sh -c "exec run --to \\"$$HOME/50%%\\" \\\\n"'],
  ['one\ntwo', '/bin/sh -c "one\\ntwo"'],
])('%j becomes one word for a shell', (exec, words) => {
  expect(line(render(exec), 'ExecStart')).toBe(words)
})

describe('what a unit cannot say', () => {
  test.each(['/srv/a*b', '/srv/[x]', '/srv/a"b', '/srv/a\\b', '/srv/a\nb', "/srv/it's"])('%j is refused as a root', (root) => {
    expect(() => render('x', { layout: layoutOf(root) })).toThrow(expect.objectContaining({ code: 'E_SETUP', exitCode: 3 }))
  })

  test('percent signs and blanks are said', () => {
    expect(line(render('x', { layout: layoutOf('/srv/50% off') }), 'WorkingDirectory')).toBe('/srv/50%% off/current')
    expect(render('x', { app: 'a\nb' })).not.toContain('a\nb')
  })
})

test.each([
  ['shop', 'shop.service'],
  ['shop.service', 'shop.service'],
  ['shop@1', 'shop@1.service'],
  ['shop.socket', 'shop.socket'],
  ['shop.v2', 'shop.v2.service'],
])('the unit %s lies in %s', (unit, file) => expect(unitFile(unit)).toBe(file))
