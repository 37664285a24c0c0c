// Histograms for other tools: the interval log of HdrHistogram (`.hlog`, V2 encoding, compressed) and its percentile
// table. Values are whole microseconds with three significant digits, finer than our own bins of 1 %.
import { deflateSync } from 'node:zlib'
import { countOf, type Histogram, middleOf } from '../domain/histogram.ts'

const COOKIE_V2 = 0x1c849303 | 0x10
const COOKIE_V2_DEFLATED = 0x1c849304 | 0x10
const SIGNIFICANT_DIGITS = 3
/** 2,048 steps in each doubling keep three digits; the lower half of a bucket is the one below it. */
const SUB_BUCKETS = 2048
const LOWEST = 1n
/** Ten minutes and a bit, in microseconds. */
const HIGHEST = 1_000_000_000n

export type HdrInterval = {
  /** Seconds since the start of the log. */
  readonly startSeconds: number
  readonly lengthSeconds: number
  readonly histogram: Histogram
  readonly tag?: string
}

/** What an interval log begins with. @param startedAt milliseconds since the epoch */
export function* hdrLogHead(startedAt: number): Generator<string> {
  const started = (startedAt / 1000).toFixed(3)
  yield '#[Logged with rollgate]\n'
  yield '#[Histogram log format version 1.3]\n'
  yield `#[StartTime: ${started} (seconds since epoch), ${new Date(startedAt).toISOString()}]\n`
  // Both: older readers know only the first, and take what is small for seconds since it.
  yield `#[BaseTime: ${started} (seconds since epoch)]\n`
  yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
}

/** One interval, in milliseconds where it says how long something took. */
export function hdrLogLine({ startSeconds, lengthSeconds, histogram, tag }: HdrInterval): string {
  const fields = [startSeconds.toFixed(3), lengthSeconds.toFixed(3), (highestOf(histogram) / 1000).toFixed(3), encode(histogram)]
  // A comma would end the tag.
  return `${tag === undefined ? '' : `Tag=${tag.replace(/[,\s]/g, '_')},`}${fields.join(',')}\n`
}

/** Milliseconds, as `hdr-plot` and its like read them. */
export function hdrPercentiles(histogram: Histogram): string {
  const total = countOf(histogram)
  const rows = ['       Value     Percentile TotalCount 1/(1-Percentile)', '']
  let seen = 0
  let sum = 0
  for (const [bin, count] of histogram.entries()) {
    if (count === 0) continue
    seen += count
    sum += count * middleOf(bin)
    const share = seen / total
    const inverse = seen === total ? '' : (1 / (1 - share)).toFixed(2)
    rows.push(
      `${middleOf(bin).toFixed(3).padStart(12)} ${share.toFixed(12).padStart(14)} ${String(seen).padStart(10)} ${inverse.padStart(14)}`.trimEnd(),
    )
  }
  const mean = total === 0 ? 0 : sum / total
  const max = highestOf(histogram) / 1000
  rows.push(`#[Mean    = ${mean.toFixed(3).padStart(12)}, Max     = ${max.toFixed(3).padStart(12)}]`)
  rows.push(`#[Total count = ${String(total).padStart(10)}]`)
  return `${rows.join('\n')}\n`
}

/** Base64 of the compressed V2 form. */
function encode(histogram: Histogram): string {
  const counts = new Map<number, number>()
  for (const [bin, count] of histogram.entries()) {
    if (count === 0) continue
    const index = indexOf(micros(bin))
    counts.set(index, (counts.get(index) ?? 0) + count)
  }
  const payload = Buffer.from([...zigZags(counts)].flatMap(leb128))
  const head = Buffer.alloc(40)
  head.writeUInt32BE(COOKIE_V2 >>> 0, 0)
  head.writeUInt32BE(payload.length, 4)
  head.writeUInt32BE(0, 8)
  head.writeUInt32BE(SIGNIFICANT_DIGITS, 12)
  head.writeBigUInt64BE(LOWEST, 16)
  head.writeBigUInt64BE(HIGHEST, 24)
  head.writeDoubleBE(1, 32)
  const packed = deflateSync(Buffer.concat([head, payload]))
  const outer = Buffer.alloc(8)
  outer.writeUInt32BE(COOKIE_V2_DEFLATED >>> 0, 0)
  outer.writeUInt32BE(packed.length, 4)
  return Buffer.concat([outer, packed]).toString('base64')
}

/** Counts in the order of their places; a run of empty ones is one negative number. */
function* zigZags(counts: ReadonlyMap<number, number>): Generator<number> {
  let at = 0
  for (const [index, count] of [...counts].sort(([left], [right]) => left - right)) {
    if (index > at) yield -(index - at)
    yield count
    at = index + 1
  }
}

function leb128(value: number): number[] {
  // Zig-zag: small numbers of either sign stay short.
  let left = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n
  const bytes: number[] = []
  // At most nine bytes, the last one whole; counts never come near it.
  while (left >= 0x80n) {
    bytes.push(Number(left & 0x7fn) | 0x80)
    left >>= 7n
  }
  bytes.push(Number(left))
  return bytes
}

/** Place of a value in the counts of a histogram with three digits that starts at 1. */
function indexOf(value: number): number {
  const bucket = Math.max(0, Math.floor(Math.log2(Math.max(1, value))) - 10)
  const sub = Math.floor(value / 2 ** bucket)
  return (bucket + 1) * (SUB_BUCKETS / 2) + (sub - SUB_BUCKETS / 2)
}

function micros(bin: number): number {
  return Math.max(1, Math.round(middleOf(bin) * 1000))
}

function highestOf(histogram: Histogram): number {
  for (let bin = histogram.length - 1; bin >= 0; bin -= 1) if ((histogram[bin] ?? 0) > 0) return micros(bin)
  return 0
}
