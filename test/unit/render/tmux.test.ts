// The live tree in a real terminal: tmux gives a PTY, reflows as terminals do, and says what is on the screen and
// whether the cursor can be seen.
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

const hasTmux = ((): boolean => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

const PLAYER = fileURLToPath(new URL('play.ts', import.meta.url))
const run = promisify(execFile)
let folder: string
let servers = 0

/** A server and a socket for each test: nobody else's sessions are seen or touched, and none waits for another to end. */
const tmux = async (...words: readonly string[]): Promise<string> =>
  (await run('tmux', ['-S', join(folder, `socket-${servers}`), '-f', '/dev/null', ...words])).stdout

async function start(options: object, columns: number, rows: number, env: Readonly<Record<string, string>> = {}): Promise<void> {
  servers += 1
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  // The shell outlives a Ctrl-C that is meant for the player.
  const command = `trap : INT; ${env.NO_COLOR === undefined ? 'unset NO_COLOR; ' : ''}${quote(process.execPath)} ${quote(PLAYER)} ${quote(JSON.stringify(options))}; echo "exit $?"; cat`
  await tmux('new-session', '-d', '-s', 'main', '-x', String(columns), '-y', String(rows), ...variables, 'sh', '-c', command)
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
const screen = async (): Promise<string> => (await tmux('capture-pane', '-p', '-t', 'main')).trimEnd()
const isCursorVisible = async (): Promise<boolean> => (await tmux('display-message', '-p', '-t', 'main', '#{cursor_flag}')).trim() === '1'

async function until(what: RegExp | ((text: string) => boolean)): Promise<string> {
  for (let tries = 0; tries < 150; tries += 1) {
    const text = await screen()
    if (typeof what === 'function' ? what(text) : what.test(text)) return text
    await sleep(50)
  }
  throw new Error(`${what} did not come; the screen:\n${await screen()}`)
}

describe.skipIf(!hasTmux)(`the live tree in a real terminal${hasTmux ? '' : ' (skipped: tmux is not installed)'}`, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rollgate-tmux-'))
  })
  afterEach(async () => {
    await tmux('kill-server').catch(() => undefined)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('ends with a record, the cursor visible below it', async () => {
    await start({ story: 'rolled-back', everyMs: 5 }, 80, 40, { NO_COLOR: '1' })
    const text = await until(/exit \d/)
    expect(text).toMatch(/^rollgate 0\.1\.0: shop \(production\), 4 hosts\n/)
    expect(text).toMatch(/✖ roll out +3 of 4 hosts/)
    expect(text).toMatch(/✔ take back .*\nENDED\nexit 0$/)
    expect(text.match(/✔ connect/g)).toHaveLength(1)
    expect(await isCursorVisible()).toBe(true)
  })

  it('shows each host while it moves, in colour, within the screen', async () => {
    await start({ story: 'rolled-back', everyMs: 5, stopAt: 90, atTheStop: 'wait' }, 80, 24, { FORCE_COLOR: '1' })
    const text = await until(/web-3 +\w+/)
    for (const line of text.split('\n')) expect(line.length, text).toBeLessThan(80)
    expect(await isCursorVisible()).toBe(true)
    await expect.poll(() => tmux('capture-pane', '-p', '-e', '-t', 'main'), { timeout: 60_000 }).toContain('\x1b[32m✔')
  })

  it.each([
    [20, 8],
    [200, 60],
  ])('is whole at %d×%d', async (columns, rows) => {
    await start({ story: 'succeeded', everyMs: 3 }, columns, rows, { NO_COLOR: '1' })
    const text = await until(/exit 0/)
    expect(text).toContain('ENDED')
    expect(text.match(/roll out/g)).toHaveLength(1)
  })

  // tmux tells of its new size a moment after it has broken the lines anew: a frame that is drawn in between is broken by nobody's fault.
  it('is drawn anew when the terminal is resized, and leaves nothing of its older self', { retry: 2 }, async () => {
    await start({ story: 'rolled-back', everyMs: 5, stopAt: 90, atTheStop: 'wait' }, 100, 40, { NO_COLOR: '1' })
    await until(/⠋|⠙|⠹|⠸|⠼|⠴|⠦|⠧|⠇|⠏/)
    await until(/web-4 +\w+/)
    for (const [columns, rows] of [
      [60, 40],
      [120, 30],
      [45, 40],
      [80, 24],
    ] as const) {
      await tmux('resize-window', '-t', 'main', '-x', String(columns), '-y', String(rows))
      // The next frame comes within a blink; until then the old one may still be there, broken anew.
      const once = ['deploy', 'connect', 'build', 'stage', 'roll out', 'batch 3', 'web-3 ', 'probe']
      await until((now) => {
        const lines = now.split('\n')
        return (
          lines.every((line) => line.length < columns) && once.every((word) => lines.filter((line) => line.includes(word)).length === 1)
        )
      })
    }
  })

  it('steps aside for a question and comes back after it', async () => {
    await start({ story: 'succeeded', everyMs: 5, stopAt: 45, atTheStop: 'ask' }, 80, 24, { NO_COLOR: '1' })
    expect(await until(/Go on\?/)).toMatch(/^rollgate 0\.1\.0: shop \(production\), 4 hosts\n\? Go on\?$/)
    expect(await isCursorVisible()).toBe(true)
    await tmux('send-keys', '-t', 'main', 'y', 'Enter')
    expect(await until(/exit 0/)).toMatch(/\? Go on\? y\n(.*\n)*.*✔ roll out +4 of 4 hosts/)
  })

  it('leaves a sane terminal at Ctrl-C', async () => {
    await start({ story: 'rolled-back', everyMs: 5, stopAt: 90, atTheStop: 'wait' }, 80, 24, { NO_COLOR: '1' })
    await until(/web-3 +\w+/)
    await tmux('send-keys', '-t', 'main', 'C-c')
    const text = await until(/INTERRUPTED/)
    expect(text.match(/roll out/g)).toHaveLength(1)
    expect(await isCursorVisible()).toBe(true)
  })

  it.each(['throw', 'exit'] as const)('leaves a sane terminal when the process ends by a %s', async (atTheStop) => {
    await start({ story: 'rolled-back', everyMs: 5, stopAt: 90, atTheStop }, 80, 40, { NO_COLOR: '1' })
    const text = await until(/exit [13]/)
    expect(text).toMatch(/roll out/)
    expect(await isCursorVisible()).toBe(true)
  })
})
