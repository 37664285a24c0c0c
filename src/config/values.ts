// What single values may be: durations, shares, paths, addresses… Each is one `Kind`: a function that says in words what
// is wrong and how it is written right, and the JSON Schema for editors, which may be looser than the function.
import type { Clause } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import type { Template } from '../domain/config.ts'
import type { LoadRange } from '../domain/load.ts'
import type { Share } from '../domain/share.ts'
import type { Json, Kind, Parsed } from './shape.ts'
import { hostileIn, nearest, showText } from './text.ts'

export const bad = (problem: string): { readonly problem: string } => ({ problem })
export const seen = (value: unknown): string =>
  typeof value === 'string' ? showText(value) : showText(JSON.stringify(value) ?? '', { quotes: false })

/** Text on one line, not empty, harmless to a terminal; `test` adds what this kind of text must be. */
export function text(
  says: string,
  test: (value: string) => string | null = () => null,
  options: { readonly atMost?: number; readonly lines?: boolean; readonly json?: Json } = {},
): Kind<string> {
  const atMost = options.atMost ?? 1024
  return {
    says,
    json: { type: 'string', minLength: 1, ...options.json },
    parse: (value) => {
      if (typeof value === 'number' || typeof value === 'boolean') return bad(`must be text: put ${seen(value)} in quotes`)
      if (typeof value !== 'string') return bad(`must be ${says}`)
      if (value.trim() === '') return bad('is empty')
      const hostile = hostileIn(value, options.lines === undefined ? {} : { lines: options.lines })
      if (hostile !== null) return bad(`contains ${hostile}`)
      if (value.length > atMost)
        return bad(`is ${value.length} characters long, at most ${atMost} are allowed: ${showText(value, { atMost: 24 })}`)
      const problem = test(value)
      return problem === null ? { value } : bad(problem)
    },
  }
}

/** A shell line, or several. */
export const shellLine: Kind<string> = text('a shell line', undefined, { atMost: 64 * 1024, lines: true })

export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  const says = words.map((word) => `\`${word}\``).join(', ')
  return {
    says: words.length === 1 ? says : `one of ${says}`,
    json: { enum: words },
    parse: (value) => {
      const found = words.find((word) => word === value)
      if (found !== undefined) return { value: found }
      const meant = typeof value === 'string' ? nearest(value, words) : null
      return { problem: `is ${seen(value)}, must be ${words.join(' or ')}`, ...(meant === null ? {} : { nearest: meant }) }
    },
  }
}

export const yesNo: Kind<boolean> = {
  says: '`true` or `false`',
  json: { type: 'boolean' },
  parse: (value) => (typeof value === 'boolean' ? { value } : bad(`is ${seen(value)}, must be true or false`)),
}

export function whole(says: string, least: number, most: number): Kind<number> {
  return {
    says,
    json: { type: 'integer', minimum: least, maximum: most },
    parse: (value) => {
      if (typeof value === 'string' && /^\d+(\.\d+)?%$/.test(value))
        return bad(`is ${seen(value)}: a percentage is not allowed here, write a number`)
      if (typeof value !== 'number' || !Number.isInteger(value)) return bad(`is ${seen(value)}, must be a whole number`)
      return value < least || value > most ? bad(`is ${value}, must be from ${least} to ${most}`) : { value }
    },
  }
}
export const port: Kind<number> = whole('a port, 1 to 65535', 1, 65_535)

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds. */
export function duration(least: '0s' | '1ms' | '50ms' = '1ms'): Kind<number> {
  const leastMs = { '0s': 0, '1ms': 1, '50ms': 50 }[least]
  return {
    says: 'a duration such as `500ms`, `10s`, `5m`, `1h`',
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$' },
    parse: (value) => {
      if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) {
        return bad(`is ${seen(value)} without a unit: write ${value}s or ${value}ms`)
      }
      const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value) : null
      if (match === null) return bad(`is ${seen(value)}, must be a duration such as 500ms, 10s, 5m or 1h`)
      const ms = Math.round(Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN))
      if (ms < leastMs) return bad(`is ${seen(value)}, must be at least ${least}`)
      return ms > 7 * 24 * 3_600_000 ? bad(`is ${seen(value)}, must be at most 168h`) : { value: ms }
    },
  }
}

