// `${NAME}`, `${NAME:-default}`, `${secret.NAME}` and the escape `$${`. What a variable brings is never looked at again:
// no variable can name another one. Shell lines are no exception: a variable of the shell's own is written `$${NAME}`.
import type { Report } from './problems.ts'
import { nearest, showText } from './text.ts'
import { mapScalars, type Node, type Path, type Scalar } from './tree.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Part = string | { readonly secret: string }

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s
const SECRET = /^secret\.([A-Za-z_][A-Za-z0-9_]*)$/

/** Only here a secret may stand: the value is looked up when a release is installed, and never written down. */
function takesSecrets(path: Path): boolean {
  return path.length === 3 && path[0] === 'release' && path[1] === 'env'
}

/** The tree with every reference filled in; what is missing or malformed is reported at its value. */
export function filledIn(root: Node, env: Environment, secrets: readonly string[], report: Report): Node {
  return mapScalars(root, [], (scalar, path) => (typeof scalar.value === 'string' ? fill(scalar, path, env, secrets, report) : scalar))
}

/** What the environment brought may be a secret in the wrong place: problems name the variable, not the value. */
export function hidingFilled(root: Node, report: Report): Report {
  const filled = new Map<string, Scalar>()
  mapScalars(root, [], (scalar) => {
    if (scalar.filled) filled.set(`${scalar.at.line}:${scalar.at.column}`, scalar)
    return scalar
  })
  return (at, key, message, meant) => {
    const scalar = filled.get(`${at.line}:${at.column}`)
    const value = scalar?.filled
    if (scalar === undefined || value === undefined) return report(at, key, message, meant)
    const shown = [60, 24].flatMap((atMost) => [showText(value, { atMost }), showText(value, { quotes: false, atMost })])
    // A short value is part of ordinary words: it is replaced only where it is quoted.
    const hidden = [...shown, value].filter((text) => text.length >= 5 || text.startsWith('"'))
    report(
      at,
      key,
      hidden.reduce((said, text) => said.replaceAll(text, () => showText(scalar.source)), message),
    )
  }
}

function fill(scalar: Scalar, path: Path, env: Environment, secrets: readonly string[], report: Report): Scalar {
  const given = String(scalar.value)
  if (!given.includes('${')) return scalar
  const parts: Part[] = []
  let filled = false
  let last = 0
  for (const match of given.matchAll(REFERENCE)) {
    parts.push(given.slice(last, match.index))
    last = match.index + match[0].length
    if (match[1] === undefined) {
      parts.push('${')
      continue
    }
    filled = true
    const found = match[2] === '' ? `${showText(match[0])} is not closed` : lookUp(match[1], env, secrets, takesSecrets(path))
    if (typeof found !== 'string') {
      parts.push(found.part)
      continue
    }
    const known = SECRET.exec(match[1])?.[1]
    report(scalar.at, scalar.key, found, known === undefined || !takesSecrets(path) ? null : nearest(known, secrets))
  }
  parts.push(given.slice(last))
  const text = parts.filter((part) => typeof part === 'string').join('')
  const value = scalar.plain && filled ? asPlain(text) : text
  return {
    ...scalar,
    value,
    ...(filled ? { filled: text } : {}),
    ...(parts.some((part) => typeof part !== 'string') ? { parts: joined(parts) } : {}),
  }
}

/** A part, or what is wrong. */
function lookUp(inside: string, env: Environment, secrets: readonly string[], secretsAllowed: boolean): { readonly part: Part } | string {
  if (inside.startsWith('secret.')) {
    const name = SECRET.exec(inside)?.[1]
    if (name === undefined) return `\${${showText(inside, { quotes: false })}} does not name a secret`
    if (!secretsAllowed) return `\${secret.${name}} may stand only in the values of release.env`
    return secrets.includes(name) ? { part: { secret: name } } : `secret ${showText(name)} is not under \`secrets\``
  }
  const match = VARIABLE.exec(inside)
  if (match?.[1] === undefined) {
    return `\${${showText(inside, { quotes: false })}} is not a variable: write \${NAME} or \${NAME:-default}, or $\${ for the text itself`
  }
  const value = Object.hasOwn(env, match[1]) ? env[match[1]] : undefined
  if (match[2] !== undefined) return { part: value === undefined || value === '' ? match[2] : value }
  if (value !== undefined) return { part: value }
  return `environment variable ${match[1]} is not set; \${${match[1]}:-default} gives a default, $\${${match[1]}} leaves it to the shell`
}

function joined(parts: readonly Part[]): readonly Part[] {
  const result: Part[] = []
  for (const part of parts) {
    const last = result.at(-1)
    if (part === '') continue
    if (typeof part === 'string' && typeof last === 'string') result[result.length - 1] = last + part
    else result.push(part)
  }
  return result
}

/** `port: ${PORT}` is a number, as if it had been written there. */
function asPlain(text: string): string | number | boolean {
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) && Number.isSafeInteger(Math.trunc(Number(text)))) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text
}
