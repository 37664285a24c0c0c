// The result of another load tool, judged as our own would be. What a file cannot say is an error before anything is judged:
// a p99 that is in no file must not become a number from somewhere. Careful to take nothing on trust: a run is whole only with
// evidence, and a file that cannot be read is no measurement.
import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Clause, isRelative } from '../domain/clause.ts'
import type { ImportDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import type { ImportEvidence } from '../domain/evidence.ts'
import { DEFAULT_CONFIDENCE, type GateReport } from '../domain/gate.ts'
import type { Verdict } from '../domain/slice.ts'
import { judgeImport, whyUnsupported } from '../gate/imports.ts'
import { readImports } from '../load/imports/read.ts'
import { IMPORT_TOOLS, type Reading } from '../load/imports/reading.ts'
import { reportOfImport } from '../render/report/from-import.ts'
import { quote } from '../util/shell.ts'
import { cleanText } from '../util/text.ts'
import type { AppContext } from './context.ts'
import { NOT_ENOUGH } from './gates/advice.ts'
import { VERDICT_EXITS } from './load.ts'
import { keepImport } from './load-record.ts'
import { checkReports, type ReportOptions, writeReports } from './reports.ts'
import { createTelling } from './telling.ts'
import { thresholdOf } from './thresholds.ts'

export type ImportOptions = {
  /** Of one run. */
  readonly files: readonly string[]
  readonly format?: string
  readonly thresholds?: readonly string[]
  /** As the tool ended. */
  readonly exitCode?: number
  /** As long as it was to run. */
  readonly plannedMs?: number
} & ReportOptions

/** @throws RollgateError E_USAGE for a clause that the source cannot answer, E_CANCELLED */
export async function loadImport(options: ImportOptions, context: AppContext): Promise<ImportDocument> {
  const { format, exitCode, plannedMs } = options
  if (options.files.length === 0)
    throw new RollgateError('E_USAGE', 'which file? load import wants the result of a load test', {
      hints: ['rollgate load import results.json'],
    })
  if (format !== undefined && !IMPORT_TOOLS.some((tool) => tool === format))
    throw new RollgateError('E_USAGE', `--format ${JSON.stringify(format)}: known are ${IMPORT_TOOLS.join(', ')}`)
  const clauses = (options.thresholds ?? []).map(thresholdOf)
  await checkReports(options, context)
  const paths = options.files.map((file) => resolve(context.cwd, file))
  for (const [index, path] of paths.entries())
    await access(path).catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${error.code ?? 'unknown'})`
      throw new RollgateError('E_USAGE', `${cleanText(options.files[index] ?? path, 200)}: ${why}`)
    })
  const signal = AbortSignal.any([context.signal, context.control.asked])
  const { evidence, reading } = await readImports(
    {
      paths,
      ...(format === undefined ? {} : { format }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(plannedMs === undefined ? {} : { plannedMs }),
    },
    // One look at the end; hosts are not known, so their differences cannot be allowed for.
    { clauses, confidence: { ...DEFAULT_CONFIDENCE, looks: 1, hostEffect: 'ignore' }, signal },
  ).catch((error: unknown) => {
    if (signal.aborted) throw new RollgateError('E_CANCELLED', 'the import was interrupted', { cause: error })
    throw error
  })
  if (reading.requests > 0) refuseUnsupported(clauses, evidence)
  const run = randomBytes(4).toString('hex')
  const { emit } = createTelling('import', context.renderers, () => new Date())
  const about = { title: 'import', id: run, at: new Date().toISOString(), rollgate: context.version, words: wordsOf(options) }
  const document = await keepImport(context.env, documentOf(options, evidence, reading, run), { evidence, about })
  await writeReports({ data: reportOfImport(document, evidence, about), document, options }, context, emit)
  return document
}

function wordsOf({ files, format, thresholds = [], exitCode, plannedMs }: ImportOptions): readonly string[] {
  return [
    ...['load', 'import', ...files],
    ...(format === undefined ? [] : ['--format', format]),
    ...(exitCode === undefined ? [] : ['--exit-code', String(exitCode)]),
    ...(plannedMs === undefined ? [] : ['--planned', `${Math.ceil(plannedMs / 1_000)}s`]),
    ...thresholds.flatMap((threshold) => ['--threshold', threshold]),
  ].map(quote)
}

/** @throws RollgateError E_USAGE with every reason */
export function refuseUnsupported(
  clauses: readonly Clause[],
  { format, level, capabilities }: Pick<ImportEvidence, 'format' | 'level' | 'capabilities'>,
): void {
  const reasons = clauses.flatMap((clause) => whyUnsupported(clause, level, capabilities) ?? [])
  const [first] = reasons
  if (first === undefined) return
  const wantsArms = clauses.some(isRelative)
  throw new RollgateError('E_USAGE', `${format} (level ${level}) cannot answer ${first}`, {
    ...(reasons.length > 1 ? { evidence: reasons.slice(1) } : {}),
    hints: [
      wantsArms
        ? 'docs/load-imports.md tells how to label requests with arm=canary and arm=baseline'
        : 'docs/load-imports.md tells what can be asked of which file',
    ],
  })
}

function documentOf(options: ImportOptions, evidence: ImportEvidence, reading: Reading, run: string): ImportDocument {
  return {
    ...judgedImport('load import', evidence, reading),
    source: {
      format: evidence.format,
      level: evidence.level,
      files: options.files,
      exitCode: options.exitCode ?? null,
      plannedMs: options.plannedMs ?? reading.plannedMs,
    },
    ...{ measuredMs: reading.measuredMs, run, evidence: null },
  }
}

/** What all documents about another tool's result say. */
export function judgedImport(command: string, evidence: ImportEvidence, reading: Reading) {
  const judged = judgeImport('import', evidence)
  const { verdict, reason } = evidence.clauses.length === 0 ? ownVerdict(evidence, reading, judged) : judged
  const clean = (text: string): string => cleanText(text, 500)
  return {
    version: 1,
    command,
    exitCode: VERDICT_EXITS[verdict],
    outcome: verdict,
    ...(verdict === 'pass'
      ? {}
      : {
          error: {
            code: CODES[verdict],
            message: clean(reason),
            ...(verdict === 'inconclusive' ? { why: NOT_ENOUGH } : {}),
            hints: hintsFor(verdict, evidence),
          },
        }),
    verdict,
    reason: clean(reason),
    targets: judged.targets,
    clauses: judged.clauses,
    validity: { sendLagP99Ms: null, cpu: null, reasons: evidence.distrust.map(clean) },
    warnings: (evidence.clauses.length === 0 ? evidence.warnings : judged.warnings).map(clean),
  } as const
}

const CODES = { fail: 'E_GATE_FAILED', inconclusive: 'E_PAUSED', invalid: 'E_LOAD_INVALID' } as const

/** Without a threshold: is it a measurement at all? */
function ownVerdict(
  evidence: ImportEvidence,
  reading: Reading,
  judged: GateReport,
): { readonly verdict: Verdict; readonly reason: string } {
  if (evidence.distrust.length > 0) return { verdict: 'invalid', reason: evidence.distrust.join('; ') }
  if (reading.requests === 0) return { verdict: 'invalid', reason: 'nothing was measured: the file holds no request' }
  // It knows of targets that never answered; that nothing was asked is no news here.
  if (judged.reason.includes('has not answered')) return { verdict: 'invalid', reason: judged.reason }
  if (reading.failures === reading.requests)
    return { verdict: 'invalid', reason: `not one of ${reading.requests} requests was answered well` }
  return {
    verdict: 'pass',
    reason: `${reading.requests} requests, ${reading.failures} failed; no threshold was asked for`,
  }
}

function hintsFor(verdict: Verdict, evidence: ImportEvidence): readonly string[] {
  if (verdict === 'inconclusive') return ['a longer run says more']
  if (verdict !== 'invalid') return []
  return evidence.distrust.some((reason) => reason.startsWith('whether it ran')) ? ['--exit-code N', '--planned 5m'] : []
}
