// The fault table of load-and-gates.md (1.3), made again: the truth that each server kept, what our paced driver says and
// what autocannon says to the same server at the same rate. Writes docs/load-faults.md.
//   node bench/load-faults.ts [--seconds 20] [--write]
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LoadSettings } from '../src/domain/load.ts'
import { startPaced } from '../src/load/paced.ts'
import type { LoadResult } from '../src/load/plan.ts'
import { type Fault, startFaultServer, type Truth, wireMs } from '../test/helpers/fault-server.ts'
import { machine, timed } from './load-lib.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' }, write: { type: 'boolean', default: false } } })
const seconds = Number(values.seconds)
const RATE = 200
/** Longer than the stall. */
const TIMEOUT_S = 5

// A new connection is part of what a client sees, and in no server's record: rows that break connections take 100 ms.
const rows: readonly { readonly name: string; readonly fault: Fault | null }[] = [
  { name: 'always 20 ms', fault: { kind: 'constant', delayMs: 20 } },
  { name: 'always 100 ms', fault: { kind: 'constant', delayMs: 100 } },
  {
    name: `20 ms, and a stall of ${(seconds * 3) / 20} s`,
    fault: { kind: 'stall', delayMs: 20, atMs: seconds * 250, forMs: seconds * 150 },
  },
  { name: '100 ms, 30 % closed without an answer', fault: { kind: 'close', delayMs: 100 } },
  { name: '100 ms, 30 % reset', fault: { kind: 'reset', delayMs: 100 } },
  { name: '100 ms, `Connection: close` every 50th', fault: { kind: 'close-every', delayMs: 100, every: 50 } },
  { name: '100 ms, 30 % truncated', fault: { kind: 'truncated', delayMs: 100 } },
  { name: 'body in 4 pieces, 20 ms apart', fault: { kind: 'slow-body', pieces: 4, gapMs: 20 } },
  { name: `hung (timeout ${TIMEOUT_S} s)`, fault: { kind: 'hung' } },
  { name: 'closed port', fault: null },
]

type Cannon = {
  readonly requests: { readonly total: number; readonly sent: number }
  readonly errors: number
  readonly latency: Record<string, number>
}

function settingsFor(): LoadSettings {
  return {
    ...{ name: 'faults', data: {}, headers: {}, auth: null },
    model: { kind: 'paced', profile: { kind: 'constant', ratePerSecond: RATE }, arrivals: 'poisson' },
    duration: { atLeastMs: seconds * 1000, atMostMs: seconds * 1000 },
    warmup: { atLeastMs: 0, atMostMs: 0 },
    scenarios: [{ name: 'get', weight: 1, steps: [{ method: 'GET', path: '/' }] }],
    timeouts: { connectMs: 2000, firstByteMs: TIMEOUT_S * 1000, bodyMs: TIMEOUT_S * 1000 },
    safety: { methods: ['GET'], abortIf: null },
  }
}

/** Two seconds go before, from which nothing is kept: they compile both sides. */
async function ours(url: string, forSeconds = seconds): Promise<LoadResult> {
  const plan = { settings: settingsFor(), targets: [{ name: 'target', origin: url }], runId: 'faults', seed: 'faults' } as const
  return startPaced({ ...plan, warmupMs: 0, durationMs: forSeconds * 1000 }, { signal: new AbortController().signal }).done
}

async function autocannon(url: string): Promise<Cannon> {
  const script = fileURLToPath(new URL('../node_modules/autocannon/autocannon.js', import.meta.url))
  const words = ['-c', '20', '-R', String(RATE), '-d', String(seconds), '-t', String(TIMEOUT_S), '--json', '--no-progress', url]
  const { output } = await timed([process.execPath, script, ...words])
  // JSON lies between what the shell and Node say aside.
  return JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1)) as Cannon
}

