// Staging where things break for real: a disk that is full or becomes it, a host that loses power in the middle of an
// upload, a network that goes away for a while. Old state or complete release, never half, and nothing that serves stops.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { PushDocument } from '../../../src/domain/document.ts'
import { describeOnLab, labDo, mustInHost } from '../../helpers/lab.ts'
import { until } from '../../helpers/lab-wait.ts'
import { answering, running } from '../helpers/fleet.ts'
import type { Project } from '../helpers/project.ts'
import { deployed, useProject } from '../helpers/suite.ts'

const told = (result: { readonly document: unknown; readonly stderr: string }) =>
  `${JSON.stringify(result.document, null, 2)}\n${result.stderr}`

describeOnLab('staging', (lab) => {
  const suite = useProject(lab, 'stage')
  const [first = '', second = ''] = lab.hosts.map((host) => host.name)
  let serving = ''
  beforeAll(async () => {
    suite.project.configure({ balancer: null })
    serving = await deployed(suite.project, 'serving')
  })
  afterEach(async () => {
    await labDo('heal', second)
    for (const host of [first, second]) {
      expect(await answering(host)).toMatchObject({ release: serving })
      // The lab's disks are small.
      await mustInHost(
        host,
        `cd /srv/app/releases && for each in r*; do [ "$each" = ${serving} ] || rm -rf "$each" "../.rollgate/releases/$each".*; done`,
      )
    }
  })

  /** A build whose bytes do not compress. */
  function bulky(project: Project, name: string, megabytes: number): void {
    project.build(name)
    mkdirSync(join(project.path, 'dist'), { recursive: true })
    writeFileSync(join(project.path, 'dist/bulk.bin'), randomBytes(megabytes * 1024 * 1024))
  }

  const leftovers = (host: string) =>
    mustInHost(host, 'ls -A /srv/app/releases | grep -v "^r[0-9]*-[0-9a-f]*$"; ls -A /srv/app/.rollgate | grep "^work"; true')

  /** Starts a push and waits until so much of it has arrived on the second host, over a slow line. */
  async function pushing(megabytes: number) {
    await labDo('rate', second, '40mbit')
    const started = suite.project.start(['push'])
    const over = { stderr: '' }
    started.ended.then(
      ({ stderr }) => Object.assign(over, { stderr: `it ended: ${stderr}` }),
      () => undefined,
    )
    await until('the upload is under way', async () => {
      if (over.stderr !== '') throw new Error(over.stderr)
      const kilobytes = await mustInHost(second, 'du -sk /srv/app/releases/.staging-*.*.* 2>/dev/null | cut -f 1 | tail -n 1')
      return Number(kilobytes || 0) > megabytes * 1024
    })
    return started
  }

  test('is refused before a byte is sent when one host has no room, and works when there is', async () => {
    bulky(suite.project, 'no room', 20)
    await labDo('fill-disk', second, '12M')
    const refused = await suite.project.json<PushDocument>(['push'])
    expect(refused.exitCode, told(refused)).toBe(3)
    expect(refused.document.error).toMatchObject({ code: 'E_DISK', host: second, message: expect.stringContaining('MB free') })
    expect((await running(first)).installed).toEqual([serving])
    await labDo('free-disk', second)
    const made = await suite.project.json<PushDocument>(['push'])
    expect(made.exitCode, told(made)).toBe(0)
  })

  test('says that the disk became full in the middle, and leaves nothing there', async () => {
    bulky(suite.project, 'becomes full', 30)
    const started = await pushing(4)
    // Beside the upload, until there is nothing left for either of them.
    await mustInHost(second, 'dd if=/dev/zero of=/var/fill bs=64k 2>/dev/null; true')
    const ended = await started.ended
    expect(ended.exitCode, ended.stderr).toBe(3)
    expect(ended.stderr).toContain('E_DISK')
    expect(await leftovers(second)).toBe('')
    await mustInHost(second, 'rm /var/fill')
    await labDo('heal', second)
    const again = await suite.project.json<PushDocument>(['push'])
    expect(again.exitCode, told(again)).toBe(0)
    for (const host of again.document.hosts)
      expect(host.note, host.name).toEqual(host.name === second ? expect.stringContaining('sent') : 'complete already')
  })

  test('survives a network that is gone for some seconds', async () => {
    bulky(suite.project, 'cut', 30)
    const started = await pushing(4)
    await labDo('cut', second)
    await until('some seconds are over', () => new Promise<true>((done) => setTimeout(() => done(true), 3000)))
    await labDo('heal', second)
    const ended = await started.ended
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(await leftovers(second)).toBe('')
  })

  test('after a power cut in the middle goes on from a clean state', async () => {
    bulky(suite.project, 'power', 30)
    const started = await pushing(4)
    await labDo('kill', second)
    const ended = await started.ended
    expect([3, 4], ended.stderr).toContain(ended.exitCode)
    await labDo('boot', second)
    await until('it serves again', async () => (await answering(second))?.release === serving)
    const again = await suite.project.json<PushDocument>(['push'])
    expect(again.exitCode, told(again)).toBe(0)
    expect(await leftovers(second)).toBe('')
    const whole = await mustInHost(second, `cd /srv/app/releases/${again.document.release} && sha256sum bulk.bin`)
    expect(await mustInHost(first, `cd /srv/app/releases/${again.document.release} && sha256sum bulk.bin`)).toBe(whole)
  })

  test('a killed operator leaves what the next one sweeps', async () => {
    bulky(suite.project, 'killed', 30)
    const started = await pushing(4)
    started.kill('SIGKILL')
    await started.ended.catch(() => undefined)
    await labDo('heal', second)
    // The lease of the dead one runs out first.
    const again = await suite.project.json<PushDocument>(['push', '--wait-lock', '3m'])
    expect(again.exitCode, told(again)).toBe(0)
    expect(await leftovers(second)).toBe('')
  })
})
