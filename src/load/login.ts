// Signs in once at every target before a run, and keeps the cookies that it sets. What goes wrong is a sentence about
// the class of the failure: the request holds a password, so neither it nor the answer is ever shown.
import type { LoadTimeouts } from '../domain/load.ts'
import type { Ended, Lanes } from './lanes.ts'
import { cookiesOf } from './request.ts'
import type { Scenarios } from './scenario.ts'

export type Login = { readonly cookies: readonly (string | null)[]; readonly problem: string | null }

const SWEEP_MS = 50

export async function logIn(scenarios: Scenarios, lanes: readonly Lanes[], timeouts: LoadTimeouts, signal: AbortSignal): Promise<Login> {
  const { login } = scenarios
  if (login === null) return { cookies: lanes.map(() => null), problem: null }
  const answers = await Promise.all(lanes.map((each) => send(each, signal)))
  const problem = answers.find((answer) => answer.problem !== null)?.problem ?? null
  return { cookies: answers.map((answer) => answer.cookies), problem }

  async function send(to: Lanes, stopped: AbortSignal): Promise<{ readonly cookies: string | null; readonly problem: string | null }> {
    const ended = await new Promise<Ended | null>((resolve) => {
      if (stopped.aborted || login === null) return resolve(null)
      const sweeping = setInterval(() => to.sweep(performance.now()), Math.min(SWEEP_MS, timeouts.firstByteMs))
      const done = (answer: Ended | null) => {
        clearInterval(sweeping)
        stopped.removeEventListener('abort', cancel)
        resolve(answer)
      }
      const cancel = () => {
        done(null)
        void to.destroy()
      }
      stopped.addEventListener('abort', cancel, { once: true })
      if (!to.send(login.request(scenarios.visit(), null), performance.now(), login.keepBody, done)) done(null)
    })
    if (ended === null) return { cookies: null, problem: null }
    if (ended.failure !== null) return { cookies: null, problem: `the login failed: ${ended.failure}` }
    const wrong = login?.checks.wrong(ended, 0)
    if (wrong !== null && wrong !== undefined) return { cookies: null, problem: `the login failed: ${wrong.detail}` }
    const cookies = [...cookiesOf(ended)].map(([name, value]) => `${name}=${value}`).join('; ')
    return cookies === '' ? { cookies: null, problem: 'the login set no cookie' } : { cookies, problem: null }
  }
}
