// What we use of autocannon, which has no types of its own (DefinitelyTyped's are for version 7).
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events'

  namespace autocannon {
    type Request = {
      method?: string
      path?: string
      headers?: Record<string, string>
      body?: string
      setupRequest?: (request: Request) => Request
      onResponse?: (status: number, body: string, context: object, headers: Record<string, string | string[]>) => void
    }

    interface Client extends EventEmitter {
      setRequests(requests: Request[]): void
      /** Not documented: its present connection. */
      readonly conn?: { readonly connecting: boolean; readonly secureConnecting?: boolean; destroy(error: Error): void }
      /** Not documented: what it keeps across connections and should not, and what it does for each request in vain. */
      readonly parser?: { reinitialize?(type: string): void }
      readonly pipelinedRequests?: { clear?(): void; addBody?: (part: unknown) => void }
      readonly requestIterator?: { readonly currentRequest?: unknown; nextRequest?: () => unknown }
    }

    type Options = {
      url: string
      connections: number
      pipelining: 1
      /** Seconds. */
      duration?: number
      amount?: number
      /** Whole seconds. */
      timeout: number
      sampleInt: number
      servername?: string
      setupClient: (client: Client) => void
      requests: Request[]
    }

    type Result = { readonly requests: { readonly sent: number; readonly total: number }; readonly errors: number }

    type Instance = EventEmitter & PromiseLike<Result> & { stop(): void }
  }

  function autocannon(options: autocannon.Options): autocannon.Instance
  export default autocannon
}
