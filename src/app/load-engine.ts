// A load of the configuration that another tool runs: started here, judged by the same engine as our own. Careful about what is
// not ours to decide: how it sends is the script's business, so flags that would say it are refused instead of ignored.
import type { Clause } from '../domain/clause.ts'
import type { LoadDocument } from '../domain/document.ts'
import type { EngineSettings } from '../domain/engine.ts'
import { RollgateError } from '../domain/error.ts'
import type { Emit } from '../domain/event.ts'
import { DEFAULT_CONFIDENCE } from '../domain/gate.ts'
import { canCompare, engineCan } from '../drivers/engine/capabilities.ts'
import { runEngine } from '../drivers/engine/run.ts'
import { reportOfImport } from '../render/report/from-import.ts'
import type { AppContext } from './context.ts'
import type { LoadOptions } from './load.ts'
import { judgedImport, refuseUnsupported } from './load-import.ts'
import { keepImport, loadWords } from './load-record.ts'
import { type EngineLoad, type Wanted, whereTo } from './load-where.ts'
import { writeReports } from './reports.ts'
import { heldEngine, spared, unheldEngine } from './strangers.ts'

type Known = { readonly known: EngineLoad; readonly clauses: readonly Clause[]; readonly runId: string; readonly emit: Emit }

/** @throws RollgateError E_USAGE for flags and clauses that this tool cannot follow, E_LOAD, E_CANCELLED */
export async function engineLoad(options: LoadOptions, { known, clauses, runId, emit }: Known, context: AppContext): Promise<LoadDocument> {
  const compares = options.against !== undefined
  const asked = withOptions(known.engine, options)
  refuseUnsupported(clauses, { format: asked.tool, ...engineCan(asked, compares) })
  const { target, against, isForeign } = await sites({ ...options, cannotHold: unheldEngine(asked, compares) }, known, context, emit)
  const settings = spared(asked, heldEngine, { isForeign, rateGiven: options.ratePerSecond !== undefined }, emit)
  const seconds = settings.duration.atLeastMs / 1000
  emit({
    type: 'notice',
    message: `load ${runId}: ${settings.tool} runs ${settings.path}${target === null ? '' : ` on ${target}`}${settings.tool === 'vegeta' || settings.tool === 'locust' ? ` for ${seconds} s` : ''}`,
  })
  const startedAt = new Date().toISOString()
  const run = await runEngine({
    ...{ settings, target, against, clauses, env: context.env },
    confidence: { ...DEFAULT_CONFIDENCE, looks: 1, hostEffect: 'ignore' },
    signal: AbortSignal.any([context.signal, context.control.asked]),
    onLine: (name, text) => {
      if (text !== '') emit({ type: 'notice', message: `${name}: ${text}` })
    },
  })
  const { evidence, reading, exitCode } = run
  const judged: LoadDocument = {
    ...judgedImport('load', evidence, reading),
    ...{ run: runId, seed: '', measuredMs: reading.measuredMs ?? run.durationMs, evidence: null },
    source: {
      ...{ format: evidence.format, level: evidence.level, files: [], exitCode },
      plannedMs: settings.tool === 'vegeta' || settings.tool === 'locust' ? settings.duration.atLeastMs : null,
    },
  }
  const title = `load ${settings.name}`
  const about = { title, id: runId, at: startedAt, rollgate: context.version, words: ['load', ...loadWords(options)] }
  const document = await keepImport(context.env, judged, { evidence, about })
  await writeReports({ data: reportOfImport(document, evidence, about), document, options }, context, emit)
  return document
}

function withOptions(engine: EngineSettings, options: LoadOptions): EngineSettings {
  const { tool } = engine
  const refuse = (flag: string): never => {
    throw new RollgateError('E_USAGE', `${flag} is not for load ${engine.name}: ${tool} decides what is sent`, {
      hints: ['say it in its script, or in engine.args'],
    })
  }
  if (options.connections !== undefined) refuse('--connections')
  if (options.warmupMs !== undefined) refuse('--warm-up')
  if (options.at !== undefined) refuse('--at')
  if (options.http2 === true) refuse('--http2')
  if ((options.from ?? []).length > 0) refuse('--from')
  if (options.findCapacity !== undefined) refuse('--find-capacity')
  if (options.against !== undefined && !canCompare(tool)) refuse('--against')
  const takesRate = tool === 'vegeta' || (tool === 'k6' && options.against !== undefined)
  if (options.ratePerSecond !== undefined && !takesRate) refuse('--rate')
  if (options.durationMs !== undefined && tool === 'jmeter') refuse('--duration')
  if (tool === 'k6' && options.against !== undefined && (options.ratePerSecond ?? engine.ratePerSecond) === null)
    throw new RollgateError('E_USAGE', `load ${engine.name}: comparing two releases needs a rate`, {
      hints: ['--rate 100/s', 'engine.rate: 100/s'],
    })
  const { durationMs, ratePerSecond } = options
  return {
    ...engine,
    ...(durationMs === undefined ? {} : { duration: { atLeastMs: durationMs, atMostMs: durationMs } }),
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  }
}

/** Without any address the script has its own. */
async function sites(options: Wanted, known: EngineLoad, context: AppContext, emit: Emit) {
  if (options.url === undefined && known.site === undefined) {
    if (options.against === undefined) return { target: null, against: null, isForeign: false }
    throw new RollgateError('E_USAGE', '--against needs the new one beside it', { hints: ['--url http://127.0.0.1:8081/'] })
  }
  const where = await whereTo(options, known, context, emit)
  await where.close()
  const site = (text: string): string =>
    new URL(text).pathname === '/' && new URL(text).search === '' ? new URL(text).origin : new URL(text).href
  return { target: site(where.url.href), against: options.against === undefined ? null : site(options.against), isForeign: where.isForeign }
}
