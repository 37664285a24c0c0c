// What is kept of a load test beside its slices, so that its report can be made again later: the document and what was
// asked for. In the state folder, readable by its owner only; no secret is in it.
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clause } from '../domain/clause.ts'
import type { ImportDocument, LoadDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { ImportEvidence } from '../domain/evidence.ts'
import type { GeneratorSample } from '../domain/load.ts'
import type { ReportData } from '../domain/report.ts'
import type { Slice } from '../domain/slice.ts'
import type { LoadPlan, LoadResult } from '../load/plan.ts'
import { openStore, readStore } from '../load/store.ts'
import { type ImportAbout, reportOfImport } from '../render/report/from-import.ts'
import { type LoadAbout, reportOfLoad } from '../render/report/from-load.ts'
import { withoutQuery } from '../render/report/words.ts'
import { quote } from '../util/shell.ts'
import type { AppContext } from './context.ts'
import { stateDirectory } from './home.ts'
import type { LoadOptions } from './load.ts'
import type { Where } from './load-where.ts'

export type LoadRecord = { readonly version: 1; readonly document: LoadDocument; readonly about: LoadAbout }

/** What another tool measured: its result is all there is, so there is one file. */
export type ImportRecord = {
  readonly version: 2
  readonly document: ImportDocument | LoadDocument
  readonly evidence: ImportEvidence
  readonly about: ImportAbout
}

/** `$XDG_STATE_HOME/rollgate/loads`. */
export function loadsFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(stateDirectory(env), 'loads')
}

/** @param slices the file with the slices; null: nothing could be kept */
export async function keepLoad(slices: string | null, record: LoadRecord): Promise<void> {
  if (slices === null) return
  const about = { ...record.about, urls: record.about.urls.map(({ target, url }) => ({ target, url: withoutQuery(url) })) }
  try {
    await writeFile(slices.replace(/\.ndjson$/, '.json'), `${JSON.stringify({ ...record, about })}\n`, { mode: 0o600 })
  } catch {
    // The slices are there, and the verdict was told: only the page cannot be made again.
  }
}

/** @returns the same document, saying where it is kept; null where nothing can be kept */
export async function keepImport<D extends ImportDocument | LoadDocument>(
  env: AppContext['env'],
  document: D,
  { evidence, about }: Pick<ImportRecord, 'evidence' | 'about'>,
): Promise<D> {
  const folder = loadsFolder(env)
  const path = join(folder, `${about.id}.json`)
  const kept = { ...document, evidence: path }
  const record: ImportRecord = { version: 2, document: kept, evidence, about }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(path, `${JSON.stringify(record)}\n`, { mode: 0o600 })
    return kept
  } catch {
    return { ...document, evidence: null }
  }
}

/** Slices of a run that is over. @returns where they are; null where nothing can be kept */
export async function keepSlices(env: AppContext['env'], { plan, slices, samples, result }: Finished): Promise<string | null> {
  const path = await evidencePath(env, plan.runId)
  if (path === null) return null
  try {
    const store = await openStore(path, plan)
    for (const slice of slices) store.addSlice(slice)
    for (const sample of samples) store.addSample(sample)
    await store.close(result)
    return path
  } catch {
    return null
  }
}

type Finished = {
  readonly plan: LoadPlan
  readonly slices: readonly Slice[]
  readonly samples: readonly GeneratorSample[]
  readonly result: LoadResult
}

/** null where nothing can be kept: the measurement goes on without. */
export async function evidencePath(env: AppContext['env'], runId: string): Promise<string | null> {
  const folder = loadsFolder(env)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return join(folder, `${runId}.ndjson`)
  } catch {
    return null
  }
}