/** A number of hosts, or a percentage of them. */
export function share(options: { readonly zero: boolean }): Kind<Share> {
  const least = options.zero ? 0 : 1
  return {
    says: 'a number of hosts or a percentage such as `25%`',
    json: {
      anyOf: [
        { type: 'integer', minimum: least },
        { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?%?$' },
      ],
    },
    parse: (value) => {
      const written = typeof value === 'number' ? String(value) : value
      const match = typeof written === 'string' ? /^(\d+(?:\.\d+)?)(%?)$/.exec(written) : null
      if (match === null) return bad(`is ${seen(value)}, must be a number of hosts or a percentage such as 25%`)
      const number = Number(match[1])
      if (match[2] === '%') {
        if (number > 100) return bad(`is ${seen(value)}: a percentage is at most 100%`)
        return number === 0 && !options.zero ? bad('is 0%, must be more than 0%') : { value: { kind: 'percent', percent: number } }
      }
      if (!Number.isSafeInteger(number)) return bad(`is ${seen(value)}, must be a whole number of hosts or a percentage`)
      return number < least ? bad(`is ${number}, must be at least ${least}`) : { value: { kind: 'count', count: number } }
    },
  }
}

function rateUpTo(most: number): Kind<number> {
  return {
    says: 'a rate such as `20/s` or `30/m`',
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?/(s|m)$' },
    parse: (value) => {
      const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\/(s|m)$/.exec(value) : null
      if (match === null) return bad(`is ${seen(value)}, must be a rate such as 20/s`)
      const perSecond = Number(match[1]) / (match[2] === 'm' ? 60 : 1)
      return perSecond <= 0 || perSecond > most ? bad(`is ${seen(value)}, must be above 0 and at most ${most}/s`) : { value: perSecond }
    },
  }
}
/** Requests a second. */
export const rate: Kind<number> = rateUpTo(1000)
/** Of a load test: what one machine can send at all. */
export const loadRate: Kind<number> = rateUpTo(100_000)

/** `75s..300s`, or `60s` for both. */
export function durationRange(least: '0s' | '1s'): Kind<LoadRange> {
  const one = duration('0s')
  return {
    says: 'a duration such as `60s`, or at least..at most: `75s..300s`',
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)(\\.\\.[0-9]+(\\.[0-9]+)?(ms|s|m|h))?$' },
    parse: (value) => {
      const [first, last = first, ...more] = typeof value === 'string' ? value.split('..') : [value]
      if (more.length > 0) return bad(`is ${seen(value)}, must be a duration or two of them, such as 75s..300s`)
      const [from, to] = [one.parse(first), one.parse(last)]
      if ('problem' in from) return from
      if ('problem' in to) return to
      if (least === '1s' && from.value < 1000) return bad(`is ${seen(value)}, must be at least 1s`)
      return from.value > to.value
        ? bad(`is ${seen(value)}: the first must not be longer than the second`)
        : { value: { atLeastMs: from.value, atMostMs: to.value } }
    },
  }
}

/** As a share. An objective or a chance: neither nothing nor all. */
export function percent(what: 'objective' | 'chance'): Kind<number> {
  const most = what === 'chance' ? 50 : 100
  return {
    says: `a percentage such as \`${what === 'chance' ? '1%' : '99.9%'}\``,
    json: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?%$' },
    parse: (value) => {
      const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(value) : null
      if (match === null) return bad(`is ${seen(value)}, must be a percentage such as ${what === 'chance' ? '1%' : '99.9%'}`)
      const number = Number(match[1])
      return number <= 0 || number >= most
        ? bad(`is ${seen(value)}, must be above 0% and below ${most}%`)
        : { value: Number((number / 100).toPrecision(12)) }
    },
  }
}

