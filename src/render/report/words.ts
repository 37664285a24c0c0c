// Words of reports. An address may carry a token in its query, and a report is passed around: it is shown without.

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