/** Runs that a report can be made of, the newest first. */
export async function keptLoads(folder: string): Promise<readonly { readonly id: string; readonly atMs: number }[]> {
  const names = await readdir(folder).catch(() => [])
  const ids = names.filter((name) => /^[0-9a-f]{8}\.json$/.test(name)).map((name) => name.slice(0, -'.json'.length))
  const found = await Promise.all(
    ids.map(async (id) => ({ id, atMs: (await stat(join(folder, `${id}.json`)).catch(() => null))?.mtimeMs ?? 0 })),
  )
  return found.toSorted((a, b) => b.atMs - a.atMs)
}

/** @throws RollgateError E_STATE_VERSION, E_LOAD_DATA */
export async function readLoad(folder: string, id: string): Promise<ReportData> {
  const path = join(folder, `${id}.json`)
  const record = parseRecord(await readFile(path, 'utf8'), path)
  if (record.version === 2) return reportOfImport(record.document, record.evidence, record.about)
  const { slices, samples } = await readStore(join(folder, `${id}.ndjson`))
  return reportOfLoad(record.document, record.about, slices, samples)
}

function parseRecord(text: string, path: string): LoadRecord | ImportRecord {
  const cut = (cause: unknown): RollgateError => new RollgateError('E_LOAD_DATA', `${path} is not the record of a load test`, { cause })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw cut(cause)
  }
  if (typeof value !== 'object' || value === null || !('version' in value)) throw cut(null)
  if (value.version !== 1 && value.version !== 2) throw new RollgateError('E_STATE_VERSION', `${path} was written by a newer version`)
  // Written by `keepLoad` or `keepImport`, version checked.
  return value as LoadRecord | ImportRecord
}

export type Ran = {
  readonly plan: LoadPlan
  readonly where: Where
  readonly clauses: readonly Clause[]
  readonly result: LoadResult
}

/** What was asked for, as a report shows it. */
export function aboutLoad(options: LoadOptions, { plan, where, clauses, result }: Ran, context: AppContext): LoadAbout {
  const path = `${where.url.pathname}${where.url.search}`
  return {
    ...{ load: options.name ?? null, at: result.startedAt, rollgate: context.version, model: plan.settings.model },
    ...{ warmupMs: result.warmupMs, durationMs: plan.durationMs, slowAboveMs: slowOf(clauses) },
    urls: where.targets.map((target) => ({ target: target.name, url: `${target.origin}${path}` })),
    words: loadWords(options),
  }
}

/** What `slow` means, where a clause says so. */
export function slowOf(clauses: readonly Clause[]): number | null {
  return clauses.flatMap(({ metric }) => (metric.kind === 'slow' && metric.aboveMs !== null ? [metric.aboveMs] : []))[0] ?? null
}

/** The words after `rollgate load` that do it again; a query is left out, because it may hold a token. */
export function loadWords(options: LoadOptions): readonly string[] {
  const { name, url, against, at, http2, tls, ratePerSecond, connections, durationMs, warmupMs, findCapacity, thresholds = [] } = options
  const seconds = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`)
  return [
    ...(name === undefined ? [] : [name]),
    ...(url === undefined ? [] : ['--url', withoutQuery(url)]),
    ...(against === undefined ? [] : ['--against', withoutQuery(against)]),
    ...(at === undefined ? [] : ['--at', at]),
    ...(http2 === true ? ['--http2'] : []),
    ...(tls === true ? ['--tls'] : []),
    ...(ratePerSecond === undefined ? [] : ['--rate', `${ratePerSecond}/s`]),
    ...(connections === undefined ? [] : ['--connections', String(connections)]),
    ...(durationMs === undefined ? [] : ['--duration', seconds(durationMs)]),
    ...(warmupMs === undefined ? [] : ['--warm-up', seconds(warmupMs)]),
    ...(findCapacity === undefined ? [] : ['--find-capacity']),
    ...(findCapacity?.maxPerSecond === undefined ? [] : ['--max', `${findCapacity.maxPerSecond}/s`]),
    ...(findCapacity?.precision === undefined ? [] : ['--precision', `${findCapacity.precision * 100}%`]),
    ...thresholds.flatMap((threshold) => ['--threshold', threshold]),
  ].map(quote)
}
