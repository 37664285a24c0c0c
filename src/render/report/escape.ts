// Text into HTML and XML: everything that came from a configuration, a host or another tool goes through here, so that
// no name can be a tag, end a script, turn the reading direction or draw over its neighbours.
import { oneLine } from '../words.ts'

const SIGNS: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** One line of text, safe between tags and in quoted attributes of HTML and XML. */
export function escapeMarkup(text: string, limit = 1_000): string {
  return visible(oneLine(text, limit)).replace(/[&<>"']/g, (sign) => SIGNS[sign] ?? '')
}

/**
 * Without what XML forbids, and without invisible letters that could hide something: joiners between emoji stay apart,
 * which is a small loss.
 */
function visible(text: string): string {
  return text.replace(/[\u200b-\u200d\u2028\u2029\u2060-\u2064\u061c\ufeff\ufffe\uffff]/g, '')
}
