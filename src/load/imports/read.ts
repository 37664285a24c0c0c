// The results of another tool's run → evidence for a gate. One reader for each kind of file; files of one run are read
// together. Careful about what may be added up: requests and histograms may, quantiles never; and about the end of a run:
// without evidence that it was reached, nobody knows what is missing, and the verdict is INVALID.
import { readFile } from 'node:fs/promises'
import type { Clause } from '../../domain/clause.ts'
import { RollgateError } from '../../domain/error.ts'
import type { ImportEvidence } from '../../domain/evidence.ts'
import type { Confidence, GateSource } from '../../domain/gate.ts'
import { readArtillery } from './artillery.ts'
import { readAutocannon } from './autocannon-json.ts'
import { kindOf, toolOf } from './detect.ts'
import { exitAgainst, zeroIsWhole } from './exits.ts'
import { readFortio } from './fortio.ts'
import { readGatling } from './gatling.ts'
import { readHey } from './hey.ts'
import { type Input, openInput } from './input.ts'
import { readJmeterCsv } from './jmeter.ts'
import { readJmeterXml } from './jmeter-xml.ts'
import { readK6Csv, readK6Json } from './k6-points.ts'
import { readK6Summary } from './k6-summary.ts'
import { readLocustJson } from './locust.ts'
import { type LocustLog, locustAgainst, readLocustHistory, readLocustLog, readLocustStats } from './locust-csv.ts'
import { readOha } from './oha.ts'
import { EVERY_REQUEST, type ImportKind, type ImportTool, type Reading, readingOf, UnreadableError } from './reading.ts'
import { readVegetaCsv, readVegetaJson, readVegetaReport } from './vegeta.ts'
import { readWrk } from './wrk.ts'

export type ImportSource = {
  /** Files of one run. */
  readonly paths: readonly string[]
  /** The tool; without it: seen by the files. */
  readonly format?: string
  /** As the tool ended; negative, or null: by a signal. */
  readonly exitCode?: number | null
  /** How long it was to run. */
  readonly plannedMs?: number
  /** We started it and know: its arrivals did not wait for answers. */
  readonly isOpenModel?: boolean
}

export type ImportAsked = { readonly clauses: readonly Clause[]; readonly confidence: Confidence; readonly signal?: AbortSignal }

export type ImportRead = { readonly evidence: ImportEvidence; readonly reading: Reading; readonly kinds: readonly (ImportKind | null)[] }

/** What a gate wants. Whatever is wrong with the files is in `distrust`: a file that cannot be read makes a gate INVALID. */
export async function readImport(source: ImportSource, asked: ImportAsked): Promise<ImportEvidence> {
  return (await readImports(source, asked)).evidence
}

/** The source of a gate of kind `import`. */
export async function readGateImport(
  source: Extract<GateSource, { readonly kind: 'import' }>,
  asked: ImportAsked,
): Promise<ImportEvidence> {
  const { format, path, plannedMs, exitCodePath } = source
  const code = exitCodePath === undefined ? undefined : await exitCodeIn(exitCodePath)
  const evidence = await readImport(
    {
      ...{ paths: [path], format },
      ...(plannedMs === undefined ? {} : { plannedMs }),
      ...(typeof code === 'number' ? { exitCode: code } : {}),
    },
    asked,
  )
  return typeof code === 'string' ? { ...evidence, distrust: [...evidence.distrust, code] } : evidence
}

/** @returns in words what is wrong with it */
async function exitCodeIn(path: string): Promise<number | string> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return `${nameOf(path)}: the exit code cannot be read`
  const code = /^\s*(\d{1,3})\s*$/.exec(text.slice(0, 100))?.[1]
  return code === undefined ? `${nameOf(path)}: holds no exit code` : Number(code)
}

