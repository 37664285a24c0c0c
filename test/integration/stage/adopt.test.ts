// A root that somebody made by hand becomes one of ours, without a file being copied or lost.
import { lstatSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { layoutOf } from '../../../src/domain/layout.ts'
import { adoptCurrent } from '../../../src/drivers/stage/adopt.ts'
import { stdinScript } from '../../../src/util/shell.ts'
import { SHELLS, shellConnection, temporaryFolder } from './harness.ts'
import { plant, seen } from './world.ts'

describe.each(SHELLS)('adopting with the tools of %s', (shell) => {
  test('moves a real current into releases/ and links it: the very same folder', async () => {
    using scratch = temporaryFolder()
    const layout = layoutOf(join(scratch.path, "o'r root"))
    plant(layout.current, { 'server.js': 'by hand', 'a b': 'x' })
    const { ino } = lstatSync(layout.current)
    const host = shellConnection(shell, scratch.path)
    expect(await host.run(stdinScript(adoptCurrent(layout)))).toMatchObject({ exitCode: 0, stdout: 'adopted adopted-1\n' })
    expect(readlinkSync(layout.current)).toBe(layout.release('adopted-1'))
    expect(lstatSync(layout.release('adopted-1')).ino).toBe(ino)
    expect(seen(layout.release('adopted-1'))).toEqual({ 'a b': '644 x', 'server.js': '644 by hand' })
    expect(await host.run(stdinScript(adoptCurrent(layout)))).toMatchObject({ exitCode: 0, stdout: 'nothing\n' })
  })

  test('takes the next free name, and leaves links and missing ones as they are', async () => {
    using scratch = temporaryFolder()
    const layout = layoutOf(join(scratch.path, 'root'))
    plant(layout.release('adopted-1'), { old: 'kept' })
    symlinkSync('/nowhere', layout.release('adopted-2'))
    const host = shellConnection(shell, scratch.path)
    expect(await host.run(stdinScript(adoptCurrent(layout)))).toMatchObject({ stdout: 'nothing\n' })
    plant(layout.current, { 'server.js': 'by hand' })
    expect(await host.run(stdinScript(adoptCurrent(layout)))).toMatchObject({ stdout: 'adopted adopted-3\n' })
    expect(readdirSync(layout.releases)).toEqual(['adopted-1', 'adopted-2', 'adopted-3'])
  })

  test('puts the folder back when the link cannot be made', async () => {
    using scratch = temporaryFolder()
    const layout = layoutOf(join(scratch.path, 'root'))
    plant(layout.current, { 'server.js': 'by hand' })
    plant(join(scratch.path, 'broken'), { ln: 'x:#!/bin/sh\nexit 1\n' })
    const host = shellConnection('system', scratch.path, { environment: { PATH: `${join(scratch.path, 'broken')}:${process.env.PATH}` } })
    expect(await host.run(stdinScript(adoptCurrent(layout)))).toMatchObject({ exitCode: 91 })
    expect(seen(layout.current)).toEqual({ 'server.js': '644 by hand' })
  })
})
