// Clauses as the command line gives them (`--threshold`). Careful to refuse before anything is sent what no load test could
// ever answer, with a fix that can be said on the command line.
import type { Clause } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import { RollgateError } from '../domain/error.ts'
import type { LoadSettings } from '../domain/load.ts'
import { whyUnanswerable } from '../gate/answerable.ts'

/** @throws RollgateError E_USAGE */
export function thresholdOf(written: string): Clause {
  const parsed = parseClause(written)
  if ('clause' in parsed) return parsed.clause
  const shown = `--threshold ${JSON.stringify(written)}`
  // What slow is (`above`) only a file can say; the share of slow ones is a quantile turned round.
  const share = /^\s*slow\s*<=?\s*(\d+(?:\.\d+)?)\s*%/.exec(written)?.[1]
  if (share !== undefined && Number(share) > 0 && Number(share) < 100)
    throw new RollgateError('E_USAGE', `${shown}: slow is what? A threshold has no \`above\`, which a gate has`, {
      hints: [`--threshold "p${Number((100 - Number(share)).toPrecision(6))} < 300ms"   (fewer than ${share} % slower than 300 ms)`],
    })
  throw new RollgateError('E_USAGE', `${shown}: ${parsed.problem}`, {
    hints: [...(parsed.nearest === undefined ? [] : [`--threshold ${JSON.stringify(parsed.nearest)}`]), '--threshold "p95 < 300ms"'],
  })
}

/** Before anything is sent. @throws RollgateError E_USAGE with every reason */
export function refuseUnanswerable(clauses: readonly Clause[], model: LoadSettings['model']['kind'], compares: boolean): void {
  const of = { asking: 'load', isClosed: model === 'closed', hasBaseline: compares } as const
  const found = clauses.flatMap(
    (clause) => whyUnanswerable(clause, { ...of, hasCalibration: false, hasProbe: false, isPairAlone: false }) ?? [],
  )
  const [first, ...others] = found
  if (first === undefined) return
  throw new RollgateError('E_USAGE', `--threshold ${first.why}`, {
    now: 'nothing was sent',
    hints: [...new Set(found.map(({ fix }) => fix))],
    evidence: others.map(({ why }) => why),
  })
}
