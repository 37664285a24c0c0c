// What every use case gets besides its own options: where it runs, whom it may ask, who watches, who interrupts.
import type { Ask } from '../domain/ask.ts'
import type { Renderer } from '../domain/event.ts'
import type { Control } from '../domain/ports.ts'

export type GlobalFlags = {
  readonly config?: string
  readonly environment?: string
  readonly json: boolean
  readonly yes: boolean
  /** false: --no-input. */
  readonly input: boolean
  readonly verbose: boolean
  readonly quiet: boolean
}

export type AppContext = {
  readonly flags: GlobalFlags
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly version: string
  /** null: no terminal, CI, or --no-input. */
  readonly ask: Ask | null
  /** Everything that happens is told to all of them: live tree or lines on stderr, --events file. */
  readonly renderers: readonly Renderer[]
  /** Ctrl-C, SIGTERM, SIGHUP as the table of failure-semantics.md has them. */
  readonly control: Control
  /** Fires at the third signal, or for commands that have nothing to finish, at the first. */
  readonly signal: AbortSignal
  /** For commands that stream data to stdout while they run (logs, exec). */
  readonly stdout: (line: string) => void
}
