// Looks into JSON that somebody else wrote: every step may lead nowhere, every value may be of another type.
import { UnreadableError } from './reading.ts'

export function parseDocument(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UnreadableError(/[}\]]\s*$/.test(text) ? 'it is no JSON' : 'its JSON is cut in the middle')
  }
}

/** @returns undefined where the path leads nowhere; only own members count */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null || Array.isArray(here) || !Object.hasOwn(here, step)) return undefined
    // It is an object with this own member.
    here = (here as Readonly<Record<string, unknown>>)[step]
  }
  return here
}

/** A number that counts or measures something: finite and not below zero. */
export function numberAt(value: unknown, ...path: readonly string[]): number | null {
  const found = at(value, ...path)
  return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : null
}

/** @throws UnreadableError where it is missing or no number */
export function needNumber(value: unknown, ...path: readonly string[]): number {
  const found = numberAt(value, ...path)
  if (found === null) throw new UnreadableError(`${path.join('.')} is missing in it, or no number`)
  return found
}

export function entriesAt(value: unknown, ...path: readonly string[]): readonly (readonly [string, unknown])[] {
  const found = at(value, ...path)
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? Object.entries(found) : []
}

export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export function textAt(value: unknown, ...path: readonly string[]): string | null {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : null
}
