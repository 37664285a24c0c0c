// One door to both drivers. The closed one and what it brings (autocannon, worker threads) are loaded only when asked for.

import { startPaced } from './paced.ts'
import type { LoadHooks, LoadPlan, LoadRun } from './plan.ts'

/** Starts at once. @throws RollgateError (from `done`) E_LOAD, E_LOAD_DATA, E_LOAD_ROOM, E_SECRET before anything is sent */
export async function startLoad(plan: LoadPlan, hooks: LoadHooks): Promise<LoadRun> {
  if (plan.settings.model.kind === 'paced') return startPaced(plan, hooks)
  const { startClosed } = await import('./closed.ts')
  return startClosed(plan, hooks)
}