/** The same fault for each, on servers of their own. */
async function both(fault: Fault | null) {
  if (fault === null) {
    const gone = await startFaultServer({ kind: 'hung' })
    await gone.close()
    return { truth: null, ours: await ours(gone.url), cannon: await autocannon(gone.url) }
  }
  const [first, second] = [await startFaultServer(fault), await startFaultServer(fault)]
  try {
    if (fault.kind !== 'hung') await ours(first.url, 2)
    await first.forget()
    const said = await ours(first.url)
    const truth = await first.truth()
    return { truth, ours: said, cannon: await autocannon(second.url) }
  } finally {
    await first.close()
    await second.close()
  }
}

const ms = (value: number | null | undefined) =>
  value === null || value === undefined || Number.isNaN(value) ? '–' : value < 10 ? value.toFixed(1) : value.toFixed(0)
const wire = await wireMs()
const rank = (sorted: readonly number[], q: number) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
const QUANTILES = [0.5, 0.95, 0.99]
const served = (truth: Truth | null) => (truth === null ? '–' : QUANTILES.map((q) => ms(rank(truth.servedMs, q))).join(' / '))
/** The quantile that is furthest from the truth, way included. */
function off(truth: Truth | null, said: readonly (number | null | undefined)[]): string {
  if (truth === null || truth.servedMs.length === 0) return '–'
  const parts = QUANTILES.map(
    (q, index) => ((said[index] ?? Number.NaN) - (rank(truth.servedMs, q) ?? Number.NaN) - wire) / (rank(truth.servedMs, q) ?? 1),
  )
  const worst = parts.reduce((most, part) => (Math.abs(part) > Math.abs(most) ? part : most), 0)
  return `${(worst * 100).toFixed(1)} %`
}
const fates = (truth: Truth | null) =>
  truth === null
    ? 'nobody there'
    : `${truth.requests}: ${Object.entries(truth.fates)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}`
const counts = ({ targets: [target] }: LoadResult) =>
  `${target?.offered}: ${[`${target?.done} ok`, ...Object.entries(target?.errors ?? {}).map(([name, count]) => `${count} ${name}`)].join(', ')}`

const lines: string[] = []
for (const { name, fault } of rows) {
  const { truth, ours: said, cannon } = await both(fault)
  const [target] = said.targets
  const verdict = said.validity.valid ? '' : ' (INVALID)'
  const times = [target?.p50Ms, target?.p95Ms, target?.p99Ms].map(ms).join(' / ')
  const serviceMs = [target?.service.p50Ms, target?.service.p95Ms, target?.service.p99Ms]
  const service = serviceMs.map(ms).join(' / ')
  const theirs = `${cannon.requests.sent} sent: ${cannon.requests.total} ok, ${cannon.errors} errors`
  const latency = ['p50', 'p97_5', 'p99'].map((key) => ms(cannon.latency[key])).join(' / ')
  lines.push(
    `| ${[name, fates(truth), served(truth), `${counts(said)}${verdict}`, times, service, off(truth, serviceMs), theirs, latency].join(' | ')} |`,
  )
  console.log(lines.at(-1))
}

const on = machine()
const page = `# What load drivers say about faults

Made by \`node bench/load-faults.ts --write\`; do not edit. ${RATE} requests/s for ${seconds} s to each server; autocannon with \`-c 20 -R ${RATE}\`.
The truth is what the server itself kept: its counts, and its own times of good answers (p50 / p95 / p99, ms). Our response times run
from the moment a request was due and rank failures as slowest (–: falls on a failure), our service times from the send, successes
only; autocannon has p50 / p97.5 / p99. "Off" is the worst of our three service times against the truth and the way there and back
(${wire.toFixed(2)} ms, measured first with a bare socket).

Made ${on.at.slice(0, 10)} on ${on.cores} cores (${on.cpu}), load average ${on.loadAverage[0]}, Node ${on.node}, commit ${on.commit?.slice(0, 12)}. "INVALID" means that our driver itself
distrusts the times of that run: the machine was busy, or nothing answered; counts are exact all the same.

| server | truth: requests | served | ours: counts | response | service | off | autocannon: counts | latency |
|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}
`
if (values.write) writeFileSync(fileURLToPath(new URL('../docs/load-faults.md', import.meta.url)), page)
