// Questions to the person at the terminal: the one file that loads inquirer, and only when somebody can answer. They
// are asked on stderr, because stdout is data. What is shown may come from a host (a key, a banner), so it is cleaned.
import type { confirm, input, password, select } from '@inquirer/prompts'
import type { Ask } from '../domain/ask.ts'
import { RollgateError } from '../domain/error.ts'
import { cleanText } from '../util/text.ts'

type Prompts = { confirm: typeof confirm; input: typeof input; password: typeof password; select: typeof select }

export type AskOptions = {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
  /** Makes room on the terminal; what it returns is called afterwards. */
  readonly pause: () => () => void
  /** Ctrl-C at a question. */
  readonly onInterrupt: () => void
}

export function createAsk(options: AskOptions): Ask {
  let loaded: Promise<Prompts> | null = null
  /** One question at a time: two hosts may both want their key confirmed. */
  let last: Promise<unknown> = Promise.resolve()

  function ask<T>(signal: AbortSignal | undefined, put: (prompts: Prompts, streams: object) => Promise<T>): Promise<T> {
    const mine = last.then(async () => {
      if (signal?.aborted) throw new RollgateError('E_CANCELLED', 'interrupted')
      loaded ??= import('@inquirer/prompts')
      const prompts = await loaded
      const resume = options.pause()
      try {
        return await put(prompts, { input: options.input, output: options.output, ...(signal === undefined ? {} : { signal }) })
      } catch (error) {
        throw unanswered(error, options.onInterrupt)
      } finally {
        resume()
      }
    })
    last = mine.catch(() => undefined)
    return mine
  }

  return {
    confirm: (question, { initial = false, signal } = {}) =>
      ask(signal, ({ confirm }, streams) => confirm({ message: cleanText(question), default: initial }, streams)),
    text: (question, { initial, validate, signal } = {}) =>
      ask(signal, ({ input }, streams) =>
        input(
          {
            message: cleanText(question),
            ...(initial === undefined || initial === '' ? {} : { default: cleanText(initial) }),
            ...(validate === undefined ? {} : { validate }),
          },
          streams,
        ),
      ),
    secret: (question, { signal } = {}) => ask(signal, ({ password }, streams) => password({ message: cleanText(question) }, streams)),
    choose: (question, choices, { initial, signal } = {}) =>
      ask(signal, ({ select }, streams) =>
        select(
          {
            message: cleanText(question),
            choices: choices.map((choice) => ({
              ...choice,
              name: cleanText(choice.name),
              ...(choice.description === undefined ? {} : { description: cleanText(choice.description) }),
            })),
            ...(initial === undefined ? {} : { default: initial }),
          },
          streams,
        ),
      ),
  }
}

/** inquirer tells by the error's name how a question ended. */
function unanswered(error: unknown, onInterrupt: () => void): unknown {
  const name = error instanceof Error ? error.name : ''
  if (name !== 'ExitPromptError' && name !== 'AbortPromptError') return error
  if (name === 'ExitPromptError') onInterrupt()
  return new RollgateError('E_CANCELLED', 'interrupted at a question', { cause: error })
}
