// The log of a GitLab job: sections that fold. A section is opened and closed by a line that the runner's page reads;
// the escape codes in it cannot come from a host, because every line is cleaned.
import type { Renderer, Stamped } from '../domain/event.ts'
import { createClock, isShown, type PlainOptions, plainLine } from './plain.ts'
import { type Output, sinkTo } from './streams.ts'
import { createStyle } from './style.ts'
import { createTeller, groupTitle } from './tell.ts'

export function createGitlab(output: Output, options: PlainOptions): Renderer {
  const sink = sinkTo(output)
  const style = createStyle(options.color)
  const teller = createTeller()
  const clock = createClock()
  let open: string | null = null
  let count = 0
  let now = 0
  const endSection = (): void => {
    if (open !== null) sink.write(`\x1b[0Ksection_end:${now}:${open}\r\x1b[0K\n`)
    open = null
  }
  return {
    on(event) {
      now = secondsOf(event)
      const told = teller(event)
      const ms = clock(event)
      const title = options.quiet ? null : groupTitle(event)
      if (title !== null) {
        endSection()
        count += 1
        open = `rollgate_${count}`
        sink.write(`\x1b[0Ksection_start:${now}:${open}\r\x1b[0K${style.bold(title)}\n`)
      }
      if (told === null || !isShown(told.level, options)) return
      if (event.type === 'rollout.closed' || event.type === 'undo.opened') endSection()
      sink.write(`${plainLine(told, ms, style)}\n`)
    },
    async end() {
      endSection()
      await sink.end()
    },
  }
}

const secondsOf = (event: Stamped): number => Math.floor(Date.parse(event.at) / 1_000)
