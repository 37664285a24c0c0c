// A share of the fleet: a number of hosts, or a percentage of them (rounded up).

export type Share = { readonly kind: 'count'; readonly count: number } | { readonly kind: 'percent'; readonly percent: number }

/** How many of `total` a share means: percentages round up, and nothing exceeds the total. */
export function shareOf(share: Share, total: number): number {
  // 66 % of 50 must be 33 and not 34 because of 0.66 * 50 = 33.00000000000001.
  const exact = share.kind === 'count' ? share.count : Math.ceil((share.percent * total) / 100 - 1e-9)
  return Math.max(0, Math.min(total, exact))
}

export function showShare(share: Share): string {
  return share.kind === 'count' ? String(share.count) : `${share.percent}%`
}
