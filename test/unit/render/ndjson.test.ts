import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Stamped } from '../../../src/domain/event.ts'
import { createEventFile, createEventStream } from '../../../src/render/ndjson.ts'
import { collector, HOSTILE, recorded } from './recorded.ts'
import { stamped } from './stories.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollgate-events-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const parse = (text: string): readonly Stamped[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Stamped)

describe('the event file', () => {
  it('holds every event as it was, one JSON object a line, stamped', async () => {
    const file = join(folder, 'events.ndjson')
    const renderer = createEventFile(file)
    for (const event of recorded('rolled-back')) renderer.on(event)
    await renderer.end()
    const events = parse(await readFile(file, 'utf8'))
    expect(events).toEqual(recorded('rolled-back'))
    for (const [index, event] of events.entries())
      expect(event).toMatchObject({ version: 1, rollout: '46430f00', seq: index + 1, at: expect.stringMatching(/^2026-/) })
  })

  it('is complete after each event, before any end', async () => {
    const file = join(folder, 'events.ndjson')
    const renderer = createEventFile(file)
    for (const [index, event] of recorded('paused').entries()) {
      renderer.on(event)
      expect(parse(await readFile(file, 'utf8'))).toHaveLength(index + 1)
    }
    await renderer.end()
  })

  it('stays one line an event whatever hosts say', async () => {
    const file = join(folder, 'events.ndjson')
    const renderer = createEventFile(file)
    for (const event of stamped(HOSTILE.map((message) => ({ type: 'warning' as const, message })))) renderer.on(event)
    await renderer.end()
    // A lone half of a letter has no form in UTF-8; JSON keeps it as an escape.
    expect(parse(await readFile(file, 'utf8')).map((event) => (event.type === 'warning' ? event.message : ''))).toEqual(HOSTILE)
  })

  it('appends to what is there, and is for its owner only', async () => {
    const file = join(folder, 'events.ndjson')
    for (const _ of [1, 2]) {
      const renderer = createEventFile(file)
      renderer.on(recorded('paused')[0] as Stamped)
      await renderer.end()
    }
    expect(parse(await readFile(file, 'utf8'))).toHaveLength(2)
    expect((await stat(file)).mode & 0o077).toBe(0)
  })

  it('is refused before anything is done where it cannot be written', async () => {
    await writeFile(join(folder, 'file'), '')
    for (const path of [join(folder, 'no', 'folder', 'x'), folder, join(folder, 'file', 'x')])
      expect(() => createEventFile(path)).toThrow(
        expect.objectContaining({ code: 'E_USAGE', exitCode: 2, message: expect.stringContaining(path) }),
      )
  })

  it('does not hang at a pipe that nobody reads', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(() => createEventFile(pipe)).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
  })

  it('fills a pipe no further than its reader reads, and goes on when it does', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = await open(pipe, 0o4002)
    const renderer = createEventFile(pipe)
    const long = 'x'.repeat(20_000)
    const events = stamped(Array.from({ length: 10 }, (_, index) => ({ type: 'warning' as const, message: `${index}${long}` })))
    let text = ''
    const drain = async (): Promise<void> => {
      for (;;) {
        const part = await reader.read(Buffer.alloc(65_536)).catch(() => null)
        if (part === null || part.bytesRead === 0) return
        text += part.buffer.subarray(0, part.bytesRead).toString()
      }
    }
    for (const event of events) renderer.on(event)
    await drain()
    expect(text.length).toBeGreaterThan(0)
    for (let tries = 0; tries < 20 && text.split('\n').length <= 10; tries += 1) {
      renderer.on(events[0] as Stamped)
      await drain()
    }
    await renderer.end()
    await drain()
    await reader.close()
    expect(parse(text).slice(0, 10)).toEqual(events)
  })

  it.skipIf(!existsSync('/dev/full'))('is silenced by a full disk, and by nothing else', async () => {
    const renderer = createEventFile('/dev/full')
    for (const event of recorded('succeeded')) renderer.on(event)
    await expect(renderer.end()).resolves.toBeUndefined()
    renderer.on(recorded('succeeded')[0] as Stamped)
  })
})

describe('events on stdout', () => {
  it('are the same lines', async () => {
    const output = collector()
    const renderer = createEventStream(output)
    for (const event of recorded('stuck')) renderer.on(event)
    await renderer.end()
    expect(parse(output.text())).toEqual(recorded('stuck'))
  })

  it('may be cut off by their reader without ending the process', async () => {
    const script = fileURLToPath(new URL('event-writer.ts', import.meta.url))
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.once('data', () => child.stdout.destroy())
    let stderr = ''
    child.stderr.on('data', (part: Buffer) => {
      stderr += part.toString()
    })
    const [code] = await once(child, 'close')
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'told 20000 events\n' })
  })
})
