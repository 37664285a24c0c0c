// What follows from a verdict (load-and-gates.md, 3.4): measure again, measure longer, go on, stop or wait. Pure. Repeats
// re-measure, they never re-roll the dice: only INVALID is measured afresh (and the old data are discarded and reported),
// only INCONCLUSIVE is given more time (and the data accumulate), and a FAIL is the end.
import type { GateVerdict } from '../domain/event.ts'
import type { GateReport, GateSettings } from '../domain/gate.ts'

export type Course = {
  /** Reports of measurements that were thrown away. */
  readonly discarded: readonly { readonly verdict: GateVerdict; readonly reason: string }[]
  /** How often the end of the present measurement was moved. */
  readonly extensions: number
}

export const STARTED: Course = { discarded: [], extensions: 0 }

export type Next =
  /** New data from the first second on; what was measured does not count. */
  | { readonly kind: 'afresh'; readonly course: Course; readonly because: string }
  /** Go on measuring, with everything so far. */
  | { readonly kind: 'longer'; readonly course: Course; readonly because: string }
  | { readonly kind: 'promote'; readonly because: string }
  | { readonly kind: 'stop'; readonly because: string }
  | { readonly kind: 'pause'; readonly because: string }

type Policy = Pick<GateSettings, 'onInconclusive' | 'onInvalid'> & { readonly source: Pick<GateSettings['source'], 'kind'> }

/** Its brake was pulled: whatever is not sure of it, the service is not loaded again. */
type Said = Pick<GateReport, 'verdict' | 'reason'> & { readonly isBraked?: boolean }

export function nextOf(settings: Policy, course: Course, report: Said): Next {
  const because = report.reason
  switch (report.verdict) {
    case 'pass':
      return { kind: 'promote', because }
    case 'fail':
      return { kind: 'stop', because }
    case 'inconclusive': {
      const { extend, otherwise } = settings.onInconclusive
      // Only a load accumulates: asking a person or a query again is another question.
      if (settings.source.kind === 'load' && course.extensions < extend) {
        return { kind: 'longer', course: { ...course, extensions: course.extensions + 1 }, because }
      }
      if (otherwise === 'pass') return { kind: 'promote', because }
      return { kind: otherwise === 'fail' ? 'stop' : 'pause', because }
    }
    case 'invalid': {
      const { retry, otherwise } = settings.onInvalid
      const invalid = course.discarded.length
      if (invalid < retry && report.isBraked !== true && canRepeat(settings.source.kind)) {
        return {
          kind: 'afresh',
          course: { discarded: [...course.discarded, { verdict: report.verdict, reason: report.reason }], extensions: 0 },
          because,
        }
      }
      return { kind: otherwise === 'pause' ? 'pause' : 'stop', because }
    }
    default:
      return report.verdict satisfies never
  }
}

/** A file says the same again, and a person who did not answer is asked by the next command. */
function canRepeat(kind: GateSettings['source']['kind']): boolean {
  return kind === 'load' || kind === 'prometheus' || kind === 'command'
}
