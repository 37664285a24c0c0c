// Stamps every event once and tells it to everybody who watches; durable ones go to the journal first. A renderer that
// fails is its own problem: it never hides what happens to the fleet.
import type { DurableEvent, Emit, Renderer, RolloutEvent, Stamped } from '../domain/event.ts'
import type { Journal } from '../domain/ports.ts'
import type { JournalFile } from '../journal/file.ts'

export type Telling = { readonly emit: Emit; journal(file: JournalFile): Journal; readonly events: readonly Stamped<DurableEvent>[] }

export function createTelling(rollout: string, renderers: readonly Renderer[], now: () => Date): Telling {
  let seq = 0
  const events: Stamped<DurableEvent>[] = []
  const stamp = <E extends RolloutEvent>(event: E): Stamped<E> => {
    seq += 1
    return { version: 1, at: now().toISOString(), rollout, seq, ...event }
  }
  const show = (event: Stamped): void => {
    for (const renderer of renderers) {
      try {
        renderer.on(event)
      } catch {
        // Nothing to do: the screen is gone or broken, the rollout is not.
      }
    }
  }
  return {
    events,
    emit: (event) => show(stamp(event)),
    journal: (file) => ({
      async append(event) {
        const stamped = stamp(event)
        await file.append(stamped)
        events.push(stamped)
        show(stamped)
        return stamped
      },
      close: () => file.close(),
    }),
  }
}
