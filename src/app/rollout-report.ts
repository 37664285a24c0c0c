// A rollout with its report: whatever it did and however it ended, its document is kept beside its journal, and what was
// asked for is written.
import type { PlanDocument, RolloutDocument } from '../domain/document.ts'
import { readJournal } from '../journal/file.ts'
import type { AppContext } from './context.ts'
import { checkReports, type ReportOptions, writeReports } from './reports.ts'
import { findRollout, gatesOf, keepRollout, rolloutReport } from './rollout-record.ts'
import { createTelling } from './telling.ts'

/** @throws RollgateError E_USAGE when a report could not be written, before anything is done; whatever `work` throws */
export async function withReport<D extends RolloutDocument | PlanDocument>(
  options: ReportOptions,
  context: AppContext,
  work: () => Promise<D>,
): Promise<D> {
  await checkReports(options, context)
  const document = await work()
  if (!('minReadySeen' in document)) return document
  const { rollout } = document
  const kept = rollout === null ? null : await findRollout(context.env, rollout)
  if (kept !== null) await keepRollout(kept, document)
  const isWanted = options.report !== undefined || options.metrics !== undefined || options.pushGateway !== undefined
  if (!isWanted && document.gates.length === 0) return document
  const events = kept === null ? [] : await readJournal(kept.folder, kept.id).catch(() => [])
  const { emit } = createTelling(rollout ?? document.command, context.renderers, () => new Date())
  const gates = kept === null ? [] : await gatesOf(kept, events, context.env)
  await writeReports({ data: rolloutReport(document, events, gates, context.version), document, options }, context, emit)
  return document
}
