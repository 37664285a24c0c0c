import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findConfig, shownFile } from '../../../src/config/find.ts'
import { loadConfig, validateConfig } from '../../../src/config/load.ts'
import { emptyFolder, file, plus } from './helpers.ts'

const env = {}

describe('the file that is read', () => {
  test('is the nearest rollgate.yml upwards', async () => {
    const top = await emptyFolder()
    const cwd = join(top, 'a', 'b')
    await mkdir(cwd, { recursive: true })
    await writeFile(join(top, 'rollgate.yaml'), file({}))
    expect(await findConfig({ cwd, env })).toBe(join(top, 'rollgate.yaml'))
    await writeFile(join(top, 'a', 'rollgate.yml'), file({}))
    expect(await findConfig({ cwd, env })).toBe(join(top, 'a', 'rollgate.yml'))
  })

  test('is not looked for above the repository', async () => {
    const top = await emptyFolder()
    const inner = join(top, 'inner')
    await mkdir(join(inner, '.git'), { recursive: true })
    await writeFile(join(top, 'rollgate.yml'), file({}))
    await expect(findConfig({ cwd: inner, env })).rejects.toMatchObject({
      code: 'E_CONFIG_MISSING',
      exitCode: 2,
      hints: expect.arrayContaining([expect.stringContaining('rollgate init')]),
    })
  })

  test('is the one that --config names, else ROLLGATE_CONFIG', async () => {
    const cwd = await emptyFolder()
    for (const name of ['rollgate.yml', 'a.yml', 'b.yml']) await writeFile(join(cwd, name), file({}))
    expect(await findConfig({ cwd, env: { ROLLGATE_CONFIG: 'b.yml' } })).toBe(join(cwd, 'b.yml'))
    expect(await findConfig({ cwd, env: { ROLLGATE_CONFIG: 'b.yml' }, file: './a.yml' })).toBe(join(cwd, 'a.yml'))
    expect(await findConfig({ cwd, env: { ROLLGATE_CONFIG: '' } })).toBe(join(cwd, 'rollgate.yml'))
    await expect(findConfig({ cwd, env, file: 'no.yml' })).rejects.toMatchObject({
      code: 'E_CONFIG_MISSING',
      message: '--config names "no.yml", and there is no such file',
    })
    await expect(findConfig({ cwd, env, file: '.' })).rejects.toMatchObject({ code: 'E_CONFIG_MISSING' })
  })

  test('may be a link, and must be readable', async () => {
    const cwd = await emptyFolder()
    await writeFile(join(cwd, 'real.yml'), file({}))
    await symlink('real.yml', join(cwd, 'rollgate.yml'))
    expect((await loadConfig({ cwd, env, requireEnvironment: true })).config.app).toBe('shop')
    await chmod(join(cwd, 'real.yml'), 0)
    if (process.getuid?.() !== 0)
      await expect(loadConfig({ cwd, env, requireEnvironment: true })).rejects.toMatchObject({ code: 'E_CONFIG_MISSING' })
    await rm(join(cwd, 'real.yml'))
    await expect(loadConfig({ cwd, env, requireEnvironment: true })).rejects.toMatchObject({ code: 'E_CONFIG_MISSING' })
  })

  test('is named as people see it', () => {
    expect(shownFile('/a/b/rollgate.yml', '/a/b')).toBe('rollgate.yml')
    expect(shownFile('/a/b/ops/x.yml', '/a/b')).toBe('ops/x.yml')
    expect(shownFile('/a/rollgate.yml', '/a/b')).toBe('/a/rollgate.yml')
  })

  test('gives its folder to relative paths, wherever the command runs', async () => {
    const top = await emptyFolder()
    const cwd = join(top, 'deep')
    await mkdir(cwd)
    await writeFile(join(top, 'rollgate.yml'), plus('ssh: { config: ops/ssh_config }'))
    const { config } = await loadConfig({ cwd, env, requireEnvironment: true })
    expect(config).toMatchObject({ directory: top, ssh: { config: join(top, 'ops/ssh_config') } })
  })
})

describe('a draft', () => {
  test('is loaded as if it lay where it will lie', async () => {
    const cwd = await emptyFolder()
    const text = plus('ssh: { config: ops/ssh_config }')
    const { config } = await loadConfig({ cwd, env, text, file: 'sub/rollgate.yml', requireEnvironment: false })
    expect(config).toMatchObject({ file: join(cwd, 'sub/rollgate.yml'), ssh: { config: join(cwd, 'sub/ops/ssh_config') } })
    await expect(loadConfig({ cwd, env, text: 'app: -x', requireEnvironment: false })).rejects.toMatchObject({ code: 'E_CONFIG' })
  })
})

describe('validateConfig', () => {
  test('returns the problems of all environments, or of the named one', async () => {
    const cwd = await emptyFolder()
    await writeFile(join(cwd, 'rollgate.yml'), plus('environments:\n  a: { confirm: 1 }\n  b: { confirm: 2 }\n  c: { confirm: true }\n'))
    const keys = async (environment?: string) =>
      (await validateConfig({ cwd, env, ...(environment === undefined ? {} : { environment }) })).problems.map((problem) => problem.key)
    expect(await keys()).toEqual(['environments.a.confirm', 'environments.b.confirm'])
    expect(await keys('b')).toEqual(['environments.b.confirm'])
    expect(await keys('c')).toEqual([])
    expect(await validateConfig({ cwd, env })).toMatchObject({ file: join(cwd, 'rollgate.yml'), environments: ['a', 'b', 'c'] })
  })
})
