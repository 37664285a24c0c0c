// Secrets in recorded requests: found by the name they go by or by what they look like, and replaced by a name of our own.
// The value is forgotten at once. Rather one too many than one too few: what was no secret can be put back by hand.

export type Hider = {
  /** `{{ secret.NAME }}`, where this is a secret; null: it is none. */
  hide(name: string, value: string): string | null
  /** Whatever it looks like: this place holds secrets only. */
  always(name: string, value: string): string
  names(): readonly string[]
}

const WORDS = new Set(
  'auth authorization token tokens jwt secret secrets password passwd pwd passphrase apikey accesskey session sessionid sessid phpsessid jsessionid sid csrf xsrf signature sig credential credentials otp pin nonce'.split(
    ' ',
  ),
)
const PAIRS = ['api key', 'access key', 'private key', 'client secret', 'security code', 'card number', 'request verification']
const SHAPES = [
  /^(bearer|basic|digest|token|negotiate)\s+\S/i,
  /eyJ[\w-]{8,}\.[\w-]{4,}\./,
  /^(gh[pousr]_|github_pat_|sk[-_](live|test)[-_]|xox[abprs]-|AKIA|glpat-)/,
]

export function createHider(prefix: string): Hider {
  const known = new Map<string, string>()
  const always: Hider['always'] = (name, value) => {
    const word =
      name
        .replace(/[^A-Za-z0-9]+/g, '_')
        .replace(/^_+|_+$/g, '')
        .toUpperCase()
        .slice(0, 40) || 'VALUE'
    // The key is the name with the value, so that a second value of the same name gets a name of its own.
    const key = `${word}\0${value}`
    const wanted = `${prefix}_${word}`
    const taken = new Set(known.values())
    let own = known.get(key)
    for (let number = 1; own === undefined; number += 1) {
      const candidate = number === 1 ? wanted : `${wanted}_${number}`
      if (!taken.has(candidate)) own = candidate
    }
    known.set(key, own)
    return `{{ secret.${own} }}`
  }
  return {
    hide: (name, value) => (value !== '' && (isSecretName(name) || looksSecret(value)) ? always(name, value) : null),
    always,
    names: () => [...new Set(known.values())],
  }
}

export function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
  const joined = words.join(' ')
  return words.some((word) => WORDS.has(word)) || PAIRS.some((pair) => joined.includes(pair)) || WORDS.has(words.join(''))
}

/** A login, a signed token, a key with a known beginning, or a long word that nobody typed. */
export function looksSecret(value: string): boolean {
  if (SHAPES.some((shape) => shape.test(value))) return true
  return (
    /^[A-Za-z0-9+/_=-]{32,}$/.test(value) &&
    /[0-9]/.test(value) &&
    /[A-Za-z]/.test(value) &&
    !/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value)
  )
}
