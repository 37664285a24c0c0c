// A load test that its own brake ended: never good, and it says which brake, where and when.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { AppContext } from '../../../src/app/context.ts'
import { load } from '../../../src/app/load.ts'
import { emptyFolder, plus } from '../config/helpers.ts'
import { serve } from '../load/helpers.ts'

const LOADS = `loads:
  closed: { connections: 4, duration: 600s, warmup: 600s, requests: [{ get: / }], safety: { abort_if: errors > 5% for 1s } }
  paced: { rate: 20/s, duration: 600s, warmup: 0s, requests: [{ get: / }], safety: { abort_if: errors > 5% for 1s } }
`

async function context(): Promise<AppContext> {
  const cwd = await emptyFolder()
  await writeFile(join(cwd, 'rollgate.yml'), plus(LOADS))
  const never = new AbortController()
  onTestFinished(() => never.abort())
  return {
    flags: { json: true, yes: false, input: false, verbose: false, quiet: true },
    ...{ cwd, env: { HOME: cwd }, version: '0', ask: null, renderers: [], signal: never.signal, stdout: () => undefined },
    control: { wish: null, because: null, asked: never.signal, hurry: never.signal },
  }
}

describe('a load that its brake ended', () => {
  test.each<[string, string, readonly string[]]>([
    ['the closed model, in its warm-up', 'closed', []],
    ['the paced model', 'paced', []],
    ['with a threshold that would have passed', 'paced', ['errors < 99%']],
  ])('fails, and names it: %s', async (_what, name, thresholds) => {
    let count = 0
    const server = await serve((_request, response) => {
      count += 1
      response.writeHead(count % 2 === 0 ? 200 : 500).end()
    })
    const document = await load({ name, url: server.url, thresholds }, await context())
    const brake = /safety\.abort_if \(errors > 5% for 1s\) in second \d+: \d+ of \d+ requests that ended on target had failed/
    expect(document).toMatchObject({ verdict: 'fail', outcome: 'fail', exitCode: 7, error: { code: 'E_GATE_FAILED' } })
    expect(document.reason).toMatch(brake)
    expect(document.error?.message).toBe(document.reason)
    expect(document.warnings.join()).toMatch(brake)
  })
})
