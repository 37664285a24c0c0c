// What to do about a gate that was measured by hand and did not pass: it depends on what the gate rests on. A missing
// command is no load test, and nobody who did not answer is helped by more data. Pure.
import type { ErrorInfo } from '../../domain/error.ts'
import type { CommandEvidence, ImportEvidence, RequestEvidence } from '../../domain/evidence.ts'
import type { GateRecord, GateSettings } from '../../domain/gate.ts'
import { answersOf } from '../../domain/slice.ts'
import { quote } from '../../util/shell.ts'

export type Advice = Pick<ErrorInfo, 'why'> & { readonly hints: readonly string[] }

/** Of E_PAUSED, where no rollout waits for anybody. */
export const NOT_ENOUGH = 'the data are good, and not enough to say'

const SELFTEST = 'rollgate load selftest   (what this machine can send)'

/** @param record of a verdict that is not a pass */
export function adviceFor(gate: Pick<GateSettings, 'name' | 'source'>, { evidence, report }: GateRecord): Advice {
  if (report.verdict === 'inconclusive') return moreNeeded(gate)
  if (report.verdict !== 'invalid') return { hints: [] }
  switch (evidence.kind) {
    case 'requests':
      return { hints: requestHints(gate.name, evidence) }
    case 'import':
      return importAdvice(gate.source, evidence)
    case 'command':
      return { why: 'a command that did not come to its own end has said neither yes nor no', hints: [commandHint(evidence)] }
    case 'prometheus':
      return {
        why: 'without a fresh number there is nothing to judge',
        hints: [
          `ask the query by hand${gate.source.kind === 'prometheus' ? ` at ${originOf(gate.source.url)}` : ''}: does it answer a series?`,
        ],
      }
    case 'approval':
      return { why: 'nobody said yes or no', hints: ['run it where somebody can be asked'] }
    default:
      return evidence satisfies never
  }
}

function moreNeeded({ name, source }: Pick<GateSettings, 'name' | 'source'>): Advice {
  switch (source.kind) {
    case 'approval':
      return { why: 'nobody said yes or no', hints: ['run it on a terminal: --yes does not answer', 'in a rollout: rollgate promote'] }
    case 'prometheus':
      return {
        why: 'the query answered no series, and on_empty calls that inconclusive',
        hints: ['`or vector(0)` in the query says that nothing is zero'],
      }
    case 'import':
      return { why: NOT_ENOUGH, hints: ['a longer run of the tool says more'] }
    case 'load':
    case 'command':
      return { why: NOT_ENOUGH, hints: [`rollgate gate plan ${name}   (what each clause needs)`] }
    default:
      return source satisfies never
  }
}

/** Whoever never answered is not helped by a faster machine. */
function requestHints(name: string, { plan, slices }: RequestEvidence): readonly string[] {
  if (slices.length === 0) {
    const isSlowUnknown = plan.clauses.some(({ metric }) => metric.kind === 'slow' && metric.aboveMs === null)
    const calibrate = isSlowUnknown ? [`rollgate gate calibrate ${name}, or say \`above: 300ms\``] : []
    return [...calibrate, 'rollgate check   (says what stands in the way, host by host)']
  }
  const silent = [...plan.arms.canary, ...plan.arms.old].filter((target) =>
    slices.every((slice) => slice.target !== target || answersOf(slice) === 0),
  )
  return silent.length > 0 ? [`is the app of ${silent.join(', ')} up, and does its port answer? rollgate check`] : [SELFTEST]
}

function importAdvice(source: GateSettings['source'], { format, distrust }: ImportEvidence): Advice {
  if (source.kind !== 'import')
    return { why: `${format} has given no result that can be judged`, hints: [`run ${format} by hand, and look at what it says`] }
  const file = `rollgate load import ${quote(source.path)} --format ${format}   (says what it holds)`
  const isEndKnown = source.plannedMs !== undefined || source.exitCodePath !== undefined
  return {
    why: 'a result that is not known to be whole is no evidence',
    hints:
      distrust.length === 0 || isEndKnown
        ? [file]
        : ['`planned: 5m` or `exit_code: FILE` in the import shows that the run came to its end', file],
  }
}

function commandHint({ how, exitCode, run }: CommandEvidence): string {
  if (how === 'timeout') return '`command: { run: …, timeout: 20m }` gives it more time'
  const isMissing = how === 'not-found' || exitCode === 126 || exitCode === 127
  const what = run.length > 80 ? 'the command' : run
  return isMissing ? `is it there, executable and on the PATH of this shell? ${what}` : `run it by hand: ${what}`
}

/** Whatever stands behind the name may hold a token. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'the metrics server'
}
