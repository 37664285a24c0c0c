// A draft → the block of rollgate.yml. Values are written as JSON, which YAML reads as it stands, so that no recorded text
// can become a key, a comment or a template of ours: `${` is escaped, only our own `{{ secret.NAME }}` is a template.
import type { LoadRequest } from '../../domain/load.ts'
import { cleanText } from '../../util/text.ts'
import type { Draft } from './draft.ts'

/** Few requests at first: whoever reads the block raises them. */
const RATE = '5/s'

/** @param source the name of the file, for the head */
export function writeDraft(draft: Draft, source: string): string {
  const { name, from, kind, requests, headers, auth, methods, left, secrets, notes } = draft
  const changes = methods.filter(
    (method) => requests.some((request) => request.method === method) && !['GET', 'HEAD', 'OPTIONS'].includes(method),
  )
  const lines = requests.map((request) => `${kind === 'visit' ? '          ' : '      '}- ${flow(requestFields(request))}`)
  return `${[
    `# Made by rollgate load import from ${comment(source)} (${from}).`,
    ...notes.map((note) => `# ${comment(note)}.`),
    ...left.map(({ count, why }) => `# Left out: ${count} ${comment(why)}.`),
    ...(secrets.length === 0
      ? []
      : [
          '# Secrets are never written down. Name their sources, for example:',
          '#   secrets:',
          ...secrets.map((secret) => `#     ${secret}: { env: ${secret} }`),
        ]),
    'loads:',
    `  ${name}:`,
    `    rate: ${RATE}`,
    '    duration: 30s',
    '    warmup: 0s',
    ...(Object.keys(headers).length === 0 ? [] : [`    headers: ${flow(headers)}`]),
    ...(auth === null
      ? []
      : [
          `    auth: ${flow(auth.kind === 'bearer' ? { bearer: auth.token } : auth.kind === 'basic' ? { basic: { user: auth.user, password: auth.password } } : {})}`,
        ]),
    ...(changes.length === 0 ? [] : [`    safety: { methods: [${['GET', 'HEAD', 'OPTIONS', ...changes].join(', ')}] }`]),
    ...(kind === 'visit' ? ['    scenarios:', '      visit:', '        steps:'] : ['    requests:']),
    ...lines,
  ].join('\n')}\n`
}

function requestFields({ method, path, headers, body, expect }: LoadRequest): Readonly<Record<string, unknown>> {
  const status = expect?.status
  return {
    [method.toLowerCase()]: path,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined
      ? {}
      : body.kind === 'json'
        ? { json: body.value }
        : body.kind === 'form'
          ? { form: body.fields }
          : { body: body.text }),
    ...(status === undefined ? {} : { expect: { status: status.length === 1 ? status[0] : status } }),
  }
}

const OURS = new Set('get head options post put patch delete headers json form body expect status bearer basic user password'.split(' '))

/** One line of YAML: keys of ours bare, everything else as JSON. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${OURS.has(key) ? key : quoted(plain(key))}: ${flow(inner)}`)
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`
  }
  return typeof value === 'string' ? quoted(plain(value).replaceAll('${', () => '$${')) : JSON.stringify(value ?? null)
}

/** The reader of the file takes two code points that are no characters for braces: no foreign text may hold them. */
function plain(text: string): string {
  return text.replace(/[\ufdd0-\ufdef]/g, '\ufffd')
}

/** YAML wants more characters escaped than JSON does. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ufdd0\ufdd1]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function comment(text: string): string {
  return cleanText(text, 300).replace(/\s+/g, ' ').replace(/\.$/, '')
}
