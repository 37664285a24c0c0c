// Where a report goes besides the screen. Shared by everything that measures.
import type { AppContext } from '../app/context.ts'
import type { ReportOptions } from '../app/reports.ts'
import type { PlanDocument, RolloutDocument } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { given } from './flags.ts'
import { Flags } from './oclif.ts'

export const reportFlags = {
  report: Flags.string({
    helpValue: 'DIR',
    description:
      'Write report.html, report.json, junit.xml, summary.md, metrics.prom, slices.ndjson and histograms (response.hlog, .hgrm) into this folder',
  }),
  metrics: Flags.string({ helpValue: 'FILE', description: 'Write metrics for the node exporter into this file' }),
  'push-gateway': Flags.string({ helpValue: 'URL', description: 'Push metrics to this Prometheus push gateway' }),
  'inconclusive-as': Flags.string({
    helpValue: 'HOW',
    options: ['skipped', 'failure'],
    description: 'In junit.xml: what a clause is that cannot say [skipped]',
  }),
}

export type ReportFlags = {
  readonly report?: string | undefined
  readonly metrics?: string | undefined
  readonly 'push-gateway'?: string | undefined
  readonly 'inconclusive-as'?: string | undefined
}

export function reportOptions(flags: ReportFlags): ReportOptions {
  const how = flags['inconclusive-as']
  return {
    ...given({ report: flags.report, metrics: flags.metrics, pushGateway: flags['push-gateway'] }),
    ...(how === 'skipped' || how === 'failure' ? { inconclusiveAs: how } : {}),
  }
}

/** A rollout that is kept, and written where it was asked for. @throws RollgateError E_USAGE where there will be nothing to report */
export function reported<D extends RolloutDocument | PlanDocument>(
  flags: ReportFlags & { readonly 'dry-run'?: boolean },
  work: (context: AppContext) => Promise<D>,
): (context: AppContext) => Promise<D> {
  const options = reportOptions(flags)
  if (flags['dry-run'] === true && Object.keys(options).length > 0)
    throw new RollgateError('E_USAGE', 'a plan measures nothing: there is nothing to report with --dry-run')
  return async (context) => (await import('../app/rollout-report.ts')).withReport(options, context, () => work(context))
}
