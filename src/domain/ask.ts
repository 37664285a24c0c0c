// Questions to the person at the terminal. Where nobody can be asked the port is null, and the caller exits 2 naming the flag.

export interface Ask {
  confirm(question: string, options?: { readonly initial?: boolean; readonly signal?: AbortSignal }): Promise<boolean>
  /** Typed text; used for take-overs that want a name typed, and by the wizard. */
  text(
    question: string,
    options?: { readonly initial?: string; readonly validate?: (value: string) => string | true; readonly signal?: AbortSignal },
  ): Promise<string>
  /** Not echoed, never logged. */
  secret(question: string, options?: { readonly signal?: AbortSignal }): Promise<string>
  choose<T extends string>(
    question: string,
    choices: readonly { readonly value: T; readonly name: string; readonly description?: string }[],
    options?: { readonly initial?: T; readonly signal?: AbortSignal },
  ): Promise<T>
}
