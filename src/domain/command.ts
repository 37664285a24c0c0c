// A command is words, never a sentence: quoting is done in one place (util/shell.ts).

/** A secret is a name; a transport asks for its value at the last moment and never logs it. */
export type Word = string | { readonly secret: string }

export type Command = {
  readonly argv: readonly [Word, ...Word[]]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, Word>>
  /** Text for standard input; without it (and without `input` in the options) stdin is empty. */
  readonly stdin?: string
  readonly timeoutMs?: number
}

export type OutputLine = { readonly stream: 'stdout' | 'stderr'; readonly text: string }

export type CommandResult = {
  /** null: ended by a signal, or `lost`. Only 0 is success. */
  readonly exitCode: number | null
  readonly signal?: string
  /** At most `maxOutputBytes` of each; `truncated` says when there was more. */
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
  readonly durationMs: number
  /** The connection went away in the middle: what happened is unknown, never success. */
  readonly lost: boolean
  /** Ended by our timeout. */
  readonly timedOut: boolean
}

export type RunOptions = {
  readonly signal?: AbortSignal
  /** Called with each line as it comes; back-pressure is applied while it awaits. */
  readonly onLine?: (line: OutputLine) => void | Promise<void>
  /** Streamed into standard input with back-pressure; exclusive with `command.stdin`. */
  readonly input?: AsyncIterable<Uint8Array>
  /** Limit of what is kept in the result, per stream [1 MiB]. Lines still go to onLine. */
  readonly maxOutputBytes?: number
}
