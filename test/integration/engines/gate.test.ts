// Gates whose load another tool sends, against real hosts of the sandbox: reached through their SSH connections, because their
// apps listen on loopback.
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { loadTool, missing } from '../../helpers/load-tools.ts'
import { aFleet, type World } from '../rollout/world.ts'

vi.setConfig({ testTimeout: 180_000 })

const vegeta = loadTool('vegeta')

async function withGates({ project }: World): Promise<void> {
  const program = JSON.stringify(vegeta ?? 'vegeta')
  await writeFile(join(project.directory, 'targets.txt'), 'GET {{ target }}/\n')
  await writeFile(join(project.directory, 'k6.json'), 'no result\n')
  const lines = [
    'loads:',
    `  attack: { engine: { vegeta: targets.txt, rate: 60/s, command: ${program} }, duration: 4s }`,
    '  gone: { engine: { vegeta: targets.txt, rate: 5/s, command: no-such-program }, duration: 1s }',
    'gates:',
    '  holds: { load: attack, pass: [p95 < 5s, errors < 10%] }',
    '  breaks: { load: attack, pass: [p50 < 1us] }',
    '  pairs: { load: attack, against: { baseline: in-rotation }, pass: [p50 <= baseline + 10%] }',
    '  absent: { load: gone, pass: [errors < 10%], on_invalid: { retry: 0 } }',
    '  imported: { import: { format: k6, path: k6.json, planned: 5s }, pass: [errors < 10%], on_invalid: { retry: 0 } }',
  ]
  await appendFile(join(project.directory, 'rollgate.yml'), `${lines.join('\n')}\n`)
}

describe.skipIf(vegeta === null)(`with vegeta${missing('vegeta', vegeta)}`, () => {
  test('a gate passes, fails, compares two hosts, and is INVALID when nothing could be measured', async () => {
    const world = await aFleet(2)
    await withGates(world)
    const holds = await world.run('here', 'gate', 'holds')
    expect(holds.exitCode, holds.stderr).toBe(0)
    expect(holds.document).toMatchObject({
      verdict: 'pass',
      targets: [{ done: 240 }],
      clauses: [{ source: 'import' }, { source: 'import' }],
    })
    expect((await world.run('here', 'gate', 'breaks')).exitCode).toBe(7)
    // Four seconds are not enough to compare, and it says so; both hosts got their share.
    const pairs = await world.run('here', 'gate', 'pairs')
    expect(pairs.exitCode, pairs.stderr).toBe(8)
    expect(pairs.document).toMatchObject({
      verdict: 'inconclusive',
      targets: [
        { name: 'canary', done: 240 },
        { name: 'baseline', done: 240 },
      ],
    })
    const absent = await world.run('here', 'gate', 'absent')
    expect(absent.exitCode, absent.stderr).toBe(11)
    expect(absent.document).toMatchObject({ verdict: 'invalid', reason: expect.stringContaining('no-such-program cannot be started') })
    const imported = await world.run('here', 'gate', 'imported')
    expect(imported).toMatchObject({
      exitCode: 11,
      document: { verdict: 'invalid', reason: expect.stringContaining('nobody knows this format') },
    })
  })
})
