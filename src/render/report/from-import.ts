// The report of what another tool measured: run by us or brought as a file. How well that tool kept its schedule is not
// known, and the page does not say that it did.
import type { ImportDocument, LoadDocument } from '../../domain/document.ts'
import type { ImportEvidence } from '../../domain/evidence.ts'
import type { ReportData } from '../../domain/report.ts'
import { slowAbove } from './from-slices.ts'

export type ImportAbout = {
  /** `load checkout`, `import`. */
  readonly title: string
  readonly id: string
  readonly at: string
  readonly rollgate: string
  /** Words after `rollgate` that do it again, without secrets. */
  readonly words: readonly string[]
}

type Document = Pick<
  ImportDocument | LoadDocument,
  'verdict' | 'reason' | 'clauses' | 'targets' | 'validity' | 'warnings' | 'measuredMs' | 'source' | 'evidence'
>

export function reportOfImport(document: Document, evidence: ImportEvidence, about: ImportAbout): ReportData {
  const { verdict, reason, clauses, targets, validity, warnings, measuredMs, source } = document
  const { format, level, capabilities, slices } = evidence
  const { title, id, at, rollgate, words } = about
  const facts = [
    { label: 'measured by', value: `${format}, level ${level}: ${LEVELS[level]}` },
    ...(capabilities.isClosedModel ? [{ label: 'model', value: 'closed: stalls are under-reported' }] : []),
    ...(capabilities.hidesRetries ? [{ label: 'careful', value: 'retried failures do not show' }] : []),
    ...(source === undefined || source.files.length === 0 ? [] : [{ label: 'files', value: source.files.join(', ') }]),
    ...(source === undefined || source.exitCode === null ? [] : [{ label: 'the tool ended with', value: String(source.exitCode) }]),
  ]
  return {
    ...{ version: 1, kind: 'load', title, name: title, id, at, durationMs: measuredMs ?? 0, verdict, sentence: reason, rollgate, facts },
    reproduce: [
      ['rollgate', ...words].join(' '),
      ...(document.evidence === null ? [] : [`rollgate report ${id}   (this page, from the stored evidence)`]),
    ],
    measurements: [
      {
        ...{ name: title, where: null, verdict, reason, clauses, targets, slices, warnings },
        arms: capabilities.hasArms ? { canary: ['canary'], old: ['baseline'] } : { canary: targets.map((target) => target.name), old: [] },
        ...{ samples: [], markers: [], look: null, stoppedBy: null, discarded: [], facts: [], timed: 'tool' },
        slowAboveMs: slowAbove(evidence.clauses, null),
        ...{ measuredSeconds: Math.round((measuredMs ?? 0) / 1_000), counted: null, cold: null, capacity: null, startedAt: null },
        validity: { ...validity, maskedSeconds: 0 },
      },
    ],
    rollout: null,
  }
}

const LEVELS = { A: 'every request with its time', B: 'by interval, or a histogram', C: 'totals only' } as const