/** With what was found, for people. @throws RollgateError E_CANCELLED */
export async function readImports(source: ImportSource, asked: ImportAsked): Promise<ImportRead> {
  const kinds: (ImportKind | null)[] = []
  let tool: ImportTool | null = null
  let reading: Reading
  try {
    const files: { readonly input: Input; readonly kind: ImportKind }[] = []
    for (const path of source.paths) {
      const input = await about(path, () => openInput(path, asked.signal))
      const kind = await about(path, () => kindOf(input))
      kinds.push(kind)
      if (kind === null)
        throw new UnreadableError(
          `${nameOf(path)}: ${input.bytes === 0 ? 'it is empty' : 'nobody knows this format'}${source.format === undefined ? '' : `; it is none of ${source.format}’s`}`,
        )
      if (source.format !== undefined && toolOf(kind) !== source.format)
        throw new UnreadableError(`${nameOf(path)}: it looks like a file of ${toolOf(kind)}, not of ${source.format}`)
      files.push({ input, kind })
    }
    tool = files[0] === undefined ? null : toolOf(files[0].kind)
    reading = await readTogether(files)
  } catch (error) {
    if (asked.signal?.aborted === true) throw new RollgateError('E_CANCELLED', 'interrupted while a result was read', { cause: error })
    if (!(error instanceof UnreadableError)) throw error
    reading = readingOf({ level: 'C', capabilities: { ...EVERY_REQUEST, quantiles: null }, distrust: [error.message] })
  }
  const evidence: ImportEvidence = {
    kind: 'import',
    format: tool ?? source.format ?? 'unknown',
    level: reading.level,
    clauses: asked.clauses,
    confidence: asked.confidence,
    slices: reading.slices,
    totals: reading.totals,
    capabilities:
      source.isOpenModel === true ? { ...reading.capabilities, isClosedModel: false, knowsOffered: true } : reading.capabilities,
    distrust: [...reading.distrust, ...(tool === null || reading.requests === 0 ? [] : endingDoubts(tool, reading, source))],
    warnings: reading.warnings,
  }
  return { evidence, reading, kinds }
}

