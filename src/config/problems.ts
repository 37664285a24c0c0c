// Problems of the configuration: collected, one for each place and key, put in the order of the file, thrown together.
import type { ConfigProblem } from '../domain/document.ts'
import { RollgateError } from '../domain/error.ts'
import { hostileIn, showText } from './text.ts'
import type { Position } from './tree.ts'

export class ConfigError extends RollgateError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    const file = problems[0]?.file ?? 'the configuration'
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    super('E_CONFIG', `${showText(file, { quotes: false, atMost: 200 })} has ${count}`, {
      now: 'nothing was connected or changed',
      hints: ['rollgate config validate lists every problem; the reference is docs/configuration.md'],
      evidence: problems.map(showProblem),
    })
    this.problems = problems
  }
}

/** `rollgate.yml:3:5  app is missing` */
export function showProblem(problem: ConfigProblem): string {
  const place = `${showText(problem.file, { quotes: false, atMost: 200 })}:${problem.line}:${problem.column}`
  const key = problem.key === '' ? '' : `${showText(problem.key, { quotes: false, atMost: 120 })}: `
  return `${place}  ${key}${problem.message}${problem.nearest === undefined ? '' : ` (did you mean ${problem.nearest}?)`}`
}

export type Report = (at: Position, key: string, message: string, nearest?: string | null) => void

/** Says a place and key once: what comes first is the cause, what comes later its echo. */
export class Problems {
  readonly #file: string
  readonly #found = new Map<string, ConfigProblem>()

  constructor(file: string) {
    this.#file = file
  }

  readonly report: Report = (at, key, message, nearest = null) => {
    const id = `${at.line}:${at.column}:${key}`
    if (this.#found.has(id)) return
    this.#found.set(id, {
      file: this.#file,
      line: at.line,
      column: at.column,
      key: showText(key, { quotes: false, atMost: 400 }),
      message,
      // A host's name may be the nearest word, and hostile itself.
      ...(nearest === null || hostileIn(nearest) !== null ? {} : { nearest }),
    })
  }

  get any(): boolean {
    return this.#found.size > 0
  }

  /** In the order of the file. */
  list(): readonly ConfigProblem[] {
    return [...this.#found.values()].sort((a, b) => a.line - b.line || a.column - b.column)
  }
}
