// wrk and wrk2: what they print. Units change from line to line. Careful about what is not printed: no line about errors means
// none, unless not one request was answered; a request above the time limit is in the counts and in no latency.
import { documentOf, type Input } from './input.ts'
import { quantileKey, type Reading, readingOf, totalsCan, UnreadableError } from './reading.ts'

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

export async function readWrk(inputs: readonly Input[]): Promise<Reading> {
  const [input] = inputs
  if (input === undefined) throw new UnreadableError('there is no file')
  const text = await documentOf(input)
  const ended = /^ *(\d+) requests in ([\d.]+)(us|ms|s|m|h),/m.exec(text)
  if (ended === null) throw new UnreadableError('its line "N requests in T" is missing')
  const planned = /^Running ([\d.]+)(s|m|h) test/m.exec(text)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  const [connect = 0, read = 0, write = 0, late = 0] = (errors ?? []).slice(1).map(Number)
  const badAnswers = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  const answered = Number(ended[1])
  const quantilesMs: Record<string, number> = {}
  for (const [, percent = '', value = '', unit = ''] of text.matchAll(/^ +(\d+(?:\.\d+)?)% +([\d.]+)(us|ms|s|m|h) *$/gm))
    if (Number(percent) < 100) quantilesMs[quantileKey(Number(percent))] = Number(value) * (UNITS[unit] ?? Number.NaN)
  const max = /^ +Latency +\S+ +\S+ +([\d.]+)(us|ms|s|m|h)/m.exec(text)
  const seconds = msOf(ended[2], ended[3]) / 1000
  const lost = connect + read + write
  const hasTable = /Detailed Percentile spectrum/.test(text)
  return readingOf({
    level: 'C',
    totals: {
      ...{ requests: answered + lost, failures: Math.min(answered + lost, lost + badAnswers + late), seconds, offered: null, quantilesMs },
      maxMs: max === null || answered === 0 ? null : msOf(max[1], max[2]),
    },
    ...{ measuredMs: seconds * 1000, plannedMs: planned === null ? null : msOf(planned[1], planned[2]) },
    // Of a run in which many were too late, the printed times are those of the others.
    capabilities: totalsCan(quantilesMs, { canMeasureLatency: late === 0 || late <= 0.0005 * answered, isClosedModel: !hasTable }),
    distrust: answered === 0 ? ['not one request was answered; wrk prints no error for a target that hangs'] : [],
    warnings: [
      ...(late > 0 ? [`${late} requests took longer than wrk’s time limit: they count as failed`] : []),
      ...(hasTable ? ['wrk2’s times start when a request was due'] : []),
    ],
  })
}

function msOf(value: string | undefined, unit: string | undefined): number {
  return Number(value) * (UNITS[unit ?? ''] ?? Number.NaN)
}