/** Why it is not known, or known not to be so, that the run came to its end. */
function endingDoubts(
  tool: ImportTool,
  { measuredMs, plannedMs, ranToItsEnd, failures, distrust }: Reading,
  source: ImportSource,
): readonly string[] {
  const { exitCode } = source
  const doubts: string[] = []
  if (exitCode === null || (exitCode !== undefined && exitCode < 0)) doubts.push(`${tool} was ended by a signal`)
  else if (exitCode !== undefined) {
    const against = exitAgainst(tool, exitCode, failures)
    if (against !== null) doubts.push(against)
  }
  const planned = source.plannedMs ?? plannedMs
  const isNear = planned !== null && measuredMs !== null && measuredMs >= planned - Math.max(2_000, 0.05 * planned)
  if (planned !== null && measuredMs !== null && !isNear)
    doubts.push(`it ended after ${seconds(measuredMs)} of ${seconds(planned)} that were planned`)
  const isKnown = isNear || ranToItsEnd !== null || (exitCode === 0 && zeroIsWhole(tool))
  if (!isKnown && doubts.length === 0 && distrust.length === 0)
    doubts.push(
      exitCode === 0
        ? `whether it ran to its end is not known: ${tool} exits 0 after an interrupt too; say how long it was to run (--planned)`
        : 'whether it ran to its end is not known: give its exit code (--exit-code) or how long it was to run (--planned)',
    )
  return doubts
}

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(1))} s`

type File = { readonly input: Input; readonly kind: ImportKind }

/** Kinds whose files may be added up: they hold requests. */
const ADDABLE: readonly ImportKind[] = ['k6 json', 'k6 csv', 'jmeter csv', 'jmeter xml', 'vegeta json', 'vegeta csv', 'hey csv']

async function readTogether(files: readonly File[]): Promise<Reading> {
  const [first] = files
  if (first === undefined) throw new UnreadableError('there is no file')
  const tools = [...new Set(files.map((file) => toolOf(file.kind)))]
  if (tools.length > 1) throw new UnreadableError(`the files are of several tools (${tools.join(', ')}): one run at a time`)
  const of = (kind: ImportKind): readonly Input[] => files.filter((file) => file.kind === kind).map((file) => file.input)
  if (toolOf(first.kind) === 'locust') return readLocust(of)
  if (toolOf(first.kind) === 'oha')
    return readOha(
      single(of('oha json')),
      of('oha csv').length > 0 ? of('oha csv') : single(of('oha sqlite')),
      of('oha csv').length > 0 ? 'csv' : 'sqlite',
    )
  const kinds = [...new Set(files.map((file) => file.kind))]
  // k6's summary beside its points says whether its thresholds held.
  if (first.kind.startsWith('k6') && kinds.length === 2 && kinds.includes('k6 summary')) {
    const points = await readOne(
      kinds.find((kind) => kind !== 'k6 summary') ?? first.kind,
      files.filter((file) => file.kind !== 'k6 summary').map((file) => file.input),
    )
    const summary = await readK6Summary(single(of('k6 summary')))
    return { ...points, distrust: [...points.distrust, ...summary.distrust.filter((reason) => reason.includes('threshold'))] }
  }
  if (kinds.length > 1) throw new UnreadableError(`${kinds.join(' and ')} of one run say the same twice: give one of them`)
  if (files.length > 1 && !ADDABLE.includes(first.kind))
    throw new UnreadableError(
      `${files.length} files of totals (${first.kind}): quantiles cannot be added up; give files that hold every request`,
    )
  return readOne(
    first.kind,
    files.map((file) => file.input),
  )
}

function single(inputs: readonly Input[]): readonly Input[] {
  if (inputs.length > 1) throw new UnreadableError('several files of totals: quantiles cannot be added up')
  return inputs
}

async function readOne(kind: ImportKind, inputs: readonly Input[]): Promise<Reading> {
  return about(inputs.map((input) => nameOf(input.path)).join(' and '), () => {
    switch (kind) {
      case 'k6 json':
        return readK6Json(inputs)
      case 'k6 csv':
        return readK6Csv(inputs)
      case 'k6 summary':
        return readK6Summary(inputs)
      case 'jmeter csv':
        return readJmeterCsv(inputs)
      case 'jmeter xml':
        return readJmeterXml(inputs)
      case 'vegeta report':
        return readVegetaReport(inputs)
      case 'vegeta json':
        return readVegetaJson(inputs)
      case 'vegeta csv':
        return readVegetaCsv(inputs)
      case 'artillery json':
        return readArtillery(inputs)
      case 'fortio json':
        return readFortio(inputs)
      case 'wrk text':
        return readWrk(inputs)
      case 'hey csv':
        return readHey(inputs)
      case 'gatling stats':
        return readGatling(inputs)
      case 'autocannon json':
        return readAutocannon(inputs)
      case 'locust json':
      case 'locust stats':
      case 'locust history':
      case 'locust failures':
      case 'locust exceptions':
      case 'locust log':
      case 'oha json':
      case 'oha csv':
      case 'oha sqlite':
        throw new UnreadableError('files of this tool are read together')
      default:
        return kind satisfies never
    }
  })
}

async function readLocust(of: (kind: ImportKind) => readonly Input[]): Promise<Reading> {
  const [json, stats, history] = [single(of('locust json')), single(of('locust stats')), single(of('locust history'))]
  const main =
    json.length > 0
      ? await about(nameOf(json[0]?.path ?? ''), () => readLocustJson(json))
      : stats.length > 0
        ? await about(nameOf(stats[0]?.path ?? ''), () => readLocustStats(stats))
        : history.length > 0
          ? await about(nameOf(history[0]?.path ?? ''), () => readLocustHistory(history))
          : null
  if (main === null) throw new UnreadableError('these files of Locust hold no requests: give its --json-file')
  const log: LocustLog = await readLocustLog(of('locust log'))
  const course = history.length > 0 ? await readLocustHistory(history) : null
  return {
    ...main,
    plannedMs: log.plannedMs,
    ranToItsEnd: log.ranToItsEnd,
    distrust: [
      ...new Set([...main.distrust, ...(course?.distrust ?? []), ...log.distrust, ...(await locustAgainst(of('locust exceptions')))]),
    ],
  }
}

/** Names the file in whatever is wrong with it. */
async function about<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof UnreadableError)
      throw new UnreadableError(error.message.startsWith(nameOf(path)) ? error.message : `${nameOf(path)}: ${error.message}`)
    throw error
  }
}

function nameOf(path: string): string {
  return path.split('/').at(-1) ?? path
}
