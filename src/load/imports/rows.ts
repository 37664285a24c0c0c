// Requests of another tool, one by one in any order → slices, as if our own driver had seen them. Keeps counts and bins by
// second, so that a file of many gigabytes needs no more memory than a short one. Careful about times that are nonsense:
// they would make a year of empty seconds.
import { binOf, MIN_MS, type SparseHistogram } from '../../domain/histogram.ts'
import type { FailureClass, Slice } from '../../domain/slice.ts'

export type ImportArm = 'canary' | 'baseline'

export type ImportRow = {
  /** When it was sent, milliseconds since the epoch (or of any other zero, the same for all). */
  readonly at: number
  readonly ms: number
  readonly failure: FailureClass | null
  readonly arm?: ImportArm | null
  readonly status?: number
  readonly bytes?: number
}

export type RowsRead = {
  readonly slices: readonly Slice[]
  readonly requests: number
  readonly failures: number
  readonly measuredMs: number | null
  /** Every request says which release it went to, and both got some. */
  readonly hasArms: boolean
  /** Good answers that became failures because a check did not hold. */
  readonly checks: number
  /** Rows that are no requests: their numbers are missing or impossible. */
  readonly bad: number
}

export type Rows = {
  /** A row that makes no sense is counted, and nothing else. */
  add(row: ImportRow): void
  /** An arrival that was never sent. */
  shed(at: number, arm: ImportArm | null, count: number): void
  /** One request, of those that were added as good, whose check did not hold. Which one is not known. */
  failedCheck(at: number, arm: ImportArm | null): void
  bad(): void
  finish(): RowsRead
}

type Cell = {
  done: number
  bytes: number
  checks: number
  readonly failures: Map<FailureClass, number>
  readonly statuses: Map<number, number>
  readonly bins: Map<number, number>
}

/** Longer than any load test; a time farther off is a mistake in the file. */
const LONGEST_S = 7 * 24 * 3600

export function createRows(): Rows {
  const cells = new Map<ImportArm | null, Map<number, Cell>>()
  let origin: number | null = null
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let bad = 0

  const cellAt = (at: number, arm: ImportArm | null): Cell | null => {
    origin ??= at
    const second = Math.floor((at - origin) / 1000)
    if (!(Math.abs(second) <= LONGEST_S)) return null
    const ofArm = cells.get(arm) ?? new Map<number, Cell>()
    cells.set(arm, ofArm)
    const cell = ofArm.get(second) ?? { done: 0, bytes: 0, checks: 0, failures: new Map(), statuses: new Map(), bins: new Map() }
    ofArm.set(second, cell)
    return cell
  }

  return {
    add({ at, ms, failure, arm = null, status, bytes }) {
      const isSane = Number.isFinite(at) && Number.isFinite(ms) && ms >= 0 && ms < LONGEST_S * 1000
      const cell = isSane ? cellAt(at, arm) : null
      if (cell === null) {
        bad += 1
        return
      }
      first = Math.min(first, at)
      last = Math.max(last, at + ms)
      if (bytes !== undefined && Number.isFinite(bytes) && bytes > 0) cell.bytes += bytes
      if (status !== undefined && Number.isInteger(status) && status >= 100 && status < 1000) addTo(cell.statuses, status, 1)
      if (failure !== null) addTo(cell.failures, failure, 1)
      else {
        cell.done += 1
        addTo(cell.bins, binOf(ms), 1)
      }
    },
    shed(at, arm, count) {
      const cell = Number.isFinite(at) && Number.isInteger(count) && count > 0 ? cellAt(at, arm) : null
      if (cell === null) bad += 1
      else addTo(cell.failures, 'shed', count)
    },
    failedCheck(at, arm) {
      const cell = Number.isFinite(at) ? cellAt(at, arm) : null
      if (cell === null) bad += 1
      else cell.checks += 1
    },
    bad() {
      bad += 1
    },
    finish() {
      for (const ofArm of cells.values())
        moveFailedChecks([...ofArm.entries()].sort(([left], [right]) => left - right).map(([, cell]) => cell))
      const hasArms = cells.has('canary') && cells.has('baseline') && !cells.has(null)
      const earliest = Math.min(
        ...[...cells.values()].map((ofArm) => [...ofArm.keys()].reduce((least, second) => Math.min(least, second), LONGEST_S)),
      )
      const slices = [...cells].flatMap(([arm, ofArm]) =>
        [...ofArm]
          .sort(([left], [right]) => left - right)
          .map(([second, cell]) => sliceOf(second - earliest, hasArms ? (arm ?? 'target') : 'target', cell)),
      )
      const counted = (of: (slice: Slice) => number): number => slices.reduce((sum, slice) => sum + of(slice), 0)
      const requests = counted((slice) => slice.offered)
      return {
        slices,
        requests,
        failures: requests - counted((slice) => slice.done),
        measuredMs: last >= first ? last - first : null,
        hasArms,
        checks: counted((slice) => slice.failures.check ?? 0),
        bad,
      }
    },
  }
}

