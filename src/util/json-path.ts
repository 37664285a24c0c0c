// A small part of JSONPath, enough to find a release in a health answer or a value in a load test: `$.a.b[0]`, `$['odd key']`, `a.b`.

export type JsonPath = readonly (string | number)[]

/** @returns null when the text is no such path */
export function parseJsonPath(text: string): JsonPath | null {
  const steps: (string | number)[] = []
  let rest = text.startsWith('$') ? text.slice(1) : text === '' || /^[.[]/.test(text) ? null : `.${text}`
  if (rest === null) return null
  while (rest !== '') {
    const match: RegExpExecArray | null = /^(?:\.([^.[\]'"\s]+)|\[(\d{1,9})\]|\['([^']*)'\]|\["([^"]*)"\])/.exec(rest)
    if (match === null) return null
    const [whole, name, index, single, double] = match
    steps.push(index === undefined ? (name ?? single ?? double ?? '') : Number(index))
    rest = rest.slice(whole.length)
  }
  return steps
}

/** What lies there; undefined when the path leads nowhere. Only own members count. */
export function atJsonPath(value: unknown, path: JsonPath): unknown {
  let at = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined
    if (typeof step === 'number' ? !Array.isArray(at) : Array.isArray(at)) return undefined
    if (!Object.hasOwn(at, step)) return undefined
    at = (at as Readonly<Record<string | number, unknown>>)[step]
  }
  return at
}
