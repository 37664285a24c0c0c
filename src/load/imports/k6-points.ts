// k6's points (`--out json`, `--out csv`): each request with its time, so everything can be asked. Careful about three
// things: the time of a point is the end of its request; a request whose connection was lost is sent again without a word
// unless connections are not reused; what had no virtual user free was never sent, and k6 exits 0 all the same.
import type { FailureClass } from '../../domain/slice.ts'
import { type CsvRow, csvRows, numberIn } from './csv.ts'
import { type Input, linesOf } from './input.ts'
import { at, numberAt, textAt } from './json.ts'
import { EVERY_REQUEST, type Reading, readingOf, UnreadableError } from './reading.ts'
import { createRows, type ImportArm, type Rows } from './rows.ts'

type Point = {
  readonly metric: string
  readonly at: number
  readonly value: number
  readonly tag: (name: string) => string | undefined
}

const WANTED = ['http_req_duration', 'http_req_connecting', 'dropped_iterations', 'checks'] as const
/** At most so much may be dropped: our own generator is held to the same. */
const MOST_DROPPED = 0.02

type Seen = {
  readonly rows: Rows
  requests: number
  connecting: number
  reused: number
  dropped: number
  untagged: number
  /** Of the `check()` that is being read: its points stand together and have different names. */
  call: { readonly names: Set<string>; hasFailed: boolean } | null
}

export async function readK6Json(inputs: readonly Input[]): Promise<Reading> {
  const seen = start()
  for (const input of inputs) {
    seen.call = null
    for await (const lines of linesOf(input)) {
      for (const line of lines) {
        if (!WANTED.some((name) => line.includes(`"${name}"`))) {
          if (line !== '') seen.call = null
          continue
        }
        const point = jsonPoint(line)
        if (point === 'bad') seen.rows.bad()
        else if (point !== null) take(seen, point)
      }
    }
  }
  return finish(seen, inputs)
}

export async function readK6Csv(inputs: readonly Input[]): Promise<Reading> {
  const seen = start()
  for (const input of inputs) {
    let columns: Readonly<Record<string, number>> | null = null
    for await (const rows of csvRows(input, ',')) {
      for (const row of rows) {
        if (columns === null) {
          columns = Object.fromEntries(row.map((name, index) => [name, index]))
          for (const name of ['metric_name', 'timestamp', 'metric_value'])
            if (columns[name] === undefined) throw new UnreadableError(`its column ${name} is missing`)
          continue
        }
        csvPoint(seen, row, columns)
      }
    }
  }
  return finish(seen, inputs, ['times of whole seconds: the order within a second is not known'])
}

function start(): Seen {
  return { rows: createRows(), requests: 0, connecting: 0, reused: 0, dropped: 0, untagged: 0, call: null }
}

function jsonPoint(line: string): Point | 'bad' | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return 'bad'
  }
  if (textAt(parsed, 'type') !== 'Point') return null
  const metric = textAt(parsed, 'metric')
  const value = numberAt(parsed, 'data', 'value')
  const time = Date.parse(textAt(parsed, 'data', 'time') ?? '')
  if (metric === null || value === null || Number.isNaN(time)) return 'bad'
  const tags = at(parsed, 'data', 'tags')
  return { metric, value, at: time, tag: (name) => textAt(tags, name) ?? undefined }
}

function csvPoint(seen: Seen, row: CsvRow, columns: Readonly<Record<string, number>>): void {
  const field = (name: string): string | undefined => {
    const column = columns[name]
    return column === undefined ? undefined : row[column]
  }
  const metric = field('metric_name') ?? ''
  if (!WANTED.some((name) => name === metric)) {
    seen.call = null
    return
  }
  const [time, value] = [numberIn(field('timestamp')), numberIn(field('metric_value'))]
  if (row.length !== Object.keys(columns).length || Number.isNaN(time) || Number.isNaN(value)) {
    seen.rows.bad()
    return
  }
  const extra = new URLSearchParams(field('extra_tags') ?? '')
  take(seen, {
    metric,
    value,
    at: epochMs(time),
    tag: (name) => (columns[name] === undefined ? (extra.get(name) ?? undefined) : field(name)),
  })
}

