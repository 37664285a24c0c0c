// The histogram and its export, compared with sorted lists and with HdrHistogram's own JavaScript reader.
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BIN_COUNT,
  binOf,
  countOf,
  emptyHistogram,
  MAX_MS,
  MIN_MS,
  mergeInto,
  middleOf,
  quantile,
  recordLatency,
  toSparse,
} from '../../../src/domain/histogram.ts'
import { hdrLogHead, hdrLogLine, hdrPercentiles } from '../../../src/load/hdr.ts'

const times = fc.array(fc.double({ min: MIN_MS, max: MAX_MS, noNaN: true }), { minLength: 1, maxLength: 300 })

function of(values: readonly number[]) {
  const histogram = emptyHistogram()
  for (const value of values) recordLatency(histogram, value)
  return histogram
}

describe('a histogram', () => {
  test('has every quantile of the sorted list within 1 %', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const sorted = [...values].sort((left, right) => left - right)
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN
        expect(Math.abs((quantile(of(values), q) ?? Number.NaN) - exact) / exact).toBeLessThan(0.01)
      }),
    )
  })

  test('merged from parts, dense or sparse, is the histogram of the whole', () => {
    fc.assert(
      fc.property(times, times, (left, right) => {
        const merged = of(left)
        mergeInto(merged, of(right))
        const sparse = emptyHistogram()
        mergeInto(sparse, toSparse(of(left)))
        mergeInto(sparse, toSparse(of(right)))
        expect(merged).toEqual(of([...left, ...right]))
        expect(sparse).toEqual(merged)
        expect(countOf(merged)).toBe(left.length + right.length)
      }),
    )
  })

  test('ranks a failure as slower than any success', () => {
    const histogram = of([10, 10, 10, 10, 10, 10, 10, 10, 10])
    expect(quantile(histogram, 0.9, 1)).toBeCloseTo(10, 0)
    expect(quantile(histogram, 0.91, 1)).toBe(Number.POSITIVE_INFINITY)
    expect(quantile(emptyHistogram(), 0.5, 3)).toBe(Number.POSITIVE_INFINITY)
    expect(quantile(emptyHistogram(), 0.5)).toBeNull()
  })

  test('takes whatever a clock may say', () => {
    for (const [ms, bin] of [
      [0, 0],
      [-1, 0],
      [Number.NaN, 0],
      [MIN_MS, 0],
      [MAX_MS * 10, BIN_COUNT - 1],
      [Number.POSITIVE_INFINITY, BIN_COUNT - 1],
    ] as const)
      expect(binOf(ms)).toBe(bin)
    for (let bin = 1; bin < BIN_COUNT; bin += 1) expect(binOf(middleOf(bin))).toBe(bin)
  })
})

// autocannon brings it: another implementation than ours, by HdrHistogram's own people.
const autocannon = createRequire(import.meta.url).resolve('autocannon')
const hdr = createRequire(autocannon)('hdr-histogram-js') as {
  decodeFromCompressedBase64(text: string): {
    readonly totalCount: number
    getValueAtPercentile(percentile: number): number
    readonly maxValue: number
    readonly minNonZeroValue: number
  }
}

describe('the export', () => {
  test('is read by HdrHistogram with every count and with the quantiles of ours', () => {
    fc.assert(
      fc.property(times, (values) => {
        const histogram = of(values)
        const line = hdrLogLine({ startSeconds: 1, lengthSeconds: 1, histogram }).trim()
        const read = hdr.decodeFromCompressedBase64(line.split(',').at(-1) ?? '')
        expect(read.totalCount).toBe(values.length)
        for (const percentile of [50, 90, 99, 100]) {
          // What HdrHistogram calls a value is the highest of its step: a thousandth, and half a microsecond of rounding.
          const ours = (quantile(histogram, percentile / 100) ?? Number.NaN) * 1000
          const theirs = read.getValueAtPercentile(percentile)
          expect(Math.abs(theirs - ours)).toBeLessThanOrEqual(Math.max(1, ours * 0.002))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('holds counts of millions, and its text form names time, length and tag', () => {
    const histogram = emptyHistogram()
    recordLatency(histogram, 20, 12_345_678)
    recordLatency(histogram, 590_000, 3)
    const line = hdrLogLine({ startSeconds: 0, lengthSeconds: 1, histogram, tag: 'new, one' }).trim()
    expect(line).toMatch(/^Tag=new__one,0\.000,1\.000,59\d{4}\.\d{3},HISTFA/)
    expect([...hdrLogHead(Date.UTC(2026, 0, 1))]).toContain('#[Histogram log format version 1.3]\n')
    expect(hdr.decodeFromCompressedBase64(line.split(',').at(-1) ?? '').totalCount).toBe(12_345_681)
  })

  test('as a percentile table ends with everything, and names mean and maximum', () => {
    const table = hdrPercentiles(of([10, 20, 30, 40])).split('\n')
    expect(table[0]).toBe('       Value     Percentile TotalCount 1/(1-Percentile)')
    expect(table.filter((row) => /^\s+\d/.test(row)).map((row) => row.trim().split(/\s+/).slice(1))).toEqual([
      ['0.250000000000', '1', '1.33'],
      ['0.500000000000', '2', '2.00'],
      ['0.750000000000', '3', '4.00'],
      ['1.000000000000', '4'],
    ])
    expect(table.at(-3)).toMatch(/^#\[Mean {4}= +2[45]\.\d{3}, Max {5}= +\d{2}\.\d{3}\]$/)
    expect(hdrPercentiles(emptyHistogram())).toContain('#[Total count =          0]')
  })
})
