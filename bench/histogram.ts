// Own histogram or HdrHistogram: error of quantiles, and nanoseconds to record and to merge, side by side in turns.
// Decides nothing by itself (src/decisions/70); exits 1 when ours is less exact than 1 % or records slower than 1.3 times it.
//   node bench/histogram.ts [--write]
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { emptyHistogram, mergeInto, quantile, recordLatency, toSparse } from '../src/domain/histogram.ts'
import { createRandom } from '../src/load/random.ts'
import { machine, median } from './load-lib.ts'

type Hdr = { recordValue(value: number): void; add(other: Hdr): void; getValueAtPercentile(percentile: number): number }
const hdr = createRequire(createRequire(import.meta.url).resolve('autocannon'))('hdr-histogram-js') as {
  build(options: {
    lowestDiscernibleValue: number
    highestTrackableValue: number
    numberOfSignificantValueDigits: 3
    useWebAssembly: boolean
  }): Hdr
  encodeIntoCompressedBase64(histogram: Hdr): string
  decodeFromCompressedBase64(text: string): Hdr
}

const ROUNDS = 7
const VALUES = 200_000
const MERGES = 300
const random = createRandom('histogram')
/** Log-normal about 20 ms, with a tail: what a service looks like. */
const values = Array.from({ length: VALUES }, () => {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  return 20 * Math.exp(0.45 * normal) * (random.next() < 0.02 ? 8 : 1)
})
const sorted = [...values].sort((left, right) => left - right)

const newHdr = () =>
  hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: 1_000_000_000, numberOfSignificantValueDigits: 3, useWebAssembly: false })
const time = (work: () => void) => {
  const start = performance.now()
  work()
  return performance.now() - start
}

const nanos = { ours: { record: [] as number[], merge: [] as number[] }, hdr: { record: [] as number[], merge: [] as number[] } }
let [ours, theirs] = [emptyHistogram(), newHdr()]
for (let round = 0; round < ROUNDS; round += 1) {
  ours = emptyHistogram()
  theirs = newHdr()
  nanos.ours.record.push((time(() => each((value) => recordLatency(ours, value))) * 1e6) / VALUES)
  nanos.hdr.record.push((time(() => each((value) => theirs.recordValue(Math.round(value * 1000)))) * 1e6) / VALUES)
  // As they travel: a sparse list of pairs, and the compressed text.
  const [sparse, text] = [toSparse(ours), hdr.encodeIntoCompressedBase64(theirs)]
  const [sum, total] = [emptyHistogram(), newHdr()]
  nanos.ours.merge.push((time(() => repeat(() => mergeInto(sum, sparse))) * 1e6) / MERGES)
  nanos.hdr.merge.push((time(() => repeat(() => total.add(hdr.decodeFromCompressedBase64(text)))) * 1e6) / MERGES)
}

function each(work: (value: number) => void): void {
  for (const value of values) work(value)
}

function repeat(work: () => void): void {
  for (let turn = 0; turn < MERGES; turn += 1) work()
}

const worst = (of: (q: number) => number) =>
  Math.max(...[0.5, 0.9, 0.95, 0.99, 0.999].map((q) => Math.abs(of(q) / (sorted[Math.ceil(q * VALUES) - 1] ?? Number.NaN) - 1)))
const result = {
  machine: machine(),
  worstErrorPercent: {
    ours: worst((q) => quantile(ours, q) ?? Number.NaN) * 100,
    hdr: worst((q) => theirs.getValueAtPercentile(q * 100) / 1000) * 100,
  },
  nanosecondsToRecord: { ours: median(nanos.ours.record), hdr: median(nanos.hdr.record) },
  nanosecondsToMergeOneSlice: { ours: median(nanos.ours.merge), hdr: median(nanos.hdr.merge) },
}
console.log(JSON.stringify(result, null, 2))
if (process.argv.includes('--write'))
  writeFileSync(fileURLToPath(new URL('./results/histogram.json', import.meta.url)), `${JSON.stringify(result, null, 2)}\n`)
process.exitCode = result.worstErrorPercent.ours > 1 || result.nanosecondsToRecord.ours > result.nanosecondsToRecord.hdr * 1.3 ? 1 : 0