/** CSV_TIME_FORMAT may say seconds, or finer. */
const epochMs = (time: number): number => (time > 1e17 ? time / 1e6 : time > 1e14 ? time / 1e3 : time > 1e11 ? time : time * 1e3)

function take(seen: Seen, point: Point): void {
  if (point.metric === 'checks') {
    takeCheck(seen, point)
    return
  }
  seen.call = null
  if (/^::(setup|teardown)/.test(point.tag('group') ?? '')) return
  const arm = armOf(point.tag('arm'))
  if (point.metric === 'dropped_iterations') {
    seen.dropped += point.value
    seen.rows.shed(point.at, arm, point.value)
  } else if (point.metric === 'http_req_connecting') {
    seen.connecting += 1
    if (point.value === 0) seen.reused += 1
  } else {
    const status = Number(point.tag('status') ?? Number.NaN)
    const expected = point.tag('expected_response')
    if (expected === undefined && Number.isNaN(status)) seen.untagged += 1
    seen.requests += 1
    seen.rows.add({ at: point.at - point.value, ms: point.value, failure: failureOf(point, status, expected), arm, status })
  }
}

function takeCheck(seen: Seen, point: Point): void {
  const name = point.tag('check') ?? ''
  if (seen.call === null || seen.call.names.has(name)) seen.call = { names: new Set(), hasFailed: false }
  seen.call.names.add(name)
  if (point.value !== 0 || seen.call.hasFailed) return
  seen.call.hasFailed = true
  seen.rows.failedCheck(point.at, armOf(point.tag('arm')))
}

export function armOf(label: string | undefined): ImportArm | null {
  return label === 'canary' || label === 'baseline' ? label : null
}

function failureOf(point: Point, status: number, expected: string | undefined): FailureClass | null {
  const code = Number(point.tag('error_code') || 0)
  if (status === 0 || (Number.isNaN(status) && code > 0 && code < 1400)) return transportFailure(code)
  if (expected === 'false' || (expected === undefined && status >= 400))
    return code >= 1000 && code < 1400 ? transportFailure(code) : 'status'
  return null
}

/** k6's own numbers of errors. */
function transportFailure(code: number): FailureClass {
  if (code === 1050) return 'first-byte-timeout'
  if (code >= 1100 && code < 1200) return 'dns'
  if (code === 1211) return 'connect-timeout'
  if (code === 1212) return 'refused'
  if (code === 1220) return 'reset'
  if (code >= 1300 && code < 1400) return 'tls'
  if (code >= 1600 && code < 1700) return 'protocol'
  return 'other'
}

function finish(seen: Seen, inputs: readonly Input[], notes: readonly string[] = []): Reading {
  const { slices, requests, failures, measuredMs, hasArms, checks, bad } = seen.rows.finish()
  const due = seen.requests + seen.dropped
  const isPaced = seen.dropped > 0
  const distrust = [
    ...new Set(inputs.flatMap((input) => (input.damage === null ? [] : [`the file is truncated: ${input.damage}`]))),
    ...(bad > 0 ? [`${bad} lines of it cannot be read`] : []),
    ...(seen.dropped > MOST_DROPPED * due
      ? [`k6 dropped ${seen.dropped} of ${due} iterations: it had no virtual user free, so the load was not the one that was asked for`]
      : []),
  ]
  const warnings = [
    ...notes,
    ...(seen.dropped > 0 && seen.dropped <= MOST_DROPPED * due
      ? [`k6 dropped ${seen.dropped} iterations: they count as failed (shed)`]
      : []),
    ...(checks > 0 ? [`checks of k6 did not hold for ${checks} good answers: they count as failed`] : []),
    ...(isPaced ? [] : [K6_MODEL_UNKNOWN]),
  ]
  return readingOf({
    ...{ level: 'A', slices, requests, failures, measuredMs, distrust, warnings },
    capabilities: {
      ...EVERY_REQUEST,
      hasArms,
      canCountErrors: seen.untagged === 0,
      knowsOffered: isPaced,
      isClosedModel: false,
      hidesRetries: !(seen.connecting > 0 && seen.reused === 0),
    },
  })
}

export const K6_MODEL_UNKNOWN =
  'k6 does not say whether an arrival rate or a loop of virtual users sent this: from a loop, stalls are under-reported in the tail'
