// The log of a GitHub Actions job: groups that fold, annotations for what went wrong, and a summary page in Markdown.
// Careful about injection: a runner obeys `::command::` at the start of a line and `##[command]` anywhere in it, so what
// comes from hosts is escaped in annotations and made harmless in lines. At most ten annotations of a kind are shown.
import { appendFileSync } from 'node:fs'
import type { Renderer, Stamped } from '../domain/event.ts'
import { createSummary } from './markdown.ts'
import { createClock, isShown, type PlainOptions, plainLine } from './plain.ts'
import { type Output, sinkTo } from './streams.ts'
import { createStyle } from './style.ts'
import { createTeller, groupTitle, type Told } from './tell.ts'

const MOST_ANNOTATIONS = 10

/** @param summaryFile GITHUB_STEP_SUMMARY */
export function createGithub(output: Output, options: PlainOptions, summaryFile: string | null): Renderer {
  const sink = sinkTo(output)
  const style = createStyle(options.color)
  const teller = createTeller()
  const clock = createClock()
  const summary = createSummary()
  const left = { warning: MOST_ANNOTATIONS, error: MOST_ANNOTATIONS }
  let isGroupOpen = false
  const endGroup = (): void => {
    if (isGroupOpen) sink.write('::endgroup::\n')
    isGroupOpen = false
  }
  return {
    on(event) {
      summary.on(event)
      const told = teller(event)
      const ms = clock(event)
      const title = options.quiet ? null : groupTitle(event)
      if (title !== null) {
        endGroup()
        sink.write(`::group::${escapeData(title)}\n`)
        isGroupOpen = true
      }
      if (told === null || !isShown(told.level, options)) return
      // A group hides its lines: what must be seen stands outside.
      if (event.type === 'rollout.closed' || event.type === 'undo.opened') endGroup()
      const kind = annotationOf(event, told)
      if (kind !== null && left[kind] > 0) {
        left[kind] -= 1
        sink.write(annotation(kind, told))
      } else sink.write(`${defuse(plainLine(told, ms, style))}\n`)
    },
    async end() {
      endGroup()
      await sink.end()
      const text = summary.text()
      if (summaryFile === null || text === '') return
      try {
        appendFileSync(summaryFile, text)
      } catch {
        // A summary that cannot be written is no failure of the rollout.
      }
    },
  }
}

/** Steps that fail are annotated once, as their host. */
function annotationOf(event: Stamped, told: Told): 'warning' | 'error' | null {
  if (event.type === 'probe.progress' || event.type === 'phase') return null
  return told.level === 'error' ? 'error' : told.level === 'warning' ? 'warning' : null
}

function annotation(kind: 'warning' | 'error', told: Told): string {
  const title = told.host === null ? 'rollgate' : `rollgate: ${told.host}`
  const text = told.host === null ? told.text : `${told.host}: ${told.text}`
  return `::${kind} title=${escapeProperty(title)}::${escapeData(text)}\n`
}

export function escapeData(text: string): string {
  return defuse(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

export function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/** Text that a runner must not take for a command: an invisible joiner between the two signs that make one. */
export function defuse(text: string): string {
  return text.replaceAll('##[', '##\u2060[').replace(/^(\s*):(?=:)/gm, '$1:\u2060')
}
