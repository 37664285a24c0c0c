// A process that plays a recorded rollout on the terminal it was started on, at a speed of its own: started by
// tmux.test.ts. Options come as JSON: which story, how many milliseconds between two events, what to do in the middle.
import { setTimeout as sleep } from 'node:timers/promises'
import { createRenderers, pauseScreens } from '../../../src/render/renderers.ts'
import { wantsColor } from '../../../src/render/style.ts'
import { type Recorded, recorded } from './recorded.ts'

type Options = {
  readonly story: Recorded
  readonly everyMs: number
  readonly stopAt?: number
  readonly atTheStop?: 'wait' | 'throw' | 'exit' | 'ask'
}

const options = JSON.parse(process.argv[2] ?? '{}') as Options
const renderers = createRenderers({
  stderr: process.stderr,
  stdout: process.stdout,
  env: { TERM: process.env.TERM },
  flags: { json: false, quiet: false, verbose: false, color: wantsColor({ noColor: false, env: process.env, isTerminal: true }) },
  isTerminal: process.stderr.isTTY === true,
  columns: () => process.stderr.columns ?? 80,
  rows: () => process.stderr.rows ?? 24,
})
// As the commands do: the first Ctrl-C ends it in order.
process.once('SIGINT', () => {
  void Promise.all(renderers.map((renderer) => renderer.end())).then(() => {
    process.stdout.write('INTERRUPTED\n')
    process.exit(130)
  })
})

for (const [index, event] of recorded(options.story).entries()) {
  for (const renderer of renderers) renderer.on({ ...event, at: new Date().toISOString() })
  await sleep(options.everyMs)
  if (index !== options.stopAt) continue
  if (options.atTheStop === 'throw') throw new Error('something broke')
  if (options.atTheStop === 'exit') process.exit(3)
  if (options.atTheStop === 'ask') {
    const resume = pauseScreens(renderers)
    process.stderr.write('? Go on? ')
    process.stdin.once('data', () => resume())
    await new Promise((resolve) => process.stdin.once('data', resolve))
    process.stdin.pause()
  }
  if (options.atTheStop === 'wait') await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.pause()
}
for (const renderer of renderers) await renderer.end()
process.stdout.write('ENDED\n')
