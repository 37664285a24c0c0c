// Reads what a phase script prints: which step the lines belong to, how each step ended. Pure but for its callbacks.
// Output of the user's is untrusted: control characters are taken out, and only the last lines of each step are kept.
import type { OutputLine } from '../../domain/command.ts'
import type { PhaseResult, RemoteStep } from '../../domain/ports.ts'
import { cleanText } from '../../util/text.ts'

type StepResult = PhaseResult['steps'][number]
type Seen = { state: StepResult['state']; exitCode: number | null; changed: boolean; readonly output: string[] }

const KEEP_LINES = 50
const LINE_LIMIT = 2_000

export type PhaseReader = {
  line(line: OutputLine): void
  steps(): PhaseResult['steps']
  /** What came before the first step announced itself: why there was none. */
  readonly before: readonly string[]
}

export function phaseReader(
  token: string,
  steps: readonly RemoteStep[],
  on: {
    readonly onStep: (step: string, state: 'started' | 'done' | 'failed') => void
    readonly onLine: (step: string, line: OutputLine) => void
  },
): PhaseReader {
  const seen = new Map<string, Seen>(steps.map((step) => [step.id, { state: 'not-started', exitCode: null, changed: false, output: [] }]))
  const before: string[] = []
  let at: string | null = null
  // A marker begins with a newline, in case the output before it ended without one.
  let blank = 0

  const put = (line: OutputLine): void => {
    const step = at === null ? undefined : seen.get(at)
    const kept = step === undefined ? before : step.output
    kept.push(line.text)
    if (kept.length > KEEP_LINES) kept.shift()
    if (at !== null) on.onLine(at, line)
  }
  const marker = (word: string, id: string, exitCode: number, changed: boolean): void => {
    const step = seen.get(id)
    if (step === undefined) return
    if (word === 'start') {
      at = id
      step.state = 'unknown'
      on.onStep(id, 'started')
      return
    }
    at = null
    step.state = exitCode === 0 ? 'done' : 'failed'
    step.exitCode = exitCode
    step.changed = changed
    on.onStep(id, step.state)
  }

  return {
    before,
    line({ stream, text }) {
      if (text === '') {
        blank += 1
        return
      }
      const said =
        stream === 'stdout' && text.startsWith(`${token} `)
          ? /^(start|end) (\d{1,4})(?: (\d{1,3}) ([01]))?$/.exec(text.slice(token.length + 1))
          : null
      for (let lines = said === null ? blank : blank - 1; lines > 0; lines -= 1) put({ stream, text: '' })
      blank = 0
      if (said === null) put({ stream, text: cleanText(text, LINE_LIMIT) })
      else marker(said[1] ?? '', steps[Number(said[2])]?.id ?? '', Number(said[3] ?? 0), said[4] === '1')
    },
    steps: () => [...seen].map(([step, { state, exitCode, changed, output }]) => ({ step, state, exitCode, changed, output: [...output] })),
  }
}