export const hostEffect: Kind<number | 'ignore'> = {
  says: 'a percentage, or `ignore`',
  json: { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?%|ignore)$' },
  parse: (value) => (value === 'ignore' ? { value } : percent('chance').parse(value)),
}

type Status = number | `${number}xx`
export const status: Kind<Status> = {
  says: 'a status such as `201`, or a class such as `2xx`',
  json: {
    anyOf: [
      { type: 'integer', minimum: 100, maximum: 599 },
      { type: 'string', pattern: '^[1-5]xx$' },
    ],
  },
  parse: (value) => {
    const whole = typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599
    if (whole) return { value }
    const match = typeof value === 'string' ? /^([1-5])xx$/.exec(value) : null
    return match === null
      ? bad(`is ${seen(value)}, must be a status such as 201, or a class such as 2xx`)
      : { value: `${Number(match[1])}xx` }
  },
}

/** The exact value; null: any. */
export const textOrTrue: Kind<string | null> = {
  says: 'text, or `true`',
  json: { type: ['string', 'boolean'] },
  parse: (value) => (value === true ? { value: null } : text('text, or true').parse(value)),
}

export const plain: Kind<string | number | boolean> = {
  says: 'text, a number, true or false',
  json: { type: ['string', 'number', 'boolean'] },
  parse: (value) => {
    if (typeof value === 'number' || typeof value === 'boolean') return { value }
    return typeof value === 'string' ? { value } : bad('must be text, a number, true or false')
  },
}

/** What JSON can say. */
export const anything: Kind<unknown> = {
  says: 'anything',
  json: {},
  parse: (value) => (JSON.stringify(value).length > 1_000_000 ? bad('is longer than a megabyte') : { value }),
}

export const abortIf: Kind<{ readonly errorRate: number; readonly forMs: number }> = {
  says: 'such as `errors > 5% for 10s`',
  json: { type: 'string', pattern: '^errors *> *[0-9.]+% +for +[0-9.]+(ms|s|m|h)$' },
  parse: (value) => {
    const match = typeof value === 'string' ? /^errors\s*>\s*(\S+)\s+for\s+(\S+)$/.exec(value.trim()) : null
    if (match === null) return { ...bad(`is ${seen(value)}, must be such as errors > 5% for 10s`), nearest: 'errors > 5% for 10s' }
    const [share, forMs] = [percent('objective').parse(match[1]), duration().parse(match[2])]
    if ('problem' in share) return share
    return 'problem' in forMs ? forMs : { value: { errorRate: share.value, forMs: forMs.value } }
  },
}

/** One line of a gate's `pass`. */
export const clauseLine: Kind<Clause> = {
  says: 'a clause such as `p95 < 300ms`',
  json: { type: 'string', minLength: 1 },
  parse: (value) => {
    const line = text('a clause such as `p95 < 300ms`', undefined, { atMost: 200 }).parse(value)
    if ('problem' in line) return line
    const parsed = parseClause(line.value)
    return 'clause' in parsed ? { value: parsed.clause } : parsed
  },
}

/** Marks a value that `load` has already cut into text and secrets; nobody can write a symbol in YAML. */
export const TEMPLATE: unique symbol = Symbol('template')

export const template: Kind<Template> = {
  says: `text; \`\${secret.NAME}\` stands for a secret`,
  json: { type: ['string', 'number', 'boolean'] },
  parse: (value): Parsed<Template> => {
    if (typeof value !== 'object' || value === null || !(TEMPLATE in value)) return bad('must be text, a number, true or false')
    const parts = value[TEMPLATE] as Template
    for (const part of parts) {
      const hostile = typeof part === 'string' ? hostileIn(part, { lines: true }) : null
      if (hostile !== null) return bad(`contains ${hostile}`)
    }
    return { value: parts }
  },
}
