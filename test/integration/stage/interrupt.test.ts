// Uploads that break: at random points, in every script, with the cable or with the machine. After each break the host has
// the old state or the complete release, never half of one, and the same command again ends it.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorInfo } from '../../../src/domain/error.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { SHELLS, shellConnection, temporaryFolder } from './harness.ts'
import { plant, seen, type Tree, type World, world } from './world.ts'

/** Enough files and bytes that an archive has a middle; the bytes do not compress. */
function bulky(random: () => number): Tree {
  const files: Record<string, string> = {}
  for (let at = 0; at < 60; at += 1) {
    const text = Array.from({ length: 6_000 }, () => String.fromCharCode(33 + Math.floor(random() * 90))).join('')
    files[`part-${at % 7}/file ${at}`] = text
  }
  return files
}

/** Seeded: a failure can be played again. */
function randomness(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Whole, or not a release at all. */
function expectNoHalf(made: World, id: string, whole: Readonly<Record<string, string>>): void {
  const { layout } = made
  if (!existsSync(layout.info(id))) return
  const { '.rollgate.env': environment, ...files } = seen(layout.release(id))
  expect(environment).toContain(`ROLLGATE_RELEASE="${id}"`)
  expect(files).toEqual(whole)
}

describe.each(SHELLS)('an interrupted upload with the tools of %s', (shell) => {
  test('leaves nothing that counts, wherever the connection broke, and the next try ends it', async () => {
    using scratch = temporaryFolder()
    const random = randomness(20_260_101)
    const made = world(scratch.path)
    const from = plant(join(scratch.path, 'dist'), bulky(random))
    const packed = await made.artifact(from)
    const { id, hash } = made.infoOf(packed)
    const whole = seen(from)
    plant(made.layout.releases, {})
    for (let round = 0; round < 12; round += 1) {
      const afterInputBytes = Math.floor(random() * packed.archiveBytes * 1.05)
      const broken = shellConnection(shell, scratch.path, { afterInputBytes })
      const was = readdirSync(made.layout.releases, { encoding: 'utf8' }).length
      const error = errorInfo(await made.stage(broken, packed, { shell }).catch((thrown: unknown) => thrown))
      // An archive of another form is shorter or longer than this one; far from its end there is no doubt.
      if (was === 0 && afterInputBytes < packed.archiveBytes * 0.9) expect(error).toMatchObject({ code: 'E_STAGE', exitCode: 3 })
      expectNoHalf(made, id, whole)
      // What was being written went with its writer; only a whole upload may wait for the next run.
      expect(readdirSync(made.layout.releases).filter((name) => name !== id && name !== `.staging-${hash}`)).toEqual([])
    }
    expect(await made.stage(shellConnection(shell, scratch.path), packed, { shell })).toMatchObject({
      state: expect.stringMatching(/staged|already/),
    })
    expect(existsSync(made.layout.info(id))).toBe(true)
    expectNoHalf(made, id, whole)
    expect(readdirSync(made.layout.releases)).toEqual([id])
  })

  test('goes on by itself on a new connection', async () => {
    using scratch = temporaryFolder()
    const made = world(scratch.path)
    const from = plant(join(scratch.path, 'dist'), bulky(randomness(7)))
    const packed = await made.artifact(from)
    let connections = 0
    const reconnect = (): Connection => {
      connections += 1
      return shellConnection(shell, scratch.path, connections === 1 ? { afterInputBytes: 100_000 } : {})
    }
    const first = shellConnection(shell, scratch.path, { afterInputBytes: 1_000 })
    expect(await made.stage(first, packed, { shell, reconnect })).toMatchObject({ state: 'staged' })
    expect(connections).toBe(2)
    expectNoHalf(made, made.infoOf(packed).id, seen(from))
  })

  test('gives up after three tries and says that nothing was touched', async () => {
    using scratch = temporaryFolder()
    const made = world(scratch.path)
    const packed = await made.artifact(plant(join(scratch.path, 'dist'), bulky(randomness(8))))
    let connections = 1
    const broken = (): Connection => {
      connections += 1
      return shellConnection(shell, scratch.path, { afterInputBytes: 5_000 })
    }
    const error = errorInfo(await made.stage(broken(), packed, { shell, reconnect: broken }).catch((thrown: unknown) => thrown))
    expect(error).toMatchObject({ code: 'E_STAGE', exitCode: 3, host: 'web-1', now: expect.stringContaining('Nothing that runs') })
    expect(connections).toBe(4)
  })
})

test('a script that was killed between its commands is finished by the next run', async () => {
  using scratch = temporaryFolder()
  const made = world(scratch.path)
  const from = plant(join(scratch.path, 'dist'), { 'server.js': 'listen()', 'config/x': '1' })
  const packed = await made.artifact(from)
  const { id } = made.infoOf(packed)
  const commands = ['mkdir', 'mv', 'rm', 'ln', 'sync', 'tar', 'sed', 'chmod', 'rmdir', 'sha256sum']
  const whole = seen(from)
  let killed = 0
  for (const command of commands) {
    for (let nth = 1; nth <= 4; nth += 1) {
      const bomb = explosive(scratch.path, command, nth)
      const host = shellConnection('system', scratch.path, { environment: { PATH: `${bomb.folder}:${process.env.PATH}` } })
      await made.stage(host, packed, { shared: ['uploads'] }).catch(() => undefined)
      if (bomb.went()) killed += 1
      if (existsSync(made.layout.info(id))) {
        const { '.rollgate.env': environment, uploads: link, ...rest } = seen(made.layout.release(id))
        expect(environment).toBe(`600 ROLLGATE_RELEASE="${id}"\n`)
        expect(link).toBe(`-> ${made.layout.shared}/uploads`)
        expect(rest).toEqual(whole)
      }
      await made.stage(shellConnection('system', scratch.path), packed, { shared: ['uploads'] })
      expect(existsSync(made.layout.info(id))).toBe(true)
      expect(readdirSync(made.layout.releases)).toEqual([id])
      wipe(made, id)
    }
  }
  expect(killed).toBeGreaterThan(15)
}, 240_000)

/** A folder whose COMMAND kills the script that calls it for the nth time, as a power cut would. */
function explosive(scratch: string, command: string, nth: number) {
  const folder = join(scratch, `bomb-${command}-${nth}`)
  const real = (process.env.PATH ?? '')
    .split(':')
    .map((place) => join(place, command))
    .find((path) => existsSync(path))
  plant(folder, {
    [command]: `x:#!/bin/sh
echo x >>'${folder}/count'
if [ "$(wc -l <'${folder}/count')" -eq ${nth} ]; then : >'${folder}/went'; kill -KILL "$PPID"; exit 1; fi
exec '${real}' "$@"
`,
  })
  return { folder, went: () => existsSync(join(folder, 'went')) }
}

function wipe(made: World, id: string): void {
  const { layout } = made
  for (const path of [layout.info(id), layout.manifest(id), layout.release(id)]) rmSync(path, { recursive: true, force: true })
}
