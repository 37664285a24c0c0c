// Gates that rest on one answer: a command's exit, a person's word. Careful about everything that is not an answer: a
// command that was not found, was killed or ran out of time has not said no, and certainly not yes.

import type { GateVerdict } from '../domain/event.ts'
import type { ApprovalEvidence, CommandEvidence } from '../domain/evidence.ts'
import type { ClauseResult, GateReport } from '../domain/gate.ts'

export function judgeCommand(gate: string, evidence: CommandEvidence): GateReport {
  const { verdict, reason } = commandVerdict(evidence)
  const clause: ClauseResult = {
    ...{ id: 'exit-0', clause: 'exit = 0', mode: 'gate', source: 'command', unit: 'exit', bound: 0, look: null, verdict },
    ...{ estimate: evidence.exitCode, low: evidence.exitCode, high: evidence.exitCode, sentence: reason },
  }
  return answered(gate, verdict, reason, [clause])
}

function commandVerdict({ how, exitCode, signal, run }: CommandEvidence): { readonly verdict: GateVerdict; readonly reason: string } {
  const name = run.length > 60 ? `${run.slice(0, 59)}…` : run
  switch (how) {
    case 'not-found':
      return { verdict: 'invalid', reason: `${name}: the command was not found` }
    case 'lost':
      return { verdict: 'invalid', reason: `${name}: how it ended is not known` }
    case 'timeout':
      return { verdict: 'invalid', reason: `${name}: it did not end in time` }
    case 'ended':
      if (exitCode === null) return { verdict: 'invalid', reason: `${name}: it was ended by ${signal ?? 'a signal'}` }
      // A shell's own words for "cannot run" and "not found".
      if (exitCode === 126 || exitCode === 127)
        return { verdict: 'invalid', reason: `${name}: the command could not be run (exit ${exitCode})` }
      return { verdict: exitCode === 0 ? 'pass' : 'fail', reason: `${name}: exit ${exitCode}` }
    default:
      return how satisfies never
  }
}

export function judgeApproval(gate: string, evidence: ApprovalEvidence): GateReport {
  const by = evidence.by === null ? '' : ` by ${evidence.by}`
  const ending = {
    yes: { verdict: 'pass', reason: `approved${by}: ${evidence.question}` },
    no: { verdict: 'fail', reason: `not approved${by}: ${evidence.question}` },
    unanswered: { verdict: 'inconclusive', reason: `nobody answered: ${evidence.question}` },
  } as const satisfies Record<ApprovalEvidence['answer'], { verdict: GateVerdict; reason: string }>
  const { verdict, reason } = ending[evidence.answer]
  const clause: ClauseResult = {
    ...{
      id: 'approval',
      clause: evidence.question,
      mode: 'gate',
      source: 'approval',
      unit: 'count',
      estimate: null,
      low: null,
      high: null,
    },
    ...{ bound: null, look: null, verdict, sentence: reason },
  }
  return answered(gate, verdict, reason, [clause])
}

/** A report without requests. */
export function answered(
  gate: string,
  verdict: GateVerdict,
  reason: string,
  clauses: readonly ClauseResult[],
  more: { readonly distrust?: readonly string[]; readonly warnings?: readonly string[] } = {},
): GateReport {
  return {
    ...{
      gate,
      verdict,
      reason,
      clauses,
      stoppedBy: verdict === 'invalid' ? 'distrust' : 'end',
      look: null,
      targets: [],
      warnings: more.warnings ?? [],
    },
    validity: { sendLagP99Ms: null, cpu: null, maskedSeconds: 0, reasons: more.distrust ?? [] },
  }
}
