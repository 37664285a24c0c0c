// Where a report goes besides the screen: a folder (--report), a file for the node exporter (--metrics), a push gateway,
// the summary of a CI job. What is asked for wrongly is said before anything is measured; what goes wrong afterwards is a
// warning, because a report that cannot be written changes no verdict. Careful with other people's files: only our own
// names are written, each beside its place and then renamed over it, so that a link is replaced and never followed.
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { access, appendFile, constants, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { BaseDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import type { ReportData } from '../domain/report.ts'
import { pushMetrics } from '../drivers/metrics/push-gateway.ts'
import { junitOf } from '../render/report/junit.ts'
import { metricsOf } from '../render/report/metrics.ts'
import { reportPage } from '../render/report/page.ts'
import { gatesSummary, summaryOf } from '../render/report/summary.ts'
import { cleanText } from '../util/text.ts'
import type { AppContext } from './context.ts'
import { intervalLog, percentileTables } from './report-histograms.ts'

export type ReportOptions = {
  /** A folder. */
  readonly report?: string
  /** A file. */
  readonly metrics?: string
  /** An address. */
  readonly pushGateway?: string
  readonly inconclusiveAs?: 'skipped' | 'failure'
}

const FOLDER_MODE = 0o755
/** For those who show it: a web server, the node exporter. It holds no secret. */
const FILE_MODE = 0o644

/** Before anything else is done. @throws RollgateError E_USAGE */
export async function checkReports(options: ReportOptions, context: Pick<AppContext, 'cwd'>): Promise<void> {
  if (options.report !== undefined) await checkFolder(resolve(context.cwd, options.report), options.report)
  if (options.metrics !== undefined) await checkFile(resolve(context.cwd, options.metrics), options.metrics)
  if (options.pushGateway !== undefined) checkGateway(options.pushGateway)
}

async function checkFolder(path: string, written: string): Promise<void> {
  // The folder itself may have to be made: then it is the nearest one above it that counts.
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null)
    if (found === null && at !== dirname(at)) continue
    if (found?.isDirectory() !== true)
      throw new RollgateError(
        'E_USAGE',
        `--report ${written}: ${at === path ? 'there is something else than a folder' : `${at} is no folder`}`,
        {
          hints: ['name a folder; it is made if it is not there'],
        },
      )
    if (await isWritable(at)) return
    throw new RollgateError('E_USAGE', `--report ${written}: nothing can be written into ${at}`)
  }
}

async function checkFile(path: string, written: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found !== null && !found.isFile())
    throw new RollgateError('E_USAGE', `--metrics ${written}: there is something else than a file`, {
      hints: ['--metrics /var/lib/prometheus/node-exporter/rollgate.prom'],
    })
  const folder = dirname(path)
  const above = await stat(folder).catch(() => null)
  if (above?.isDirectory() !== true) throw new RollgateError('E_USAGE', `--metrics ${written}: there is no folder ${folder}`)
  if (!(await isWritable(folder))) throw new RollgateError('E_USAGE', `--metrics ${written}: nothing can be written into ${folder}`)
}

const isWritable = (folder: string): Promise<boolean> =>
  access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )

function checkGateway(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null
  // What came with it may be a secret: it is not shown.
  if (
    url === null ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== ''
  )
    throw new RollgateError('E_USAGE', '--push-gateway wants an http or https address, without a login or a query in it', {
      hints: ['--push-gateway http://127.0.0.1:9091'],
    })
}

export type Finished = {
  readonly data: ReportData
  readonly document: BaseDocument
  readonly options: ReportOptions
}

/** Writes what was asked for; what does not work is told as a warning, and nothing is thrown. */
export async function writeReports({ data, document, options }: Finished, context: AppContext, emit: Emit): Promise<void> {
  const attempt = async (what: string, work: () => Promise<string | null>): Promise<void> => {
    const why = await work().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    if (why !== null) emit({ type: 'warning', message: `${what}: ${cleanText(why, 300)}` })
  }
  const { report, metrics, pushGateway } = options
  const done = (work: Promise<unknown>): Promise<null> => work.then(() => null)
  if (report !== undefined)
    await attempt('the report was not written', () => done(writeFolder(resolve(context.cwd, report), { data, document, options })))
  if (metrics !== undefined)
    await attempt('the metrics were not written', () => done(replace(resolve(context.cwd, metrics), metricsOf(data))))
  if (pushGateway !== undefined)
    await attempt('the push gateway did not take the metrics', () =>
      pushMetrics({
        gateway: pushGateway,
        labels: { job: 'rollgate', instance: data.name },
        text: metricsOf(data),
        signal: context.signal,
      }),
    )
  const summary = context.env.GITHUB_STEP_SUMMARY ?? ''
  // A rollout writes its own page there, from its events.
  const page = data.rollout === null ? summaryOf(data) : gatesSummary(data)
  if (summary !== '' && page !== '') await attempt('the summary of the job was not written', () => done(appendFile(summary, `${page}\n`)))
}

/** Percentile tables of another run, which may have had other arms. */
const OURS = /^response(-\d+)?(-baseline)?\.hgrm$/

/**
 * `report.html`, `report.json` (the document of --json), `junit.xml`, `summary.md`, `metrics.prom`, `slices.ndjson`, and for
 * tools of HdrHistogram `response.hlog` and `response.hgrm`.
 */
async function writeFolder(folder: string, { data, document, options }: Finished): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  await replace(join(folder, 'report.html'), reportPage(data))
  await replace(join(folder, 'report.json'), `${JSON.stringify(document, null, 2)}\n`)
  await replace(join(folder, 'junit.xml'), junitOf(data, { inconclusiveAs: options.inconclusiveAs ?? 'skipped' }))
  await replace(join(folder, 'summary.md'), summaryOf(data))
  await replace(join(folder, 'metrics.prom'), metricsOf(data))
  await replace(join(folder, 'slices.ndjson'), sliceLines(data))
  await replace(join(folder, 'response.hlog'), intervalLog(data))
  const tables = percentileTables(data).map(({ suffix, text }) => ({ name: `response${suffix}.hgrm`, text }))
  for (const { name, text } of tables) await replace(join(folder, name), text)
  for (const name of await readdir(folder))
    if (OURS.test(name) && !tables.some((table) => table.name === name)) await rm(join(folder, name))
}

/** One slice a line, with the measurement that it belongs to. */
export function* sliceLines(data: ReportData): Generator<string> {
  for (const { name, where, slices } of data.measurements)
    for (const slice of slices) yield `${JSON.stringify({ measurement: name, where, ...slice })}\n`
}

/** Whoever reads sees the old file or the new one, whole. */
export async function replace(path: string, content: string | Iterable<string>): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}`)
  try {
    if (typeof content === 'string') await writeFile(beside, content, { mode: FILE_MODE, flag: 'wx' })
    else await pipeline(Readable.from(content), createWriteStream(beside, { mode: FILE_MODE, flags: 'wx' }))
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}
