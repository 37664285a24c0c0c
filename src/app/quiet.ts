// A context whose progress nobody watches: for looks inside another command, which tells the findings itself.
import type { AppContext } from './context.ts'

export function quietContext(context: AppContext): AppContext {
  return { ...context, renderers: [] }
}
