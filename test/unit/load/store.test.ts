// The record of a run on disk, whole and cut.
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openStore, readStore } from '../../../src/load/store.ts'
import { measure, paced, planFor } from '../../helpers/load.ts'
import { serve } from './helpers.ts'

async function recorded() {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'slices.ndjson')
  const server = await serve((_request, response) => void response.end('ok'))
  const settings = paced(50, { auth: { kind: 'bearer', token: '{{ secret.TOKEN }}' } })
  const plan = planFor(server.url, settings, { readSecret: async () => 'hunter2', durationMs: 1500 })
  const store = await openStore(path, plan)
  const measured = await measure(plan, { onSlice: store.addSlice })
  for (const sample of measured.samples) store.addSample(sample)
  await store.close(measured.result)
  return { path, measured }
}

test('what was written is what is read; only its owner may read it, and no secret is in it', async () => {
  const { path, measured } = await recorded()
  const stored = await readStore(path)
  expect(stored.slices).toEqual(measured.slices)
  expect(stored.samples).toEqual(measured.samples)
  expect(stored.result).toEqual(measured.result)
  expect(stored.head).toMatchObject({ runId: 'run-1', seed: 'seed-1', load: 'test', targets: ['target'], durationMs: 1500 })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).not.toContain('hunter2')
})

test('a record that was cut off is read as far as it goes, and has no result', async () => {
  const { path, measured } = await recorded()
  truncateSync(path, statSync(path).size - 10)
  const stored = await readStore(path)
  expect(stored.result).toBeNull()
  expect(stored.slices).toEqual(measured.slices)
})

test.each([
  ['', 'is not the record of a load test'],
  ['{"type":"slice"}\n', 'is not the record of a load test'],
  ['{"type":"run","version":1}\n{oops\n{"type":"slice"}\n', 'line 2 is not JSON'],
  ['{"type":"run","version":2}\n', 'was written by a newer version'],
])('the file %j is refused', async (text, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'slices.ndjson')
  writeFileSync(path, text)
  await expect(readStore(path)).rejects.toThrow(message)
})

test('a place that cannot be written to is said before anything is sent; a disk that fills up when it ends', async () => {
  const plan = planFor('http://127.0.0.1:1', paced(1))
  await expect(openStore('/nowhere/slices.ndjson', plan)).rejects.toMatchObject({ code: 'ENOENT' })
  const { measured } = await recorded()
  if (process.platform !== 'linux') return
  const store = await openStore('/dev/full', plan)
  await expect(store.close(measured.result)).rejects.toMatchObject({ code: 'ENOSPC' })
})
