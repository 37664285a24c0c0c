// Words of reports. An address may carry a token in its query, and a report is passed around: it is shown without.
import type { ColdPhase } from '../../domain/gate.ts'

export function withoutQuery(text: string): string {
  if (!URL.canParse(text)) return text.replace(/\?.*$/s, '?…')
  const url = new URL(text)
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`
}

export const VERDICT_WORDS = { pass: 'PASS', fail: 'FAIL', inconclusive: 'INCONCLUSIVE', invalid: 'INVALID' } as const
export const VERDICT_SIGNS = { pass: '✔', fail: '✖', inconclusive: '?', invalid: '!' } as const
export const VERDICT_MEANS = {
  pass: 'every clause that counts holds',
  fail: 'a clause is proven broken',
  inconclusive: 'the data are good, and not enough to say',
  invalid: 'the data cannot be trusted, or there are none',
} as const

export const CAPACITY_OUTCOMES = { holds: '✔ holds', breaks: '✖ breaks', saturated: '! not sent in time' } as const

/** `answered well from second 2 on, steady after 35 s; 14 of 350 requests failed until then`. */
export function coldWords({ firstSuccessSecond, steadySecond, failures, arrivals }: ColdPhase): string {
  const first = firstSuccessSecond === null ? 'never answered well' : `answered well from second ${firstSuccessSecond} on`
  const steady = steadySecond === null ? '' : `, steady after ${steadySecond} s`
  return `${first}${steady}; ${failures} of ${arrivals} requests failed ${steadySecond === null ? 'during the warm-up' : 'until then'}`
}
