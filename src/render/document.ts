// Text for stdout, made from the JSON document of a command, so that the two can never disagree. Each kind of document
// has one function; a document that carries nothing to show (only an error) is no text at all.
import type {
  BaseDocument,
  CheckItem,
  GateCalibrateDocument,
  GateExplainDocument,
  GatePlanDocument,
  LoadDocument,
  ReportDocument,
  ScenarioDocument,
  SelftestDocument,
} from '../domain/document.ts'
import { createStyle } from './style.ts'
import { checkText } from './text-check.ts'
import { type ConfigText, configText } from './text-config.ts'
import { historyText, releasesText, statusText } from './text-fleet.ts'
import { gateCalibrateText, gateExplainText, gatePlanText } from './text-gate.ts'
import { loadText, reportText, scenarioText, selftestText } from './text-load.ts'
import { type LockText, lockText } from './text-lock.ts'
import { type DemoText, demoText, handText, type InitText, initText, pushText, setupText } from './text-others.ts'
import { planText } from './text-plan.ts'
import { rolloutText } from './text-rollout.ts'
import { simulationText } from './text-simulation.ts'

export type DocumentTextOptions = { readonly color: boolean; readonly columns: number; readonly verbose: boolean }

/** The member that only this kind of document has. */
type Has<Key extends string> = BaseDocument & Readonly<Record<Key, unknown>>

function has<Key extends string>(document: BaseDocument, ...keys: readonly Key[]): document is Has<Key> {
  return keys.every((key) => key in document)
}

/** @returns lines, each ended; nothing for a document without anything of its own (exec and logs streamed theirs) */
export function renderDocument(document: BaseDocument, options: DocumentTextOptions): string {
  const lines = textOf(document, options)
  return lines.map((line) => `${line}\n`).join('')
}

function textOf(document: BaseDocument, options: DocumentTextOptions): readonly string[] {
  const style = createStyle(options.color)
  const { columns, verbose } = options
  // The casts below rest on the members just looked for: a command's name alone is not enough, because a failure has a
  // document with nothing but its error.
  if (has(document, 'batches', 'minReady', 'refusals')) {
    const plan = document as unknown as Parameters<typeof planText>[0]
    const simulated = plan.simulation === undefined ? [] : simulationText(plan.simulation, style)
    return [...planText(plan, style, { columns, verbose }), ...simulated]
  }
  if (has(document, 'verdict', 'targets', 'clauses')) return loadText(document as unknown as LoadDocument, style)
  if (has(document, 'pairs', 'hostEffect')) return gateCalibrateText(document as unknown as GateCalibrateDocument, style)
  if (document.command === 'gate plan' && has(document, 'gates')) return gatePlanText(document as unknown as GatePlanDocument, style)
  if (has(document, 'gates', 'run')) return gateExplainText(document as unknown as GateExplainDocument, style)
  if (has(document, 'scenario', 'left')) return scenarioText(document as unknown as ScenarioDocument)
  if (has(document, 'title', 'sentence', 'file')) return reportText(document as unknown as ReportDocument, style)
  if (has(document, 'ceilingPerSecond', 'steps')) return selftestText(document as unknown as SelftestDocument, style)
  if (has(document, 'hosts', 'minReadySeen', 'gates'))
    return rolloutText(document as unknown as Parameters<typeof rolloutText>[0], style, verbose)
  if (has(document, 'hosts', 'drift', 'unfinished'))
    return statusText(document as unknown as Parameters<typeof statusText>[0], style, verbose)
  if (has(document, 'hosts', 'lock', 'released')) return lockText(document as unknown as LockText, style)
  if (has(document, 'hosts', 'built')) return pushText(document as unknown as Parameters<typeof pushText>[0], style)
  if (has(document, 'text', 'written', 'items')) return initText(document as unknown as InitText, style)
  if (has(document, 'items')) return checkText(document as unknown as { readonly items: readonly CheckItem[] }, style)
  if (has(document, 'rollouts', 'directory')) return demoText(document as unknown as DemoText, style)
  if (has(document, 'rollouts')) return historyText(document as unknown as Parameters<typeof historyText>[0], style)
  if (has(document, 'host', 'changed', 'balancer')) return handText(document as unknown as Parameters<typeof handText>[0], style)
  if (document.command === 'releases' && has(document, 'hosts'))
    return releasesText(document as unknown as Parameters<typeof releasesText>[0], style)
  if (document.command === 'setup' && has(document, 'hosts'))
    return setupText(document as unknown as Parameters<typeof setupText>[0], style)
  if (document.command.startsWith('config')) return configText(document as ConfigText, style)
  return []
}
