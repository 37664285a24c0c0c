// Ctrl-C, SIGTERM and SIGHUP (failure-semantics.md). A rollout: the first finishes the hosts in hand, starts no new one
// and asks what is to be done; the second stops waiting; the third exits at once, with the timers on the hosts armed.
// Every other command ends at the first. Watches the rollout's events to know what is in hand and what the policy says.
import type { Ask } from '../domain/ask.ts'
import { errorInfo } from '../domain/error.ts'
import type { Renderer, Stamped } from '../domain/event.ts'
import type { Plan, Track } from '../domain/plan.ts'
import type { Control } from '../domain/ports.ts'

export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** What is needed of `process`. */
export type SignalSource = {
  on(event: Signal, listener: (signal: Signal) => void): unknown
  off(event: Signal, listener: (signal: Signal) => void): unknown
  exit(code: number): unknown
}

export type Interrupts = {
  readonly control: Control
  /** Fires at the third signal; for commands that have nothing to finish, at the first. */
  readonly signal: AbortSignal
  /** To be told every event of the rollout. */
  readonly watcher: Renderer
  /** Ctrl-C at a question: the terminal is in raw mode, so no signal is sent. */
  typed(): void
  dispose(): void
}

export type InterruptOptions = {
  readonly kind: 'rollout' | 'plain'
  readonly ask: Ask | null
  readonly tell: (line: string) => void
  readonly process: SignalSource
}

const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
/** The executor's last attempt to enable what is provably healthy (execute/finish.ts). */
const HURRY_SECONDS = 10

export const signalExitCode = (signal: Signal): 130 | 143 => (signal === 'SIGINT' ? 130 : 143)

export function listenForInterrupts(options: InterruptOptions): Interrupts {
  const { kind, ask, tell } = options
  const asked = new AbortController()
  const hurry = new AbortController()
  const all = new AbortController()
  const watched = watchRollout()
  let wish: Control['wish'] = null
  let because: Signal | null = null
  let count = 0
  let decided: Promise<void> = Promise.resolve()
  let closeQuestion = new AbortController()

  function exitNow(signal: Signal): void {
    all.abort()
    options.process.exit(signalExitCode(signal))
  }

  function first(signal: Signal): void {
    wish = 'stop'
    asked.abort()
    if (kind === 'plain') {
      hurry.abort()
      all.abort()
      tell('stopping (once more: at once)')
      return
    }
    const plan = watched.plan()
    if (plan === null) {
      tell('stopping: nothing that serves was changed (once more: at once)')
      return
    }
    tell(`${watched.inHand(plan)}; no new host is started. Once more: stop waiting`)
    if (ask === null || signal !== 'SIGINT') {
      wish = plan.policy.onInterrupt
      tell(`rollout.on_interrupt: ${wish} (${WISHES[wish]})`)
      return
    }
    closeQuestion = new AbortController()
    decided = question(ask, closeQuestion.signal).then((answer) => {
      // A second Ctrl-C has decided already.
      if (hurry.signal.aborted) return
      if (answer !== 'continue') wish = answer
      else {
        wish = null
        because = null
        count = 0
        tell('going on')
      }
    })
  }

  function onSignal(signal: Signal): void {
    count += 1
    because ??= signal
    if (count === 1) {
      first(signal)
      return
    }
    closeQuestion.abort()
    if (count > 2 || kind === 'plain' || watched.plan() === null) {
      exitNow(signal)
      return
    }
    hurry.abort()
    tell(`not waiting any longer: what is provably healthy is enabled, at most ${HURRY_SECONDS} s. Once more: exit at once`)
  }

  for (const signal of SIGNALS) options.process.on(signal, onSignal)
  return {
    control: {
      get wish() {
        return wish
      },
      get because() {
        return because
      },
      decided: () => decided,
      asked: asked.signal,
      hurry: hurry.signal,
    },
    signal: all.signal,
    watcher: watched.renderer,
    typed: () => onSignal('SIGINT'),
    dispose() {
      closeQuestion.abort()
      for (const signal of SIGNALS) options.process.off(signal, onSignal)
    },
  }
}

const WISHES = {
  stop: 'the rollout stays half done; rollgate status shows it',
  undo: 'what was done is taken back',
  continue: 'the rollout goes on',
} as const

async function question(ask: Ask, signal: AbortSignal): Promise<'stop' | 'undo' | 'continue'> {
  try {
    return await ask.choose(
      'The rollout is interrupted. What now?',
      [
        { value: 'continue', name: 'go on', description: WISHES.continue },
        { value: 'stop', name: 'stop here', description: WISHES.stop },
        { value: 'undo', name: 'undo', description: WISHES.undo },
      ],
      { initial: 'stop', signal },
    )
  } catch (error) {
    if (errorInfo(error).code !== 'E_CANCELLED') throw error
    return 'stop'
  }
}

/** Which rollout is open, and which hosts are in hand: from their first step until they serve again. */
function watchRollout() {
  let open: Plan | null = null
  const hosts = new Set<string>()
  const renderer: Renderer = {
    on(event: Stamped) {
      if (event.type === 'rollout.opened') open = event.plan
      if (event.type === 'rollout.closed') open = null
      if (event.type === 'step.started' && event.host !== undefined) hosts.add(event.host)
      if (event.type === 'step.succeeded' && event.host !== undefined && open !== null && isLast(open, event.host, event.step))
        hosts.delete(event.host)
    },
    end: async () => undefined,
  }
  return {
    renderer,
    plan: () => open,
    inHand(plan: Plan): string {
      if (hosts.size === 0) return 'between two hosts'
      const steps = tracksOf(plan).flatMap((track) => [...track.steps, ...track.undo])
      const drains = steps.flatMap((step) => (step.kind === 'drain' && hosts.has(step.host) ? [step.deadlineMs] : []))
      const seconds = Math.ceil((Math.max(0, ...drains) + plan.policy.progressDeadlineMs) / 1000)
      return `finishing ${[...hosts].join(', ')}, at most ${seconds} s`
    },
  }
}

const tracksOf = (plan: Plan): readonly Track[] => plan.batches.flatMap((batch) => batch.tracks)

/** Of the way forward, or of the way back. */
function isLast(plan: Plan, host: string, step: string): boolean {
  const track = tracksOf(plan).find((candidate) => candidate.host === host)
  return [track?.steps.at(-1)?.id, track?.undo.at(-1)?.id, `${host}/undo/enable`].includes(step)
}
