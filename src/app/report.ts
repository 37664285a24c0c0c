// The page of a past rollout, load test or gate, from what this machine keeps. An id may be shortened as long as it is the only
// one; without any it is the newest.
import { extname, resolve } from 'node:path'
import type { ReportDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { ReportData } from '../domain/report.ts'
import { junitOf } from '../render/report/junit.ts'
import { metricsOf } from '../render/report/metrics.ts'
import { reportPage } from '../render/report/page.ts'
import { summaryOf } from '../render/report/summary.ts'
import { when } from '../render/words.ts'
import { cleanText } from '../util/text.ts'
import type { AppContext } from './context.ts'
import { keptGates, readGate } from './gate-record.ts'
import { keptLoads, loadsFolder, readLoad } from './load-record.ts'
import { intervalLog, percentileTables } from './report-histograms.ts'
import { replace, sliceLines } from './reports.ts'
import { keptRollouts, readRollout } from './rollout-record.ts'

export type ReportCommandOptions = {
  readonly id?: string
  /** `-`: stdout. */
  readonly out?: string
}

type Kept = { readonly id: string; readonly kind: 'load' | 'gate' | 'rollout'; readonly atMs: number; read(): Promise<ReportData> }

const SHORTEST = 4
const LISTED = 8

/** @throws RollgateError E_USAGE when there is no such run; E_STATE_VERSION, E_LOAD_DATA */
export async function report(options: ReportCommandOptions, context: AppContext): Promise<ReportDocument> {
  const kept = choose(options.id, await everything(context))
  const data = await kept.read()
  const { id, kind, title, verdict, sentence } = data
  const document = { version: 1, command: 'report', exitCode: 0, outcome: 'ok', id, kind, title, verdict, sentence } as const
  if (options.out === '-') {
    context.stdout(reportPage(data).trimEnd())
    return { ...document, file: null, files: [] }
  }
  const file = options.out ?? `rollgate-${id}.html`
  const made = formsOf(data, resolve(context.cwd, file))
  for (const { path, content } of made)
    await replace(path, content).catch((error: unknown) => {
      throw new RollgateError('E_USAGE', `--out ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    })
  const files = made.map(({ path }) => path)
  return { ...document, file: files[0] ?? null, files }
}

type Form = { readonly path: string; readonly content: string | Iterable<string> }

/** What the end of the name asks for; anything else is the page. @throws RollgateError E_USAGE where there is nothing of that kind */
function formsOf(data: ReportData, path: string): readonly Form[] {
  switch (extname(path)) {
    case '.md':
      return [{ path, content: summaryOf(data) }]
    case '.xml':
      return [{ path, content: junitOf(data, { inconclusiveAs: 'skipped' }) }]
    case '.prom':
      return [{ path, content: metricsOf(data) }]
    case '.ndjson':
      return [{ path, content: sliceLines(data) }]
    case '.hlog':
      return timed(data, [{ path, content: intervalLog(data) }])
    case '.hgrm':
      return timed(
        data,
        percentileTables(data).map(({ suffix, text }) => ({ path: path.replace(/\.hgrm$/, `${suffix}.hgrm`), content: text })),
      )
    default:
      return [{ path, content: reportPage(data) }]
  }
}

function timed(data: ReportData, forms: readonly Form[]): readonly Form[] {
  if (percentileTables(data).length > 0) return forms
  throw new RollgateError('E_USAGE', `${data.title} has no times of single seconds: there is nothing for HdrHistogram`, {
    hints: ['--out report.html'],
  })
}

async function everything(context: AppContext): Promise<readonly Kept[]> {
  const { env } = context
  const folder = loadsFolder(env)
  const [loads, rollouts] = await Promise.all([keptLoads(folder), keptRollouts(env)])
  const gates = await keptGates(env, new Set(rollouts.map(({ id }) => id)))
  return [
    ...loads.map(({ id, atMs }): Kept => ({ id, kind: 'load', atMs, read: () => readLoad(folder, id) })),
    ...rollouts.map(
      (rollout): Kept => ({
        id: rollout.id,
        kind: 'rollout',
        atMs: rollout.atMs,
        read: async () => (await readRollout(rollout, context)).data,
      }),
    ),
    ...gates.map((gate): Kept => ({ id: gate.id, kind: 'gate', atMs: gate.atMs, read: () => readGate(gate, context) })),
  ].toSorted((a, b) => b.atMs - a.atMs)
}

function choose(id: string | undefined, all: readonly Kept[]): Kept {
  const [newest] = all
  if (newest === undefined)
    throw new RollgateError('E_USAGE', 'there is nothing to report: this machine keeps no load test, no gate and no rollout', {
      hints: ['rollgate load --url http://127.0.0.1:8080/', 'rollgate history   (what the hosts remember)'],
    })
  if (id === undefined) return newest
  const found = all.filter((one) => one.id === id || (id.length >= SHORTEST && one.id.startsWith(id)))
  const exact = found.find((one) => one.id === id)
  const [only, ...more] = exact === undefined ? found : [exact]
  if (only !== undefined && more.length === 0) return only
  const shown = (only === undefined ? all : found)
    .slice(0, LISTED)
    .map((one) => `${one.id}   (${one.kind}, ${when(new Date(one.atMs).toISOString())})`)
  throw new RollgateError(
    'E_USAGE',
    `${cleanText(id, 60)} ${only === undefined ? 'is no load test, gate or rollout that this machine keeps' : `may be one of ${found.length}`}`,
    {
      hints: shown.map((line) => `rollgate report ${line}`),
    },
  )
}
