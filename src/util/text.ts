// Text from hosts and configs is untrusted: before a person sees it, whatever could move a cursor, colour a screen or
// reorder letters is taken out.

/** Removes ANSI sequences, control characters and bidirectional overrides; tabs become a blank. At most `limit` characters. */
export function cleanText(text: string, limit = 4_000): string {
  const clean = text
    .replace(/\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])/g, '')
    .replace(/\t/g, ' ')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean
}
