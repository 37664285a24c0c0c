// Counts what becomes of arrivals, by the second in which they were due. A second is told once: when it is over and each
// of its arrivals has ended, one way or another, so that offered = done + failures holds in every slice there is.
import { emptyHistogram, type Histogram, recordLatency, toSparse } from '../domain/histogram.ts'
import type { FailureClass, Slice } from '../domain/slice.ts'

/** What is counted apart: one target's requests of one step. */
export type Series = { readonly target: string; readonly scenario: string }

export interface Recorder {
  offered(series: number, second: number): void
  /** @param lagMs null: nothing was intended (closed model) */
  sent(series: number, second: number, lagMs: number | null): void
  /** It was sent and has not ended, and the run is over: as if it had never been offered. */
  withdraw(series: number, second: number): void
  good(series: number, second: number, responseMs: number, serviceMs: number, bytes: number, status: number): void
  /** @param status 0: no answer */
  failed(series: number, second: number, failure: FailureClass, bytes: number, status: number): void
  /** Arrivals that have not ended. */
  readonly open: number
  /** Tells all seconds before this one that are complete, in order; stops at the first that is not, and after the last one known. */
  tell(beforeSecond: number): void
}

type Cell = {
  offered: number
  sent: number
  done: number
  bytes: number
  readonly failures: Partial<Record<FailureClass, number>>
  readonly statuses: Record<string, number>
  readonly response: Histogram
  readonly service: Histogram
  readonly lag: Histogram
}

type Second = { open: number; readonly cells: (Cell | undefined)[] }

export type RecorderOptions = {
  readonly series: readonly Series[]
  readonly isWarmup: (second: number) => boolean
  /** All slices of one second; none when nothing was offered in it. */
  readonly onSecond: (second: number, slices: readonly Slice[]) => void
}

export function createRecorder({ series, isWarmup, onSecond }: RecorderOptions): Recorder {
  const seconds = new Map<number, Second>()
  let told = 0
  let open = 0
  let last = -1

  const secondOf = (number: number): Second => {
    const found = seconds.get(number)
    if (found !== undefined) return found
    const made: Second = { open: 0, cells: [] }
    seconds.set(number, made)
    return made
  }
  const cellOf = (second: Second, index: number): Cell => {
    const found = second.cells[index]
    if (found !== undefined) return found
    const histograms = { response: emptyHistogram(), service: emptyHistogram(), lag: emptyHistogram() }
    const made: Cell = { offered: 0, sent: 0, done: 0, bytes: 0, failures: {}, statuses: {}, ...histograms }
    second.cells[index] = made
    return made
  }
  const ended = (number: number, index: number): Cell => {
    const second = secondOf(number)
    second.open -= 1
    open -= 1
    return cellOf(second, index)
  }
  return {
    offered(index, number) {
      const second = secondOf(number)
      if (number > last) last = number
      second.open += 1
      open += 1
      cellOf(second, index).offered += 1
    },
    sent(index, number, lagMs) {
      const cell = cellOf(secondOf(number), index)
      cell.sent += 1
      if (lagMs !== null) recordLatency(cell.lag, lagMs)
    },
    withdraw(index, number) {
      const cell = ended(number, index)
      cell.offered -= 1
      cell.sent -= 1
    },
    good(index, number, responseMs, serviceMs, bytes, status) {
      const cell = ended(number, index)
      cell.done += 1
      cell.bytes += bytes
      cell.statuses[status] = (cell.statuses[status] ?? 0) + 1
      recordLatency(cell.response, responseMs)
      recordLatency(cell.service, serviceMs)
    },
    failed(index, number, failure, bytes, status) {
      const cell = ended(number, index)
      cell.failures[failure] = (cell.failures[failure] ?? 0) + 1
      cell.bytes += bytes
      if (status !== 0) cell.statuses[status] = (cell.statuses[status] ?? 0) + 1
    },
    get open() {
      return open
    },
    tell(before) {
      for (const end = Math.min(before, last + 1); told < end; told += 1) {
        const second = seconds.get(told)
        if (second !== undefined && second.open > 0) return
        seconds.delete(told)
        const number = told
        const slices = (second?.cells ?? []).flatMap((cell, index) => {
          const of = series[index]
          return cell === undefined || of === undefined ? [] : [toSlice(number, of, cell, isWarmup(number))]
        })
        onSecond(number, slices)
      }
    },
  }
}

function toSlice(second: number, { target, scenario }: Series, cell: Cell, warmup: boolean): Slice {
  return {
    version: 1,
    ...{ second, target, scenario },
    offered: cell.offered,
    sent: cell.sent,
    done: cell.done,
    failures: cell.failures,
    statuses: cell.statuses,
    bytes: cell.bytes,
    response: toSparse(cell.response),
    service: toSparse(cell.service),
    lag: toSparse(cell.lag),
    ...(warmup ? { warmup } : {}),
  }
}
