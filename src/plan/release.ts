// Which release is it? Same contents and same settings are the same release, on every host and in every year; the
// counter only gives people an order. Pure: a secret enters by a digest (drivers/artifact/secret-digest.ts).
import { createHash } from 'node:crypto'
import type { ReleaseSettings, Template } from '../domain/config.ts'
import type { InstalledRelease, ReleaseId } from '../domain/release.ts'

/** Of the settings, what ends up inside a release; where it is kept and how many are kept does not change it. */
export type HashedSettings = Pick<ReleaseSettings, 'shared' | 'env'>

/** Every secret's name in the environment of a release, sorted: digests of these are needed. */
export function secretNames(settings: HashedSettings): readonly string[] {
  const names = Object.values(settings.env).flatMap((template) =>
    template.flatMap((part) => (typeof part === 'string' ? [] : [part.secret])),
  )
  return [...new Set(names)].sort()
}

/** @param secretDigests secret's name → digest. @throws RangeError when one is missing: a changed secret would go unnoticed */
export function settingsHash(settings: HashedSettings, secretDigests: Readonly<Record<string, string>>): string {
  const env = Object.entries(settings.env).map(([name, template]) => [name, partsOf(template)] as const)
  const secrets = secretNames(settings).map((name) => {
    const digest = Object.hasOwn(secretDigests, name) ? secretDigests[name] : undefined
    if (digest === undefined) throw new RangeError(`No digest for the secret ${name}`)
    return [name, digest] as const
  })
  return sha256(JSON.stringify({ version: 1, shared: [...new Set(settings.shared)].sort(), env: env.sort(byName), secrets }))
}

/** Full hash of a release, hex. */
export function releaseHash(artifactSha256: string, settings: HashedSettings, secretDigests: Readonly<Record<string, string>>): string {
  return sha256(`rollgate-release 1\n${artifactSha256}\n${settingsHash(settings, secretDigests)}\n`)
}

export type ChosenRelease = { readonly id: ReleaseId; readonly counter: number; readonly reused: boolean }

/**
 * The id for a hash: the one it already has on any host, else the next counter. `foreign` are folders without a record,
 * among them what an interrupted upload left: its number is not used for something else.
 */
export function chooseRelease(options: {
  readonly hash: string
  /** Of all hosts. */
  readonly installed: readonly InstalledRelease[]
  readonly foreign?: readonly string[]
}): ChosenRelease {
  const same = options.installed.filter((release) => release.hash === options.hash).toSorted((a, b) => b.counter - a.counter)[0]
  if (same !== undefined) return { id: same.id, counter: same.counter, reused: true }
  const counters = options.installed.map((release) => release.counter)
  const names = [...options.installed.map((release) => release.id), ...(options.foreign ?? [])].map(counterOf)
  const counter = [...counters, ...names].reduce((highest, next) => Math.max(highest, next), 0) + 1
  return { id: `r${counter}-${options.hash.slice(0, 8)}`, counter, reused: false }
}

/** 0 for a name that is not ours (Capistrano's are dates). */
function counterOf(name: string): number {
  return Number(/^r([0-9]{1,15})-[0-9a-f]{8}$/.exec(name)?.[1] ?? 0)
}

/** Text that happens to be cut differently is the same text. */
function partsOf(template: Template): Template {
  const parts: (string | { readonly secret: string })[] = []
  for (const part of template) {
    const last = parts.at(-1)
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part
    else if (part !== '') parts.push(typeof part === 'string' ? part : { secret: part.secret })
  }
  return parts
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
