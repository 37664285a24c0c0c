// Use cases called in this process and not as a command: where a person has to answer, and a test is that person.
import { join } from 'node:path'
import type { AppContext } from '../../../src/app/context.ts'
import type { Ask } from '../../../src/domain/ask.ts'
import type { Stamped } from '../../../src/domain/event.ts'
import type { Project } from '../helpers/project.ts'

export type Asked = { readonly context: AppContext; readonly questions: readonly string[]; readonly events: readonly Stamped[] }

/** @param secret answers, in order; a question more than that is a failure; null: no terminal */
export function inProcess(project: Project, secrets: readonly string[] | null): Asked {
  const questions: string[] = []
  const events: Stamped[] = []
  const never = new AbortController().signal
  const unexpected = (question: string): never => {
    throw new Error(`nobody expected the question ${question}`)
  }
  const ask: Ask = {
    confirm: async () => true,
    text: unexpected,
    choose: unexpected,
    async secret(question) {
      const answer = secrets?.[questions.length]
      questions.push(question)
      return answer ?? unexpected(question)
    },
  }
  return {
    questions,
    events,
    context: {
      flags: { config: join(project.path, 'rollgate.yml'), json: false, yes: true, input: secrets !== null, verbose: false, quiet: false },
      cwd: project.path,
      env: { PATH: process.env.PATH, HOME: project.home, USER: 'ada' },
      version: '0.0.0',
      ask: secrets === null ? null : ask,
      renderers: [{ on: (event) => events.push(event), end: async () => undefined }],
      control: { wish: null, because: null, asked: never, hurry: never },
      signal: never,
      stdout: () => undefined,
    },
  }
}
