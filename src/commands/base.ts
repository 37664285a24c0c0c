// What all commands share: parse, make the context, call one use case, print its document once, set the exit code.
// stdout is data and everything else goes to stderr. Errors are left to run.ts: there is one place that prints them.
import type { AppContext, GlobalFlags } from '../app/context.ts'
import { listenForInterrupts } from '../app/interrupt.ts'
import type { BaseDocument } from '../domain/document.ts'
import { errorInfo, RollgateError } from '../domain/error.ts'
import { globalFlags } from './flags.ts'
import { Command, type Config } from './oclif.ts'
import { writeDocument } from './output.ts'
import { isCi, openScreen, type Screen, streamsOf } from './streams.ts'

export type ParsedFlags = {
  readonly config?: string | undefined
  readonly environment?: string | undefined
  readonly json: boolean
  readonly yes: boolean
  readonly 'no-input': boolean
  readonly verbose: boolean
  readonly quiet: boolean
  readonly 'no-color': boolean
  readonly events?: string | undefined
}

export type Way = {
  /** `rollout`: the first Ctrl-C finishes the hosts in hand. `follow`: Ctrl-C is how it ends well. Else it ends at the first. */
  readonly interrupts?: 'rollout' | 'follow'
  /** false: the command streams lines of its own, so there is no live tree. */
  readonly live?: false
  /** Text mode prints this instead of the document. */
  readonly text?: (document: BaseDocument) => string
}

export abstract class RollgateCommand extends Command {
  static override baseFlags = globalFlags

  /** Runs it; whatever it throws is for run.ts to print. */
  start(): Promise<unknown> {
    return this._run()
  }

  protected override async catch(error: Error): Promise<never> {
    throw error
  }

  /** @param work one call of src/app; what it returns is printed, what it throws is the caller's to print */
  protected async carryOut(flags: ParsedFlags, work: (context: AppContext) => Promise<BaseDocument>, way: Way = {}): Promise<void> {
    if (flags.events === '-' && flags.json)
      throw new RollgateError('E_USAGE', '--events - and --json both want stdout', { hints: ['--events FILE'] })
    const streams = streamsOf(flags)
    const screen = await openScreen(streams, flags, way.live ?? true)
    const ask = await this.#ask(flags, screen, () => interrupts.typed())
    const interrupts = listenForInterrupts({
      kind: way.interrupts === 'rollout' ? 'rollout' : 'plain',
      ask,
      tell: (line) => screen.tell(line),
      process,
    })
    const context: AppContext = {
      flags: globalOf(flags),
      cwd: process.cwd(),
      env: process.env,
      version: this.config.version,
      ask,
      renderers: [...screen.renderers, interrupts.watcher],
      control: interrupts.control,
      signal: interrupts.signal,
      stdout: screen.line,
    }
    let document: BaseDocument
    try {
      document = await work(context)
    } catch (error) {
      throw interrupted(error, context)
    } finally {
      interrupts.dispose()
      await screen.end()
    }
    if (document.exitCode !== 0 && document.exitCode !== 130 && way.interrupts === undefined) refuseHalfWork(context)
    process.exitCode = document.exitCode
    await writeDocument(document, streams, way.text)
  }

  async #ask(flags: ParsedFlags, screen: Screen, onInterrupt: () => void): Promise<AppContext['ask']> {
    const there = process.stdin.isTTY === true && process.stderr.isTTY === true && !isCi(process.env) && process.env.TERM !== 'dumb'
    if (!there || flags['no-input']) return null
    const { createAsk } = await import('../app/prompts.ts')
    return createAsk({ input: process.stdin, output: process.stderr, pause: screen.pause, onInterrupt })
  }
}

/** oclif makes every command with these two. */
export type CommandClass = (new (argv: string[], config: Config) => RollgateCommand) & typeof RollgateCommand

function globalOf(flags: ParsedFlags): GlobalFlags {
  return {
    ...(flags.config === undefined ? {} : { config: flags.config }),
    ...(flags.environment === undefined ? {} : { environment: flags.environment }),
    json: flags.json,
    yes: flags.yes,
    input: !flags['no-input'],
    verbose: flags.verbose,
    quiet: flags.quiet,
  }
}

/** An interrupt's exit code is the signal's, wherever it was noticed. */
function interrupted(error: unknown, context: AppContext): unknown {
  const { because } = context.control
  if (because === null || errorInfo(error).code !== 'E_CANCELLED') return error
  const message = error instanceof Error ? error.message : 'interrupted'
  return new RollgateError('E_CANCELLED', message, { exitCode: because === 'SIGINT' ? 130 : 143, cause: error })
}

/** "No host answered" because of our own Ctrl-C is no news about the hosts. */
function refuseHalfWork(context: AppContext): void {
  const { because } = context.control
  if (because !== null) throw new RollgateError('E_CANCELLED', 'interrupted', { exitCode: because === 'SIGINT' ? 130 : 143 })
}