/**
 * A check says "failed" about a request without saying which. As many good requests of its second, or of one nearby, become
 * failures; those that failed anyway (a 500 fails its check too) are not counted twice. The fastest are taken for the failed
 * ones: what is left is never faster than it was.
 */
function moveFailedChecks(cells: readonly Cell[]): void {
  const failed = cells.reduce(
    (sum, cell) => sum + [...cell.failures].reduce((own, [kind, count]) => own + (kind === 'shed' ? 0 : count), 0),
    0,
  )
  let left = cells.reduce((sum, cell) => sum + cell.checks, 0) - failed
  const take = (cell: Cell, most: number): void => {
    const count = Math.min(left, most, cell.done)
    if (count <= 0) return
    left -= count
    cell.done -= count
    addTo(cell.failures, 'check', count)
    removeFastest(cell.bins, count)
  }
  for (const cell of cells) take(cell, cell.checks)
  for (const cell of cells) take(cell, cell.done)
}

export function removeFastest(bins: Map<number, number>, count: number): void {
  let left = count
  for (const bin of [...bins.keys()].sort((one, other) => one - other)) {
    const here = bins.get(bin) ?? 0
    const taken = Math.min(here, left)
    left -= taken
    if (taken === here) bins.delete(bin)
    else bins.set(bin, here - taken)
    if (left === 0) return
  }
}

function sliceOf(second: number, target: string, cell: Cell): Slice {
  const failures = [...cell.failures.values()].reduce((sum, count) => sum + count, 0)
  const shed = cell.failures.get('shed') ?? 0
  const response = sparse(cell.bins)
  return {
    version: 1,
    second,
    target,
    scenario: 'imported',
    offered: cell.done + failures,
    sent: cell.done + failures - shed,
    done: cell.done,
    failures: Object.fromEntries(cell.failures),
    statuses: Object.fromEntries(cell.statuses),
    bytes: cell.bytes,
    response,
    service: response,
    lag: [],
  }
}

/** One slice of a run whose times are known only as a whole. */
export function wholeSlice(
  second: number,
  counts: { readonly done: number; readonly failures: Readonly<Partial<Record<FailureClass, number>>>; readonly bytes?: number },
  bins: ReadonlyMap<number, number>,
): Slice {
  const failures = Object.values(counts.failures).reduce((sum, count) => sum + count, 0)
  const response = sparse(bins)
  return {
    ...{ version: 1, second, target: 'target', scenario: 'imported' },
    ...{ offered: counts.done + failures, sent: counts.done + failures, done: counts.done, failures: counts.failures },
    ...{ bytes: counts.bytes ?? 0, response, service: response, lag: [] },
  }
}

/** Counts and times known as a whole only, evenly over the seconds that it took: an even rate is made up, the totals are not. */
export function evenSlices(
  seconds: number,
  counts: { readonly done: number; readonly failed: number },
  bins: ReadonlyMap<number, number>,
): readonly Slice[] {
  const pieces = Math.min(LONGEST_S, Math.max(1, Math.round(seconds)))
  const part = (count: number, piece: number): number => Math.round(((piece + 1) * count) / pieces) - Math.round((piece * count) / pieces)
  return Array.from({ length: pieces }, (_, piece) => {
    const failed = part(counts.failed, piece)
    return wholeSlice(
      piece,
      { done: part(counts.done, piece), failures: failed > 0 ? { other: failed } : {} },
      piece === 0 ? bins : new Map(),
    )
  })
}

export function sparse(bins: ReadonlyMap<number, number>): SparseHistogram {
  return [...bins].sort(([left], [right]) => left - right)
}

/** A bucket of somebody else's histogram, spread evenly as they do when they say a quantile. */
export function spreadOver(bins: Map<number, number>, fromMs: number, toMs: number, count: number): void {
  const pieces = Math.max(1, Math.min(count, 1_000))
  const lowest = Math.max(fromMs, MIN_MS / 2)
  let placed = 0
  for (let piece = 0; piece < pieces; piece += 1) {
    const until = Math.round(((piece + 1) / pieces) * count)
    addTo(bins, binOf(lowest + ((piece + 1) / pieces) * (Math.max(toMs, lowest) - lowest)), until - placed)
    placed = until
  }
}

export function addTo<Key>(map: Map<Key, number>, key: Key, count: number): void {
  if (count !== 0) map.set(key, (map.get(key) ?? 0) + count)
}
